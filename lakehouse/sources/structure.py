"""Why a delivery is rejected for its columns: missing, unknown, of another type, or without a value that can be read.

What belongs here: the faults, in words and as findings. Not: reading (reading.py), and naming changes by what is in the
columns (drift/).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakehouse.contracts.contract import Column
from lakehouse.errors import DeliveryError, nearest_name
from lakehouse.profiling.issues import Issue
from lakehouse.sources.casting import Cast, cast_columns, has_text
from lakehouse.sources.file_formats import Delivered
from lakehouse.sources.mapping_types import Absent
from lakehouse.sources.remediation import recipe
from lakehouse.sources.source import Source

_EXAMPLES = {"timestamp": "2018-04-01T00:00:31Z", "bool": "true", "float64": "12.5"}
_SHOWN = 3


class StructureError(DeliveryError):
    """A delivery whose columns are not the contract's. `findings` say how, and which mapping would mend it."""

    def __init__(self, what: str, issues: Sequence[Issue], *, where: str, nearest: str | None = None, fix: str) -> None:
        self.issues = tuple(issues)
        super().__init__(what, where=where, nearest=nearest, fix=fix)


@dataclass(frozen=True)
class Fault:
    """One reason to reject a file: as data for the detectors, and as a message."""

    issue: Issue
    fix: str
    nearest: str | None = None
    row: int | None = None

    def error(self, path: Path) -> StructureError:
        """The error that rejects the file."""
        where = str(path) if self.row is None else f"{path}, row {self.row}"
        return StructureError(self.issue.message, [self.issue], where=where, nearest=self.nearest, fix=self.fix)


def name_faults(source: Source, opened: Delivered, names: Mapping[str, str], unknown: Sequence[str]) -> list[Fault]:
    """What is wrong with a file's columns by their names: those that are missing, unknown, in another order.

    `names` are the contract's columns with the delivered names, `unknown` the delivered names that nobody knows. Raises
    DeliveryError for a column that appears twice.
    """
    contract, where = source.contract, str(opened.path)
    for name, times in Counter(opened.names).items():
        if times > 1:
            raise DeliveryError(f"The column {name!r} appears twice.", where=where, fix="Have it delivered once.")
    known = [column.name for column in contract.columns]
    absent = {one.column for one in source.mappings if isinstance(one, Absent)}
    missing = [name for name in known if name not in names and name not in absent]
    alike = {name: nearest for name in missing if (nearest := nearest_name(name, unknown))}
    proposals = {name: f"renamed({nearest!r}, {name!r})" for name, nearest in alike.items()}
    # A file is mended in one go: whichever column is told of first, all names that are alike are proposed.
    fix = f"Have it delivered with the columns of the contract {contract.table}: {', '.join(known)}."
    fix += _or_declare(source, ", ".join(proposals.values()))
    faults = [
        Fault(
            Issue(
                "column_removed",
                (name,),
                f"The column {name!r} is missing.",
                share=1.0,
                proposal=proposals.get(name),
            ),
            fix,
            alike.get(name),
        )
        for name in missing
    ]
    blocked = [name for name in unknown if contract.on_added(name) == "block"]
    if blocked:
        shown = f"The column {blocked[0]!r} is unknown."
        if len(blocked) > 1:
            more = f" and {len(blocked) - _SHOWN:,} more" if len(blocked) > _SHOWN else ""
            shown = f"The columns {', '.join(map(repr, blocked[:_SHOWN]))}{more} are unknown."
        proposal = ", ".join(f"ignored({name!r})" for name in blocked[:_SHOWN])
        faults.append(
            Fault(
                Issue("column_added", tuple(blocked), shown, share=1.0, proposal=proposal),
                f"Declare it in the contract {contract.table}, or have it delivered without."
                + _or_declare(source, proposal),
                nearest_name(blocked[0], known),
            )
        )
    in_order = [name for name in known if name in names]
    if contract.ordered and sorted(in_order, key=lambda name: opened.names.index(names[name])) != in_order:
        message = "The columns come in another order than the contract's."
        faults.append(
            Fault(
                Issue("columns_reordered", tuple(in_order), message, share=1.0),
                f"Have it delivered in the order {', '.join(known)}, or take `ordered` out of the contract.",
            )
        )
    return faults


def _or_declare(source: Source, proposal: str | None) -> str:
    return f" Or declare a mapping. {recipe(source, [proposal])}" if proposal else ""


def value_fault(
    source: Source, column: Column, cast: Cast, delivered: pa.Table, names: Mapping[str, str], *, texts: bool
) -> Fault | None:
    """Why a column's values reject the file: another type, or no value that could be read."""
    name, kind = column.name, column.type
    fix = "Have it delivered in the contract's type."
    if name in cast.mistyped:
        some = name not in cast.unreadable or not cast.unreadable[name].all()
        readable = some and has_text(cast.mistyped[name])
        proposal = f"retyped({name!r})" if readable else None
        message = f"The column {name!r} is {cast.mistyped[name]}, but the contract says {kind}."
        issue = Issue("type_changed", (name,), message, share=1.0, proposal=proposal)
        return Fault(issue, fix + _or_declare(source, proposal), kind)
    bad = cast.unreadable.get(name)
    if bad is None:
        return None
    given = delivered.column(names[name])
    if int(bad.sum()) < len(given) - given.null_count:
        return None
    row = int(np.argmax(bad))
    issue = Issue("type_changed", (name,), "", share=float(bad.mean()))
    if kind == "timestamp" and source.time_zone is None and _only_zone_is_missing(source, given, name, texts=texts):
        message = f"The times in {name!r} have no time zone."
        fix = f'Deliver them with an offset, or declare time_zone="UTC" in the source {source.name}.'
        return Fault(replace(issue, message=message), fix, _EXAMPLES[kind])
    if texts or not (pa.types.is_timestamp(given.type) or pa.types.is_integer(given.type)):
        message = f"{str(given[row].as_py())[:80]!r} in column {name!r} is not {kind}: no value of it is."
        return Fault(replace(issue, message=message), fix, _EXAMPLES.get(kind, kind), row + 1)
    if kind == "timestamp":
        try:
            given.cast(pa.timestamp("us", given.type.tz))
            why = f"row {row + 1} lies outside of the years 1 to 9999"
        except pa.ArrowInvalid as error:
            why = str(error)[:120]
        message = f"A time in {name!r} is out of range or finer than a microsecond: {why}."
        return Fault(
            replace(issue, message=message),
            "Deliver times between the years 1 and 9999, in microseconds or coarser.",
        )
    return Fault(replace(issue, message=f"A value of {name!r} does not fit into {kind}: none of them does."), fix)


def _only_zone_is_missing(source: Source, given: pa.ChunkedArray, name: str, *, texts: bool) -> bool:
    """Whether the times could be read if they were in UTC."""
    column = next(one for one in source.contract.columns if one.name == name)
    mappings = [one for one in source.mappings if name in one.touched()]
    cast = cast_columns(pa.table({name: given}), [column], mappings, naive=True, texts=texts)
    return cast.columns[name].null_count < len(given)
