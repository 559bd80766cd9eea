"""The geometry of a contract's plots: a bar for each delivery, shares before and after.

What belongs here: coordinates. Not: colors and markup (templates/), the numbers (facts.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lakehouse.ingestion.ingestion_log import Status
from lakehouse.reports.contract.facts import Compared, Facts
from lakehouse.reports.feature_catalog.drawing import Rectangle, number

WIDTH, HEIGHT = 320.0, 70.0
_WIDEST = 14.0


@dataclass(frozen=True)
class Mark:
    """A bar and the status of its delivery."""

    bar: Rectangle
    kind: str


@dataclass(frozen=True)
class Plot:
    """Bars of deliveries, oldest first; `most` labels the top, `first` and `last` the ends of the axis."""

    title: str
    most: str
    marks: Sequence[Mark]
    first: str
    last: str


def rows_plot(facts: Facts) -> Plot:
    """The rows of each delivery."""
    return _plot("Rows", [float(one.rows) for one in facts.profiles], facts, number)


def failed_plot(facts: Facts) -> Plot:
    """The share of rows that failed a check, of the check that most rows failed, in each delivery."""
    shares = {one.delivery: one.failed_share for one in facts.audits}
    values = [shares.get(one.delivery, 0.0) for one in facts.profiles]
    return _plot("Share of rows that failed", values, facts, percent)


def null_plots(facts: Facts) -> list[Plot]:
    """The share of nulls in each delivery, of columns that have any."""
    plots = []
    for column in facts.contract.columns:
        found = [one.columns.get(column.name) for one in facts.profiles]
        values = [one.null_share if one else 0.0 for one in found]
        if any(values):
            plots.append(_plot(f"Null in {column.name}", values, facts, percent))
    return plots


def pairs(compared: Compared, width: float = WIDTH, height: float = HEIGHT) -> list[tuple[Rectangle, Rectangle]]:
    """The bars of each label: the share before and in this delivery."""
    labels, before, after = (compared.series[name] for name in ("labels", "before", "after"))
    most = max(*before, *after, 1e-9)
    step = width / len(labels)

    def bar(place: int, share: float, left: float, when: str) -> Rectangle:
        tall = max(share / most * height, 1.0) if share else 0.0
        tooltip = f"{labels[place]}, {when}: {percent(share)}"
        return Rectangle(
            round(place * step + left, 2), round(height - tall, 2), round(step * 0.4, 2), round(tall, 2), tooltip
        )

    return [
        (bar(place, one, step * 0.08, "before"), bar(place, two, step * 0.52, "in this delivery"))
        for place, (one, two) in enumerate(zip(before, after, strict=True))
    ]


def percent(share: float) -> str:
    """Format a share."""
    if 0 < share < 0.0005:  # noqa: PLR2004  # would be shown as none at all
        return "< 0.1%"
    return f"{share * 100:.1f}%".replace(".0%", "%")


def _plot(title: str, values: Sequence[float], facts: Facts, format_value: Callable[[float], str]) -> Plot:
    status = {one.fingerprint: one.status for one in facts.deliveries}
    most = max(values, default=0.0)
    step = min(WIDTH / max(len(values), 1), _WIDEST)
    marks = []
    for place, (value, profile) in enumerate(zip(values, facts.profiles, strict=True)):
        now = status.get(profile.fingerprint, Status.PUBLISHED)
        tall = max(value / most * HEIGHT, 1.0) if value else 0.0
        tooltip = f"{profile.delivery} ({now}): {format_value(value)}"
        bar = Rectangle(round(place * step, 2), round(HEIGHT - tall, 2), round(step * 0.82, 2), round(tall, 2), tooltip)
        marks.append(Mark(bar, str(now)))
    ends = [one.delivery for one in facts.profiles] or [""]
    return Plot(title, format_value(most), marks, ends[0], ends[-1])
