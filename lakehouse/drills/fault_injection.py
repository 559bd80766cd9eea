"""Incidents: ways in which a vendor's delivery goes wrong, to be played on purpose in a drill.

What belongs here: what each incident does to a delivered file's rows, which columns it picks by rule, what it should
be recognised as. Not: reading and writing files (incident_files.py), playing an incident (orchestration/drill.py),
and detecting (changes.py, anomalies.py): that must not know what is in here.

Rows are texts, as a text format has them, null where nothing was given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from lakehouse.contracts.contract import Contract
from lakehouse.errors import SlipwayError

FEW = 5
"""One row in so many is concerned, where an incident does not concern all."""
CUT_TO = 4
NOT_KNOWN = "9999"
MOST_CODES = 50
"""A number with no more different values than so many is taken for a code."""


@dataclass(frozen=True)
class Roles:
    """Columns picked by rule, so that incidents can be played on any source.

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
class Spoilt:
    """A delivery that went wrong: its rows, the columns that did (most concerned first), and the file's encoding."""

    rows: pl.DataFrame
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Incident:
    """Something that can be wrong with a delivery.

    `play` makes the rows of a good delivery (and the one before it) wrong; None where the source has no column for it.
    `kinds` are the findings' kinds that name it rightly.
    """

    name: str
    description: str
    kinds: tuple[str, ...]
    play: Callable[["Stage"], Spoilt | None] = field(repr=False)


@dataclass(frozen=True)
class Stage:
    """What an incident is played on: a good delivery's rows, those of the delivery before it, and the roles."""

    rows: pl.DataFrame
    before: pl.DataFrame
    roles: Roles

    def put(self, *values: pl.Expr, columns: Sequence[str]) -> Spoilt:
        """The rows with other values."""
        return Spoilt(self.rows.with_columns(*values), tuple(columns))


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


def incident(name: str) -> Incident:
    """The incident of that name. Raises SlipwayError with the nearest name for one that there is not."""
    from lakehouse.errors import unknown_name

    if name not in INCIDENTS:
        raise unknown_name("incident", name, INCIDENTS, where="--incident")
    return INCIDENTS[name]


def play(one: Incident, stage: Stage) -> Spoilt:
    """The delivery after the incident. Raises SlipwayError when the source has no column that it could concern."""
    spoilt = one.play(stage)
    if spoilt is None:
        raise SlipwayError(
            f"{one.name} cannot be played here: the source has no column for it.",
            where=f"--incident {one.name}",
            nearest="column_removed",
            fix="Choose another one of `slipway drill --list`.",
        )
    return spoilt


def _renamed(stage: Stage) -> Spoilt | None:
    name = stage.roles.number
    if name is None:
        return None
    return Spoilt(stage.rows.rename({name: shorter(name)}), (name,))


def shorter(name: str) -> str:
    """The name as somebody in a hurry writes it: the last word without its later vowels."""
    first, gap, last = name.rpartition("_")
    short = last[:1] + "".join(letter for letter in last[1:] if letter.lower() not in "aeiou")
    return first + gap + (short if short != last else f"{last}_new")


def _removed(stage: Stage) -> Spoilt | None:
    name = stage.roles.number
    return Spoilt(stage.rows.drop(name), (name,)) if name else None


def _added(stage: Stage) -> Spoilt:
    return Spoilt(stage.rows.with_columns(batch_no=pl.lit("17")), ("batch_no",))


def _type(stage: Stage) -> Spoilt | None:
    name = next(iter(stage.roles.amounts), stage.roles.number)
    return stage.put(pl.col(name) + " USD", columns=[name]) if name else None


def _unit(stage: Stage) -> Spoilt | None:
    name = stage.roles.number
    return stage.put(_scaled(name, 100), columns=[name]) if name else None


def _cents(stage: Stage) -> Spoilt | None:
    names = stage.roles.amounts
    cents = [(pl.col(name).cast(pl.Float64) * 100).round().cast(pl.Int64).cast(pl.String) for name in names]
    return stage.put(*cents, columns=names) if names else None


def _scaled(name: str, factor: int) -> pl.Expr:
    """The column times a factor, written with as many decimals as before."""
    number = pl.col(name).cast(pl.Float64) * factor
    whole = pl.col(name).str.contains(r"^-?\d+$")
    return pl.when(whole).then(number.round().cast(pl.Int64).cast(pl.String)).otherwise(number.round(2).cast(pl.String))


def _dates(stage: Stage) -> Spoilt:
    name = stage.roles.time
    parts = pl.col(name).str.extract_groups(r"^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)(?<rest>.*)$")
    day, month, year, rest = (parts.struct.field(part) for part in ("day", "month", "year", "rest"))
    return stage.put(pl.concat_str([day, pl.lit("/"), month, pl.lit("/"), year, rest]).alias(name), columns=[name])


def _comma(stage: Stage) -> Spoilt | None:
    names = stage.roles.amounts
    return stage.put(*(pl.col(name).str.replace(".", ",", literal=True) for name in names), columns=names) or None


def _recoded(stage: Stage) -> Spoilt | None:
    name = stage.roles.category
    if name is None:
        return None
    values = stage.rows[name].drop_nulls().unique().sort().to_list()
    letters = {value: chr(ord("A") + place % 26) for place, value in enumerate(values)}
    return stage.put(pl.col(name).replace_strict(letters, default=None), columns=[name])


def _nulls(stage: Stage) -> Spoilt | None:
    name = stage.roles.number
    if name is None:
        return None
    blocked = pl.int_range(pl.len()) % FEW == 0
    return stage.put(pl.when(blocked).then(pl.lit(NOT_KNOWN)).otherwise(name).alias(name), columns=[name])


def _encoding(stage: Stage) -> Spoilt:
    return Spoilt(stage.rows, (), "utf-16")


def _truncated(stage: Stage) -> Spoilt | None:
    name = stage.roles.cut
    return stage.put(pl.col(name).str.slice(0, CUT_TO), columns=[name]) if name else None


def _duplicated(stage: Stage) -> Spoilt:
    return Spoilt(pl.concat([stage.rows, stage.rows]))


def _stale(stage: Stage) -> Spoilt:
    return Spoilt(stage.before)


def _recounted(stage: Stage) -> Spoilt | None:
    """The most used number in another system's codes: its values numbered from 1; where there are many, times 100."""
    name = stage.roles.number
    if name is None:
        return None
    values = stage.rows[name].drop_nulls().unique()
    if len(values) > MOST_CODES:
        return _unit(stage)
    codes = {value: str(place) for place, value in enumerate(sorted(values, key=float), start=1)}
    return stage.put(pl.col(name).replace_strict(codes, default=None), columns=[name])


def _vendor(stage: Stage) -> Spoilt | None:
    """Several things at once, as when a vendor moves to another system."""
    columns: tuple[str, ...] = ()
    rows = stage.rows
    for change in (_recounted, _dates, _recoded, _comma):
        spoilt = change(replace(stage, rows=rows))
        if spoilt is not None:
            rows, columns = spoilt.rows, (*columns, *spoilt.columns)
    return Spoilt(rows, tuple(dict.fromkeys(columns)))


INCIDENTS = {
    one.name: one
    for one in (
        Incident(
            "vendor_format_change",
            "The vendor moves to another system: other codes, day/month/year, letters for categories, decimal commas.",
            ("unit_changed", "time_format_changed", "category_recoded", "number_format_changed"),
            _vendor,
        ),
        Incident("column_renamed", "The most used number comes under another name.", ("column_renamed",), _renamed),
        Incident("column_removed", "The most used number is not delivered.", ("column_removed",), _removed),
        Incident("column_added", "There is a column more.", ("column_added",), _added),
        Incident("type_changed", "An amount comes as a text with its currency.", ("type_changed",), _type),
        Incident("unit_changed", "The most used number is a hundred times as large.", ("unit_changed",), _unit),
        Incident("currency_cents", "All amounts come in cents.", ("unit_changed",), _cents),
        Incident(
            "day_month_swapped",
            "Dates come as day/month/year.",
            ("time_format_changed", "day_month_swapped"),
            _dates,
        ),
        Incident("decimal_comma", "Amounts come with a decimal comma.", ("number_format_changed",), _comma),
        Incident("category_recoded", "A category's values are letters now.", ("category_recoded",), _recoded),
        Incident("null_respelt", f"What is not known comes as {NOT_KNOWN}.", ("null_respelt",), _nulls),
        Incident("encoding_changed", "The file comes in UTF-16.", ("encoding_changed",), _encoding),
        Incident(
            "text_truncated",
            f"Values are cut off after {CUT_TO} characters.",
            ("text_truncated", "unit_changed"),  # a number of which digits are cut off is so many powers of ten smaller
            _truncated,
        ),
        Incident("duplicated_delivery", "Every row comes twice.", ("rows_duplicated",), _duplicated),
        Incident(
            "stale_delivery", "The delivery before comes again.", ("delivery_stale", "duplicated_delivery"), _stale
        ),
    )
}
