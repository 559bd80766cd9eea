"""Following columns through the scopes of one SQL query: common tables, subqueries, joins, unions.

What belongs here: from a qualified query to the columns that a column, the rows and a time come from. Not: dbt.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

Pair: TypeAlias = tuple[str, str]
Time: TypeAlias = tuple[Pair, int]

_SECOND = 1_000_000
_UNITS = {"second": _SECOND, "minute": 60 * _SECOND, "hour": 3_600 * _SECOND, "day": 86_400 * _SECOND}
_UNITS["week"] = 7 * _UNITS["day"]
_MOST = {**_UNITS, "month": 31 * _UNITS["day"], "quarter": 92 * _UNITS["day"], "year": 366 * _UNITS["day"]}
_SPANS = {"ToSeconds": "second", "ToMinutes": "minute", "ToHours": "hour", "ToDays": "day", "ToWeeks": "week"}
_SAME = (exp.Alias, exp.Paren, exp.Max)  # the newest of several times is as late as any of them


@dataclass
class Query:
    """A query whose columns all say which table they are of."""

    scope: Scope
    names: Mapping[str, Mapping[str, str]]
    """By table: the columns in lower case -> as they are."""
    scopes: Mapping[int, Scope]
    _seen: dict[Any, set[Pair]] = field(default_factory=dict)

    @classmethod
    def of(cls, sql: str, columns: Mapping[str, Sequence[str]]) -> "Query":
        """Read DuckDB's SQL over tables with these columns. Raises SqlglotError or ValueError for what cannot be."""
        schema: dict[str, Any] = {}
        for table, names in columns.items():
            domain, short = table.split(".")
            schema.setdefault(domain, {})[short] = dict.fromkeys(names, "text")
        parsed = qualify(sqlglot.parse_one(sql, dialect="duckdb"), schema=schema, dialect="duckdb")
        root = build_scope(parsed)
        if root is None:
            raise ValueError(sql)
        names = {table: {name.lower(): name for name in known} for table, known in columns.items()}
        return cls(root, names, {id(one.expression): one for one in root.traverse()})

    def column(self, name: str) -> set[Pair] | None:
        """The columns of tables that a column of the result is made from; None when there is no such column."""
        known = names_of(self.scope)
        return self._projected(self.scope, known.index(name.lower())) if name.lower() in known else None

    def rows(self) -> set[Pair]:
        """The columns of tables that decide which rows there are."""
        return self._rows(self.scope)

    def time(self, name: str) -> Time | None:
        """The column of a table that a column is, and how much later it is at least; None where that is not so."""
        known = names_of(self.scope)
        return self._time(self.scope, known.index(name.lower())) if name.lower() in known else None

    def _projected(self, scope: Scope, place: int) -> set[Pair]:
        key = (id(scope), place)
        if key not in self._seen:
            self._seen[key] = set()  # a recursive common table comes by here again
            if scope.set_operation_scopes:
                found = [self._projected(one, place) for one in scope.set_operation_scopes]
            elif isinstance(scope.expression, exp.Select):
                found = [self._within(scope.expression.selects[place])]
            else:  # a table function: whatever it is given
                found = [self._within(scope.expression)]
            self._seen[key] = set().union(*found)
        return self._seen[key]

    def _rows(self, scope: Scope) -> set[Pair]:
        key = (id(scope), "rows")
        if key not in self._seen:
            self._seen[key] = set()
            parts = [self._rows(one) for one in scope.set_operation_scopes]
            if isinstance(scope.expression, exp.Select):
                deciding = [scope.expression.args.get(part) for part in ("where", "having", "qualify")]
                if scope.expression.args.get("limit"):
                    deciding.append(scope.expression.args.get("order"))
                optional = {}
                for join in scope.expression.args.get("joins") or ():
                    optional[join.alias_or_name] = join.side in {"LEFT", "FULL"}
                    deciding += [] if optional[join.alias_or_name] else [join.args.get("on")]
                parts += [self._within(one) for one in deciding if one is not None]
                parts += [
                    self._rows(source)
                    for name, (_, source) in scope.selected_sources.items()
                    if isinstance(source, Scope) and not optional.get(name)
                ]
            self._seen[key] = set().union(*parts)
        return self._seen[key]

    def _within(self, expression: Any) -> set[Pair]:  # noqa: ANN401  # any part of a query
        """The columns of tables that any part of the expression comes from, subqueries and their filters included."""
        found: set[Pair] = set()
        for column in expression.find_all(exp.Column):
            scope, source = self.source_of(column)
            if isinstance(source, exp.Table):
                found.update(self.pairs_of(source, column))
            elif isinstance(source, Scope):
                found |= self._of(source, column.name) | self._rows(source)
            found |= self._joined_on(scope, column)
        return found

    def _of(self, source: Scope, name: str) -> set[Pair]:
        known = names_of(source)
        if name.lower() in known:
            return self._projected(source, known.index(name.lower()))
        return set().union(*(self._projected(source, place) for place in range(len(known) or 1)))

    def _joined_on(self, scope: Scope | None, column: exp.Column) -> set[Pair]:
        """What decides whether a joined table has a row here at all."""
        joins = scope.expression.args.get("joins") or () if scope is not None else ()
        found: set[Pair] = set()
        for join in joins:
            on, key = join.args.get("on"), (id(join), "on")
            if on is not None and join.side and join.alias_or_name == column.table:
                if key not in self._seen:
                    self._seen[key] = set()
                    self._seen[key] = self._within(on)
                found |= self._seen[key]
        return found

    def source_of(self, column: exp.Column) -> tuple[Scope | None, Any]:
        """The scope that knows the column's table, and that table: the nearest one around it."""
        around: Any = column
        while around is not None:
            scope = self.scopes.get(id(around))
            if scope is not None and column.table in scope.sources:
                return scope, scope.sources[column.table]
            around = around.parent
        return None, None

    def pairs_of(self, table: exp.Table, column: exp.Column) -> Iterator[Pair]:
        """The column as a pair, where the table is known to have it."""
        name = f"{table.db}.{table.name}"
        exact = self.names.get(name, {}).get(column.name.lower())
        if exact:
            yield name, exact

    def _time(self, scope: Scope, place: int) -> Time | None:
        if scope.set_operation_scopes:
            return _earliest([self._time(one, place) for one in scope.set_operation_scopes])
        if not isinstance(scope.expression, exp.Select):
            return None
        return self._shifted(scope.expression.selects[place])

    def _shifted(self, one: Any) -> Time | None:  # noqa: ANN401  # any expression
        inner, shift = _unwrapped(one)
        if inner is not one:
            return _later(self._shifted(inner), shift)
        if not isinstance(one, exp.Column):
            return None
        _, source = self.source_of(one)
        if isinstance(source, exp.Table):
            return next(((pair, 0) for pair in self.pairs_of(source, one)), None)
        if source is None:
            return None
        known = names_of(source)
        return self._time(source, known.index(one.name.lower())) if one.name.lower() in known else None


def names_of(scope: Scope) -> list[str]:
    """The columns of a part of the query, in lower case."""
    query: Any = scope.expression
    return [name.lower() for name in query.named_selects]


def _unwrapped(one: Any) -> tuple[Any, int | None]:  # noqa: ANN401  # any expression
    """The time inside of an expression, and how much later than it the expression is at least (None: nobody knows)."""
    if isinstance(one, exp.Cast):
        return one.this, -_UNITS["day"] if one.to.this == exp.DataType.Type.DATE else 0
    if isinstance(one, _SAME):
        return one.this, 0
    if isinstance(one, exp.TimestampTrunc | exp.DateTrunc):
        unit = str(one.args.get("unit") or "").strip("'").lower()
        return one.this, -_MOST[unit] if unit in _MOST else None
    if isinstance(one, exp.Add) and _span(one.this) is not None:
        return one.expression, _span(one.this)
    if isinstance(one, exp.Add | exp.DateAdd | exp.TimestampAdd):
        return one.this, _span(one.expression)
    if isinstance(one, exp.Sub | exp.DateSub | exp.TimestampSub):
        span = _span(one.expression)
        return one.this, None if span is None else -span
    return one, None


def _span(one: Any) -> int | None:  # noqa: ANN401  # any expression
    """The microseconds of an interval that is written down; None for others, and for months, which differ."""
    unit = _SPANS.get(type(one).__name__)
    if isinstance(one, exp.Interval):
        unit = str(one.args.get("unit") or "").lower().rstrip("s")
    number = one.this if unit else None
    if not isinstance(number, exp.Literal | exp.Paren | exp.Neg) or unit not in _UNITS:
        return None
    try:
        return round(float(number.sql().strip("'()")) * _UNITS[unit])
    except ValueError:
        return None


def _later(time: Time | None, shift: int | None) -> Time | None:
    return None if time is None or shift is None else (time[0], time[1] + shift)


def _earliest(times: Iterable[Time | None]) -> Time | None:
    """The earliest of times that are all of one column."""
    known = list(times)
    if not known or None in known or len({one[0] for one in known if one}) > 1:
        return None
    return min((one for one in known if one), key=lambda one: one[1])
