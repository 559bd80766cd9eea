"""How a column of a SQL query depends on another: unchanged, computed, aggregated, or by selecting rows only.

What belongs here: OpenLineage's kinds of transformations, read off the expressions between two columns. Not: which
columns those are (sql_scopes.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from lakehouse.transforms.sql_scopes import Pair, Query, names_of

Kind: TypeAlias = tuple[str, str, bool]
"""DIRECT or INDIRECT, the subtype, and whether the value is masked on the way."""

IDENTITY: Kind = ("DIRECT", "IDENTITY", False)
TRANSFORMATION: Kind = ("DIRECT", "TRANSFORMATION", False)
AGGREGATION: Kind = ("DIRECT", "AGGREGATION", False)
JOIN: Kind = ("INDIRECT", "JOIN", False)
FILTER: Kind = ("INDIRECT", "FILTER", False)
WINDOW: Kind = ("INDIRECT", "WINDOW", False)
CONDITIONAL: Kind = ("INDIRECT", "CONDITIONAL", False)
_ORDER = ("CONDITIONAL", "FILTER", "JOIN", "WINDOW", "IDENTITY", "TRANSFORMATION", "AGGREGATION")
"""Of several ways from one column to another the last in this order is told."""
_MASKING = (exp.MD5, exp.MD5Digest, exp.SHA, exp.SHA2)
_TRANSPARENT = (exp.Alias, exp.Paren)


@dataclass
class Kinds:
    """The kinds of a query's columns."""

    query: Query
    _seen: dict[tuple[int, int], dict[Pair, Kind]] = field(default_factory=dict)

    def of(self, name: str) -> dict[Pair, Kind]:
        """In what way a column of the result is made from each of those that `Query.column` names."""
        known = names_of(self.query.scope)
        if name.lower() not in known:
            return {}
        found = self._projected(self.query.scope, known.index(name.lower()))
        # What decides whether a joined row is there at all stands in no expression between the two columns.
        return {pair: found.get(pair, JOIN) for pair in self.query.column(name) or ()}

    def groups(self) -> set[Pair]:
        """The columns of tables that rows are put together by: each group gives one row."""
        found: set[Pair] = set()
        for scope in self.query.scopes.values():
            group = scope.expression.args.get("group") if isinstance(scope.expression, exp.Select) else None
            if group is not None:
                found.update(pair for pair, _ in self._within(group))
        return found

    def _projected(self, scope: Scope, place: int) -> dict[Pair, Kind]:
        key = (id(scope), place)
        if key not in self._seen:
            self._seen[key] = {}  # a recursive common table comes by here again
            found: dict[Pair, Kind] = {}
            for one in scope.set_operation_scopes or ():
                _gather(found, self._projected(one, place).items())
            if not scope.set_operation_scopes and isinstance(scope.expression, exp.Select):
                _gather(found, self._within(scope.expression.selects[place]))
            self._seen[key] = found
        return self._seen[key]

    def _within(self, expression: Any) -> Iterator[tuple[Pair, Kind]]:  # noqa: ANN401  # any part of a query
        for column in expression.find_all(exp.Column):
            here = _kind_between(column, expression)
            _, source = self.query.source_of(column)
            if isinstance(source, exp.Table):
                yield from ((pair, here) for pair in self.query.pairs_of(source, column))
            elif isinstance(source, Scope) and column.name.lower() in names_of(source):
                place = names_of(source).index(column.name.lower())
                yield from ((pair, _joined(there, here)) for pair, there in self._projected(source, place).items())


def _kind_between(column: exp.Column, top: Any) -> Kind:  # noqa: ANN401  # any part of a query
    """What the expressions around a column make of it, up to `top`."""
    kind, child = IDENTITY, column
    while child is not top and child.parent is not None:
        parent: Any = child.parent
        kind = _joined(kind, _step(parent, child))
        child = parent
    return kind


def _step(parent: Any, child: Any) -> Kind:  # noqa: ANN401, PLR0911  # any expressions, each with its answer
    if isinstance(parent, _TRANSPARENT):
        return IDENTITY
    if isinstance(parent, _MASKING):
        return ("DIRECT", "TRANSFORMATION", True)
    if isinstance(parent, exp.Window):
        return AGGREGATION if child is parent.this else WINDOW
    if isinstance(parent, exp.Filter):
        return IDENTITY if child is parent.this else FILTER
    if isinstance(parent, exp.If) and isinstance(parent.parent, exp.Case):
        return CONDITIONAL if child is parent.this else IDENTITY
    if isinstance(parent, exp.Case):
        return TRANSFORMATION if child is not parent.this else CONDITIONAL
    if isinstance(parent, exp.AggFunc):
        return AGGREGATION
    if isinstance(parent, exp.Where | exp.Having | exp.Qualify):
        return FILTER
    if isinstance(parent, exp.Join):
        return JOIN
    return TRANSFORMATION


def _joined(first: Kind, then: Kind) -> Kind:
    """What two steps, one after the other, come to."""
    masked = first[2] or then[2]
    if "INDIRECT" in {first[0], then[0]}:
        subtype = first[1] if first[0] == "INDIRECT" else then[1]
        return ("INDIRECT", subtype, masked)
    return ("DIRECT", max(first[1], then[1], key=_ORDER.index), masked)


def _gather(found: dict[Pair, Kind], more: Any) -> None:  # noqa: ANN401  # pairs with kinds
    for pair, kind in more:
        known = found.get(pair)
        if known is None or _ORDER.index(kind[1]) > _ORDER.index(known[1]):
            # A column that also arrives as it is is not masked.
            found[pair] = kind if known is None else (kind[0], kind[1], kind[2] and known[2])
        else:
            found[pair] = (known[0], known[1], known[2] and kind[2])
