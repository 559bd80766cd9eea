"""Mappings: how a delivery that changed its format is read into the contract's columns.

What belongs here: the words that declare mappings, and checking those of a source together. Not: what each kind is
(mapping_types.py), applying them (casting.py), and proposing them (drift/).

    mappings=(
        renamed("amt", "amount"),
        scaled("amount", 0.01, since=date(2018, 6, 1)),
        recoded("sex", {"M": 1, "F": 2}),
        null_spellings("channel", "NA", "-"),
        times("paid_at", "%d.%m.%Y %H:%M:%S"),
    )

They are applied in the order of the words below, whatever the order they are declared in. `since` and `until` are the
first and the last day on which a mapping holds: days of the row's event time, and for mappings of the event time itself
the day of the delivery. That is the day in the file's name where it has one (2018-06-01, 20180601), else the day of
most of its times.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date

from lakehouse.contracts.contract import Contract
from lakehouse.errors import DeclarationError
from lakehouse.sources.mapping_types import (
    Absent,
    ColumnMapping,
    DecimalComma,
    FileEncoding,
    Ignored,
    NullSpellings,
    Recoded,
    Reencoded,
    Renamed,
    Retyped,
    Scaled,
    Swapped,
)
from lakehouse.sources.time_mapping import Times


def file_encoding(encoding: str) -> ColumnMapping:
    """Text files are in this encoding: `file_encoding("latin-1")`."""
    return FileEncoding(encoding=encoding)


def renamed(delivered: str, column: str) -> ColumnMapping:
    """The contract's `column` is delivered as `delivered`: `renamed("amt", "amount")`."""
    return Renamed(delivered=delivered, column=column)


def ignored(delivered: str) -> ColumnMapping:
    """A delivered column that the contract does not have is left out: `ignored("batch_no")`."""
    return Ignored(delivered=delivered)


def absent(column: str) -> ColumnMapping:
    """A column that may be null is not delivered: `absent("remark")`. Files that have it are still read."""
    return Absent(column=column)


def retyped(column: str) -> ColumnMapping:
    """A column has another type in the file, and is read by what its values say: `retyped("amount")`."""
    return Retyped(column=column)


def swapped(column: str, other: str, *, since: date | None = None, until: date | None = None) -> ColumnMapping:
    """Two columns have changed places: `swapped("debit", "credit", since=date(2018, 6, 1))`."""
    return Swapped(column=column, other=other, since=since, until=until)


def reencoded(
    column: str, encoding: str = "latin-1", *, since: date | None = None, until: date | None = None
) -> ColumnMapping:
    """Texts are UTF-8 that was read in another encoding: `reencoded("city", "latin-1")`."""
    return Reencoded(column=column, encoding=encoding, since=since, until=until)


def null_spellings(
    column: str, *spellings: str | float, since: date | None = None, until: date | None = None
) -> ColumnMapping:
    """These values stand for null: `null_spellings("age", -1, "NA")`."""
    return NullSpellings(column=column, spellings=spellings, since=since, until=until)


def recoded(
    column: str, codes: Mapping[str | int, str | int], *, since: date | None = None, until: date | None = None
) -> ColumnMapping:
    """What is delivered, and what it means: `recoded("sex", {"M": 1, "F": 2})`."""
    return Recoded(column=column, codes=tuple(codes.items()), since=since, until=until)


def decimal_comma(column: str, *, since: date | None = None, until: date | None = None) -> ColumnMapping:
    """Numbers are written 1.234,5: `decimal_comma("amount")`."""
    return DecimalComma(column=column, since=since, until=until)


def times(
    column: str,
    form: str = "",
    *,
    zone: str = "",
    ambiguous: str = "quarantine",
    day_month_swapped: bool = False,
    since: date | None = None,
    until: date | None = None,
) -> ColumnMapping:
    """How times are written or meant: `times("paid_at", "%d.%m.%Y %H:%M", zone="Europe/Berlin")`.

    `ambiguous` says what becomes of a local time that came twice, when the clock was set back: "earlier", "later" or
    "quarantine".
    """
    return Times(
        column=column,
        form=form,
        zone=zone,
        ambiguous=ambiguous,
        day_month_swapped=day_month_swapped,
        since=since,
        until=until,
    )


def scaled(column: str, factor: float, *, since: date | None = None, until: date | None = None) -> ColumnMapping:
    """Delivered numbers times the factor are the contract's: `scaled("amount", 0.01)` for cents."""
    return Scaled(column=column, factor=factor, since=since, until=until)


def check_mappings(mappings: Sequence[ColumnMapping], contract: Contract, where: str) -> None:
    """Raises DeclarationError for a mapping that does not fit the contract, and for two that contradict each other."""
    seen: dict[tuple[str, str], ColumnMapping] = {}
    for mapping in mappings:
        if not isinstance(mapping, ColumnMapping):
            raise DeclarationError(
                f"{mapping!r} is not a mapping.",
                where=where,
                nearest='renamed("amt", "amount")',
                fix="Give a tuple of mappings.",
            )
        mapping.check(contract, where)
        names = [("delivered as", mapping.delivered)] if isinstance(mapping, Renamed | Ignored) else []
        for name in [*names, *([("mapped by", mapping.line())])]:
            if name in seen:
                raise DeclarationError(f"{mapping.line()} and {seen[name].line()} contradict each other.", where=where)
            seen[name] = mapping


def fingerprint(mappings: Sequence[ColumnMapping]) -> str:
    """A short hash of what the mappings make of a delivery; their order does not matter."""
    lines = sorted(mapping.line() for mapping in mappings)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
