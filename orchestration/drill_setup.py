"""Setup of a drill: which delivery gets faults, and a copy of the home with the deliveries before it.

What belongs here: choosing the delivery and filling the copy. Not: injecting faults and measuring (drill.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.compute as pc

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.contracts.referenced_tables import read_referenced
from lakehouse.domain import Domain
from lakehouse.drills.fault_files import read_texts, write_texts
from lakehouse.errors import SlipwayError
from lakehouse.ingestion.landing import land
from lakehouse.models.artifact_relocation import existing_registry
from lakehouse.models.model import Model
from lakehouse.settings import Settings
from lakehouse.sources.deliveries import inspect
from lakehouse.sources.source import Source
from lakehouse.tables.draft_checks import check_row_count
from lakehouse.tables.provenance import Provenance, last_published
from lakehouse.tables.read import read, resolve
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import ensure_table
from lakehouse.tables.write_audit_publish import write_audit_publish

HISTORY = 45
"""Deliveries that are landed before the faulty one, at most: six weeks of daily ones."""
ENOUGH = 3
"""Maximum number of delivered files for which deliveries are split by day."""


@dataclass(frozen=True)
class TextFile:
    """A delivered file as texts, with the types of its columns where the format has types."""

    name: str
    rows: pl.DataFrame
    types: Any


@dataclass(frozen=True)
class ChosenDelivery:
    """The delivery that gets faults, and the good ones before it, oldest first."""

    file: TextFile
    history: Sequence[TextFile]
    days: Sequence[date]


def choose_delivery(lake: Lakehouse, domain: Domain, source: Source, model: Model | None) -> ChosenDelivery:
    """Choose the newest delivery whose labels are known. Raises SlipwayError if there is none, or none before it."""
    labelled = _newest_labelled_day(lake, domain, model)
    delivered = [one for one in inspect(lake.home, source) if one.days]
    files = [TextFile(one.name, *read_texts(one.path)) for one in delivered if max(one.days) <= labelled]
    if len(files) <= ENOUGH:
        whole = [TextFile(one.name, *read_texts(one.path)) for one in delivered]
        files = [day for file in whole for day in _split_by_day(file, source, labelled)]
    files.sort(key=lambda file: (min(days_of(source, file.rows), default=date.max), file.name))
    if len(files) < 2:  # noqa: PLR2004  # one that gets faults, and one before it
        raise SlipwayError(
            f"A drill needs two deliveries with labels; {source.name} has {len(files)}.",
            where=f"slipway drill {domain.name}",
            fix="Deliver more files, or run the drill in a home that `slipway demo` created.",
        )
    return ChosenDelivery(files[-1], files[:-1][-HISTORY:], days_of(source, files[-1].rows))


def days_of(source: Source, rows: pl.DataFrame) -> list[date]:
    """The days of the rows' event times."""
    texts = rows[source.event_time].drop_nulls().str.slice(0, 10).unique()
    return sorted(day for day in texts.str.to_date("%Y-%m-%d", strict=False).drop_nulls())


def fill_copy(
    home: Path, lake: Lakehouse, source: Source, history: Sequence[TextFile], progress: Callable[[str], None]
) -> None:
    """Land the history in a home of its own, after copying the tables that the contract references."""
    copy = lakehouse_in(home, lake)
    for file in history:
        write_texts(file.rows, copy.home.drop_folder(source.name) / file.name, file.types)
    for name, rows in read_referenced(lake, source.contract).items():
        if name == source.name:
            continue
        progress(f"copying {name}, which the contract references")
        shape = TableShape(name, rows.schema)
        base, made_by = resolve(ensure_table(copy, shape)), Provenance("drill", "drill", {}, "")
        audit = lambda lake, draft, rows=rows: [check_row_count(lake, draft, len(rows))]  # noqa: E731
        write_audit_publish(copy, shape, rows, made_by, None, audit, base)
    land(copy, source, run_id="drill")


def lakehouse_in(home: Path, like: Lakehouse) -> Lakehouse:
    """The lakehouse in this folder: embedded, whatever catalog and engine the user's has."""
    return open_lakehouse(Settings.from_environment({"SLIPWAY_PROJECT": str(like.settings.project)}, home=home))


def _newest_labelled_day(lake: Lakehouse, domain: Domain, model: Model | None) -> date:
    registry = existing_registry(lake.home)
    if model is None or registry is None or registry.champion(model.name) is None:
        raise SlipwayError(
            f"The domain {domain.name} has no champion in this home; a drill needs a live model.",
            where=str(lake.home.root),
            nearest=f"slipway demo --domain {domain.name}",
            fix="Run `slipway demo` first, or `slipway materialize` for a domain of your own.",
        )
    one = domain.training_set(model.training_set)
    if last_published(lake, one.name) is None:
        raise SlipwayError(f"The table {one.name} is missing.", where=str(lake.home.root), fix="Run `slipway demo`.")
    rows = read(lake, one.name, [one.event_time, one.label.column])
    known = rows.filter(pc.is_valid(rows.column(one.label.column)))
    newest = pc.max(known.column(one.event_time)).as_py()
    return newest.date() if newest else date.min


def _split_by_day(file: TextFile, source: Source, last: date) -> list[TextFile]:
    """A file per day of the rows, up to the day `last`."""
    extension = file.name[file.name.index(".") :] if "." in file.name else ""
    days = file.rows.with_columns(day=pl.col(source.event_time).str.slice(0, 10)).partition_by("day", as_dict=True)
    return [
        TextFile(f"{file.name.removesuffix(extension)}_{day}{extension}", rows.drop("day"), file.types)
        for (day,), rows in sorted(days.items(), key=lambda pair: str(pair[0]))
        if day and day <= last.isoformat()
    ]
