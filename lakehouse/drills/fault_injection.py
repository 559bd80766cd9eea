"""Fault injection: faults of a delivery, created on purpose for a drill.

What belongs here: what each fault does to the rows of a delivered file, which columns it picks by rule, and the kinds
of issues that should report it. Not: reading and writing files (fault_files.py), running a drill
(orchestration/drill.py), and detection (lakehouse/drift), which must not depend on this module.

Rows are texts, as in a CSV file; empty values are null.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from lakehouse.contracts.contract import Contract
from lakehouse.errors import SlipwayError

FEW = 5
"""A fault that affects only some rows is injected into one row in `FEW`."""
CUT_TO = 4
NOT_KNOWN = "9999"
MOST_CODES = 50
"""A number with no more different values than so many is taken for a code."""


@dataclass(frozen=True)
class Roles:
    """Columns picked by rule, so that faults can be injected into any source.

    `number` is the numeric column that the model uses most, `amounts` are the columns with decimals, the most used
    first, `category` has few allowed values, `cut` is a text (or, without one, the most used amount), `time` the event
    time. None where the contract has no such column.
    """

    time: str
    number: str | None
    amounts: tuple[str, ...]
    category: str | None
    cut: str | None


@dataclass(frozen=True)
class FaultyDelivery:
    """A delivery with a fault: its rows, the affected columns (most affected first), and the file's encoding."""

    rows: pl.DataFrame
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Fault:
    """Something that can be wrong with a delivery.

    `change` turns a good delivery into a faulty one; it returns None if the source has no column for it. `kinds` are
    the kinds of issues that report this fault correctly.
    """

    name: str
    description: str
    kinds: tuple[str, ...]
    change: Callable[["GoodDelivery"], FaultyDelivery | None] = field(repr=False)


@dataclass(frozen=True)
class GoodDelivery:
    """What a fault is injected into: rows of a good delivery and of the one before it, and the roles of columns."""

    rows: pl.DataFrame
    before: pl.DataFrame
    roles: Roles

    def put(self, *values: pl.Expr, columns: Sequence[str]) -> FaultyDelivery:
        """The rows with other values."""
        return FaultyDelivery(self.rows.with_columns(*values), tuple(columns))


def roles_of(contract: Contract, event_time: str, used: dict[str, float], late: frozenset[str] = frozenset()) -> Roles:
    """The roles of a contract's columns. `used` is how much the model uses each; `late` columns are known later only.

    Keys (columns that must be unique) and late ones are nobody's input, so they are only picked when nothing else is.
    """
    ranked = sorted(contract.columns, key=lambda one: -used.get(one.name, 0.0))
    plain = [one for one in ranked if one.name not in late and not one.unique and one.name != event_time]
    amounts = tuple(one.name for one in plain if one.type == "float64")
    numbers = [one for one in plain if one.type.startswith(("int", "float"))]
    counted = [one.name for one in numbers if used.get(one.name, 0.0) > 0] or [*amounts]
    categories = [one.name for one in [*plain, *ranked] if one.one_of or one.type == "bool"]
    texts = [one.name for one in plain if one.type == "text" and not one.one_of]
    return Roles(
        time=event_time,
        number=counted[0] if counted else None,
        amounts=amounts,
        category=categories[0] if categories else None,
        cut=next(iter([*texts, *amounts]), None),
    )


def find_fault(name: str) -> Fault:
    """The fault with this name. Raises UnknownNameError with the nearest name if there is none."""
    from lakehouse.errors import unknown_name

    if name not in FAULTS:
        raise unknown_name("fault", name, FAULTS, where="--fault")
    return FAULTS[name]


def inject(fault: Fault, good: GoodDelivery) -> FaultyDelivery:
    """The delivery with the fault. Raises SlipwayError if the source has no column for it."""
    faulty = fault.change(good)
    if faulty is None:
        raise SlipwayError(
            f"{fault.name} cannot be injected: the source has no column for it.",
            where=f"--fault {fault.name}",
            nearest="column_removed",
            fix="Choose another fault from `slipway drill --list`.",
        )
    return faulty


def _renamed(good: GoodDelivery) -> FaultyDelivery | None:
    name = good.roles.number
    if name is None:
        return None
    return FaultyDelivery(good.rows.rename({name: shorter(name)}), (name,))


def shorter(name: str) -> str:
    """The name as somebody in a hurry writes it: the last word without its later vowels."""
    first, gap, last = name.rpartition("_")
    short = last[:1] + "".join(letter for letter in last[1:] if letter.lower() not in "aeiou")
    return first + gap + (short if short != last else f"{last}_new")


def _removed(good: GoodDelivery) -> FaultyDelivery | None:
    name = good.roles.number
    return FaultyDelivery(good.rows.drop(name), (name,)) if name else None


def _added(good: GoodDelivery) -> FaultyDelivery:
    return FaultyDelivery(good.rows.with_columns(batch_no=pl.lit("17")), ("batch_no",))


def _type(good: GoodDelivery) -> FaultyDelivery | None:
    name = next(iter(good.roles.amounts), good.roles.number)
    return good.put(pl.col(name) + " USD", columns=[name]) if name else None


def _unit(good: GoodDelivery) -> FaultyDelivery | None:
    name = good.roles.number
    return good.put(_scaled(name, 100), columns=[name]) if name else None


def _cents(good: GoodDelivery) -> FaultyDelivery | None:
    names = good.roles.amounts
    cents = [(pl.col(name).cast(pl.Float64) * 100).round().cast(pl.Int64).cast(pl.String) for name in names]
    return good.put(*cents, columns=names) if names else None


def _scaled(name: str, factor: int) -> pl.Expr:
    """The column times a factor, written with as many decimals as before."""
    number = pl.col(name).cast(pl.Float64) * factor
    whole = pl.col(name).str.contains(r"^-?\d+$")
    return pl.when(whole).then(number.round().cast(pl.Int64).cast(pl.String)).otherwise(number.round(2).cast(pl.String))


def _dates(good: GoodDelivery) -> FaultyDelivery:
    name = good.roles.time
    parts = pl.col(name).str.extract_groups(r"^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)(?<rest>.*)$")
    day, month, year, rest = (parts.struct.field(part) for part in ("day", "month", "year", "rest"))
    return good.put(pl.concat_str([day, pl.lit("/"), month, pl.lit("/"), year, rest]).alias(name), columns=[name])


def _comma(good: GoodDelivery) -> FaultyDelivery | None:
    names = good.roles.amounts
    return good.put(*(pl.col(name).str.replace(".", ",", literal=True) for name in names), columns=names) or None


def _recoded(good: GoodDelivery) -> FaultyDelivery | None:
    name = good.roles.category
    if name is None:
        return None
    values = good.rows[name].drop_nulls().unique().sort().to_list()
    letters = {value: chr(ord("A") + place % 26) for place, value in enumerate(values)}
    return good.put(pl.col(name).replace_strict(letters, default=None), columns=[name])


def _nulls(good: GoodDelivery) -> FaultyDelivery | None:
    name = good.roles.number
    if name is None:
        return None
    blocked = pl.int_range(pl.len()) % FEW == 0
    return good.put(pl.when(blocked).then(pl.lit(NOT_KNOWN)).otherwise(name).alias(name), columns=[name])


def _encoding(good: GoodDelivery) -> FaultyDelivery:
    return FaultyDelivery(good.rows, (), "utf-16")


def _truncated(good: GoodDelivery) -> FaultyDelivery | None:
    name = good.roles.cut
    return good.put(pl.col(name).str.slice(0, CUT_TO), columns=[name]) if name else None


def _duplicated(good: GoodDelivery) -> FaultyDelivery:
    return FaultyDelivery(pl.concat([good.rows, good.rows]))


def _stale(good: GoodDelivery) -> FaultyDelivery:
    return FaultyDelivery(good.before)


def _recounted(good: GoodDelivery) -> FaultyDelivery | None:
    """The most used number in another system's codes: its values numbered from 1; where there are many, times 100."""
    name = good.roles.number
    if name is None:
        return None
    values = good.rows[name].drop_nulls().unique()
    if len(values) > MOST_CODES:
        return _unit(good)
    codes = {value: str(place) for place, value in enumerate(sorted(values, key=float), start=1)}
    return good.put(pl.col(name).replace_strict(codes, default=None), columns=[name])


def _vendor(good: GoodDelivery) -> FaultyDelivery | None:
    """Several things at once, as when a vendor moves to another system."""
    columns: tuple[str, ...] = ()
    rows = good.rows
    for change in (_recounted, _dates, _recoded, _comma):
        faulty = change(replace(good, rows=rows))
        if faulty is not None:
            rows, columns = faulty.rows, (*columns, *faulty.columns)
    return FaultyDelivery(rows, tuple(dict.fromkeys(columns)))


FAULTS = {
    one.name: one
    for one in (
        Fault(
            "vendor_format_change",
            "The vendor changes its system: other codes, day/month/year, letters for categories, decimal commas.",
            ("unit_changed", "time_format_changed", "category_recoded", "number_format_changed"),
            _vendor,
        ),
        Fault("column_renamed", "The most used numeric column is renamed.", ("column_renamed",), _renamed),
        Fault("column_removed", "The most used numeric column is missing.", ("column_removed",), _removed),
        Fault("column_added", "There is an additional column.", ("column_added",), _added),
        Fault("type_changed", "An amount is delivered as text with its currency.", ("type_changed",), _type),
        Fault("unit_changed", "The most used number is multiplied by 100.", ("unit_changed",), _unit),
        Fault("currency_cents", "All amounts are in cents.", ("unit_changed",), _cents),
        Fault(
            "day_month_swapped",
            "Dates are written as day/month/year.",
            ("time_format_changed", "day_month_swapped"),
            _dates,
        ),
        Fault("decimal_comma", "Amounts are written with a decimal comma.", ("number_format_changed",), _comma),
        Fault("category_recoded", "The values of a category are replaced by letters.", ("category_recoded",), _recoded),
        Fault("null_respelt", f"Unknown values are written as {NOT_KNOWN}.", ("null_respelt",), _nulls),
        Fault("encoding_changed", "The file is encoded in UTF-16.", ("encoding_changed",), _encoding),
        Fault(
            "text_truncated",
            f"Values are cut off after {CUT_TO} characters.",
            ("text_truncated", "unit_changed"),  # a number of which digits are cut off is so many powers of ten smaller
            _truncated,
        ),
        Fault("duplicated_delivery", "Every row is duplicated.", ("rows_duplicated",), _duplicated),
        Fault(
            "stale_delivery",
            "The previous delivery is delivered again.",
            ("delivery_stale", "duplicated_delivery"),
            _stale,
        ),
    )
}
