"""The SQL that casts texts: the accepted notations of each type, after mappings were applied.

What belongs here: expressions for DuckDB. Not: running them (casting.py).
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from lakehouse.contracts.columns import SQL_TYPES, Column
from lakehouse.sources.mapping_types import (
    ColumnMapping,
    DecimalComma,
    NullSpellings,
    Recoded,
    Scaled,
    Swapped,
)
from lakehouse.sources.time_mapping import UNITS, Times
from lakehouse.tables.duck import literal, quoted

# What a text must look like, where DuckDB would take more: 5.7 as the integer 6, or `infinity` as a time.
INTEGER = r"^\s*[+-]?[0-9]+(\.0*)?\s*$"
DECIMAL = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)\s*$"
FLOAT = r"(?i)^\s*[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)\s*$"
TIME = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6}0*)?)?( ?([Zz]|[+-]\d\d(:?\d\d)?))?)?$"
ZONED = r"([Zz]|:.*[+-]\d\d(:?\d\d)?)$"
_OFFSET = r":.*[+-]\d\d(:?\d\d)?$"
_FIRST, _LAST = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"
_MONTHS = 12
_Kind = TypeVar("_Kind", bound=ColumnMapping)


def value_sql(
    column: Column, mappings: Sequence[ColumnMapping], conditions: Mapping[ColumnMapping, str], *, naive: bool
) -> tuple[str, str, str]:
    """Three expressions: the text of a column `given NAME` after its mappings; its value; whether it was unreadable.

    The last two are over the first, called NAME. `conditions` names the column that says where a mapping holds; one
    without a condition holds everywhere.
    """
    text = quoted(f"given {column.name}")
    for mapping in _of(mappings, Swapped):
        other = mapping.other if mapping.column == column.name else mapping.column
        text = _where(mapping, conditions, quoted(f"given {other}"), text)
    for mapping in _of(mappings, NullSpellings):
        spelt = " or ".join(_reason(text, one) for one in mapping.spellings)
        text = _where(mapping, conditions, f"case when {spelt} then null else {text} end", text)
    for mapping in _of(mappings, Recoded):
        codes = " ".join(f"when {_reason(text, one)} then {literal(str(means))}" for one, means in mapping.codes)
        text = _where(mapping, conditions, f"case {codes} else {text} end", text)
    for mapping in _of(mappings, DecimalComma):
        plain = f"replace(replace({text}, '.', ''), ',', '.')"
        text = _where(mapping, conditions, f"case when contains({text}, ',') then {plain} else {text} end", text)
    name = quoted(column.name)
    if column.type == "text":
        return text, name, "false"
    if column.type == "timestamp":
        value = _time(name, _of(mappings, Times), naive=naive)
    else:
        value = _plain(name, column.type)
        for mapping in _of(mappings, Scaled):
            value = _where(mapping, conditions, _scaled(name, column.type, mapping), value)
    return text, value, f"({name} is not null and ({value}) is null)"


def _of(mappings: Sequence[ColumnMapping], kind: type[_Kind]) -> list[_Kind]:
    return [one for one in mappings if isinstance(one, kind)]


def _where(mapping: ColumnMapping, conditions: Mapping[ColumnMapping, str], then: str, otherwise: str) -> str:
    condition = conditions.get(mapping)
    return f"(case when {quoted(condition)} then {then} else {otherwise} end)" if condition else f"({then})"


def _reason(text: str, value: str | float) -> str:
    """Whether a text says the value: word for word, or as a number."""
    return f"{text} = {literal(value)}" if isinstance(value, str) else f"try_cast({text} as double) = {value!r}"


def _plain(name: str, kind: str) -> str:
    form = {"float64": FLOAT, "bool": "."}.get(kind, INTEGER)
    return f"case when regexp_matches({name}, {literal(form)}) then try_cast({name} as {SQL_TYPES[kind]}) end"


def _scaled(name: str, kind: str, mapping: Scaled) -> str:
    """The number times the factor. By powers of ten the point is moved in the text, so that no digit is lost."""
    factor, power = mapping.fraction, _power_of_ten(mapping)
    if power is not None:
        moved = f"(trim({name}) || 'e{power}')"
        decimal = f"regexp_matches({name}, {literal(DECIMAL)})"
    else:
        moved = f"(try_cast({name} as double) * {factor.numerator} / {factor.denominator})"
        decimal = f"regexp_matches({name}, {literal(FLOAT)})"
    if kind == "float64":
        other = f"try_cast({name} as double) * {factor.numerator} / {factor.denominator}"
        return (
            f"case when {decimal} then try_cast({moved} as double) "
            f"when regexp_matches({name}, {literal(FLOAT)}) then {other} end"
        )
    exact = f"try_cast({moved} as decimal(38, 18))" if power is not None else moved
    return f"case when {decimal} and {exact} % 1 = 0 then try_cast({exact} as {SQL_TYPES[kind]}) end"


def _power_of_ten(mapping: Scaled) -> int | None:
    for power in range(-18, 19):
        if mapping.fraction * 10**-power == 1:
            return power
    return None


def _time(name: str, mappings: Sequence[Times], *, naive: bool) -> str:
    """A text with an offset becomes UTC; one without is in the declared zone, in UTC, or unreadable."""
    naive = naive or any(mapping.zone for mapping in mappings)
    iso = f"regexp_matches({name}, {literal(TIME)})"
    if not naive:
        iso += f" and regexp_matches({name}, {literal(ZONED)})"
    ways = [f"case when {iso} then try_cast({name} as timestamptz) at time zone 'UTC' end"]
    for form in dict.fromkeys(mapping.form for mapping in mappings if mapping.form):
        if form in UNITS:
            ways.append(f"make_timestamp(try_cast(try_cast({name} as decimal(38, 6)) * {UNITS[form]} as bigint))")
        elif naive or "%z" in form.lower():
            ways.append(f"try_strptime({name}, {literal(form)})::timestamptz at time zone 'UTC'")
    value = f"coalesce({', '.join(ways)})"
    if any(mapping.day_month_swapped for mapping in mappings):
        swapped = f"make_date(year({value}), day({value}), month({value})) + ({value} - date_trunc('day', {value}))"
        value = f"case when day({value}) <= {_MONTHS} then {swapped} else {value} end"
    for zone, ambiguous in dict.fromkeys((mapping.zone, mapping.ambiguous) for mapping in mappings if mapping.zone):
        local = _in_zone(value, zone, ambiguous)
        value = f"case when regexp_matches({name}, {literal(_OFFSET)}) then {value} else {local} end"
    return f"(case when ({value}) between {_FIRST} and {_LAST} then ({value}) end)"


def _in_zone(value: str, zone: str, ambiguous: str) -> str:
    """The UTC time of a local one; null where the zone's clock never showed it, or twice and the policy says so.

    The offsets of the days before and after give the only two UTC times that can be meant; those that read as the local
    time are.
    """
    if zone[0] in "+-":
        minutes = (int(zone[1:3]) * 60 + int(zone[4:6])) * (1 if zone[0] == "+" else -1)
        return f"({value}) - interval ({minutes}) minute"

    def local(time: str) -> str:
        return f"((({time}) at time zone 'UTC') at time zone {literal(zone)})"

    day = "interval 1 day"
    before, after = (f"t - ({local(f't {sign} {day}')} - (t {sign} {day}))" for sign in "-+")
    both = {"quarantine": "null", "earlier": "least(c.a, c.b)", "later": "greatest(c.a, c.b)"}[ambiguous]
    chosen = (
        f"case when {local('c.a')} <> t then case when {local('c.b')} = t then c.b end "
        f"when c.a <> c.b and {local('c.b')} = t then {both} else c.a end"
    )
    # A lambda over a list of one evaluates its value once, however often it is named.
    candidates = f"{{'a': {before}, 'b': {after}}}"
    return f"list_transform([{value}], lambda t: list_transform([{candidates}], lambda c: {chosen})[1])[1]"
