"""Pictures of tables for people: distributions of columns and rows by day.

What belongs here: drawing PNGs. Not: models' plots (lakehouse/models/plots.py).
"""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.reports.feature_catalog.distribution import NUMBERS
from lakehouse.tables.days import ONE_DAY, between
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.read import attach, plan, rows_by_day

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAMPLE = 50_000
_INK, _BLUE = "#222222", "#0072B2"


def distributions(lake: Lakehouse, table: str, columns: Sequence[str], snapshot_id: int) -> dict[str, bytes]:
    """A picture by name: a histogram of each column of numbers, from a fixed sample of rows; none without such."""
    import numpy as np
    from matplotlib.figure import Figure

    planned = plan(lake, table, at=snapshot_id)
    kinds = {one.name: str(one.field_type) for one in planned.schema.fields}
    columns = [column for column in columns if kinds[column].startswith(NUMBERS)]
    if not columns:
        return {}
    with borrow() as connection:
        rows = attach(connection, planned, "shown")
        chosen = ", ".join(f"{quoted(column)}::double as {quoted(column)}" for column in columns)
        sample = connection.sql(f"select {chosen} from {rows} using sample {_SAMPLE} rows (reservoir, 0)").fetchnumpy()
    across = min(3, len(columns))
    down = -(-len(columns) // across)
    wide, high = 3.2 * across, 2.1 * down
    figure = Figure(figsize=(wide, high))
    # Room in inches, given rather than measured: measuring takes matplotlib as long as drawing.
    figure.subplots_adjust(0.15 / wide, 0.3 / high, 1 - 0.15 / wide, 1 - 0.3 / high, wspace=0.1, hspace=0.45)
    for number, column in enumerate(columns, start=1):
        axes = figure.add_subplot(down, across, number)
        values = np.ma.filled(np.ma.masked_invalid(sample[column].astype(float)), np.nan)
        values = values[~np.isnan(values)]
        if len(values):
            axes.hist(values, bins=min(40, max(2, len(np.unique(values)))), histtype="stepfilled", color=_BLUE)
        axes.set_title(column, fontsize=9, color=_INK)
        axes.tick_params(labelsize=7)
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    return {"distributions": _png(figure)}


def rows_per_day(lake: Lakehouse, table: str, snapshot_id: int) -> bytes:
    """Bars of the rows of each day, from Iceberg's metadata."""
    from matplotlib.dates import date2num
    from matplotlib.figure import Figure

    counts = rows_by_day(plan(lake, table, at=snapshot_id))
    days = between(min(counts), max(counts)) if counts else []
    figure = Figure(figsize=(9, 2.4))
    axes = figure.add_axes((0.06, 0.12, 0.92, 0.76))
    if days:
        edges = date2num([*days, days[-1] + ONE_DAY])
        # One outline: hundreds of single bars take longer to draw than a day takes to compute.
        axes.stairs([counts.get(day, 0) for day in days], edges, fill=True, color=_BLUE)  # type: ignore[arg-type]
        axes.xaxis_date()
    axes.set_title("Rows of each day", fontsize=10, color=_INK)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def _png(figure: "Figure") -> bytes:
    out = BytesIO()
    figure.savefig(out, format="png", dpi=90)
    return out.getvalue()
