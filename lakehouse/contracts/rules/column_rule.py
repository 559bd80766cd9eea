"""The protocol of a rule on the values of one column.

What belongs here: what each kind of column rule answers, with the answers that most kinds share. Not: the kinds, each
in a module of its own.

A new kind is one module: a frozen dataclass with the rule's parameters, decorated with `registry.column_rule`.
`description` and `failing` are what it has to say; a kind whose parameters are fields of `Column` (nullable, at_least,
...) gives itself in `of`, any other is declared in `Column(..., rules=[...])`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

import polars as pl

from lakehouse.contracts.rules.row_rule import RowRule, parsed

if TYPE_CHECKING:
    from lakehouse.contracts.columns import Column
    from lakehouse.contracts.declaration_checks import Action


class ColumnRule:
    """One rule on the values of a column. A null is only judged by `not_null`.

    `kind` names it: in the rule's name (`<column>_<kind>`), in JSON and in ODCS. Kinds are checked by `order`.
    """

    kind: ClassVar[str]
    order: ClassVar[int] = 100
    library: ClassVar[str] = ""
    """The library that runs the rule, besides the engine."""
    odcs_options: ClassVar[Mapping[str, str]] = {}
    """The logicalTypeOptions of ODCS that are fields of `Column`: option -> field."""

    @classmethod
    def of(cls, column: "Column") -> Self | None:
        """Return the rule that fields of the column declare, if any."""
        del column

    def validate(self, column: "Column", where: str) -> None:
        """Raise DeclarationError if the rule does not apply to the column, or no value can pass it."""

    def description(self, column: str) -> str:
        """Return what the rule says, as a sentence."""
        raise NotImplementedError

    def failing(self, column: "Column") -> str | None:
        """Return DuckDB's condition of a failing row; None if more than the row decides.

        Spark's condition is derived from it, so it may use what expressions.py translates.
        """
        raise NotImplementedError

    def compiled(self, column: "Column", name: str, action: "Action") -> RowRule:
        """Return the rule for an audit."""
        sql = self.failing(column)
        tree = None if sql is None else parsed(sql)
        return RowRule(name, self.description(column.name), action, tree)

    def passing(self, column: "Column", value: pl.Expr) -> pl.Expr:
        """Return the pandera check: a Polars expression that is true of a passing value.

        By default DuckDB's condition, negated, in Polars' SQL.
        """
        del value
        return ~pl.sql_expr(self.failing(column) or "false")

    def as_object(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        return {"rule": self.kind, **asdict(self)}  # type: ignore[call-overload]  # every kind is a dataclass

    @classmethod
    def from_object(cls, found: Mapping[str, Any]) -> Self:
        """Return the rule of JSON values."""
        given = {name: tuple(one) if isinstance(one, list) else one for name, one in found.items() if name != "rule"}
        return cls(**given)

    def to_odcs(self, column: "Column", odcs: dict[str, Any]) -> None:
        """Add the rule to the column's property of an ODCS document.

        By default as the `odcs_options` of the kind, or, where it has none, as a custom check, which other tools leave
        alone.
        """
        if self.odcs_options:
            for option, field in self.odcs_options.items():
                value = getattr(column, field)
                if value not in {None, ""}:
                    given = value.isoformat() if isinstance(value, datetime) else value
                    odcs.setdefault("logicalTypeOptions", {})[option] = given
            return
        odcs.setdefault("quality", []).append(
            {
                "type": "custom",
                "engine": "slipway",
                "name": f"{column.name}_{self.kind}",
                "description": self.description(column.name),
                "implementation": self.as_object(),
            }
        )

    @classmethod
    def from_property(cls, odcs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of `Column` that a property of an ODCS document declares."""
        del odcs
        return {}

    @classmethod
    def from_quality(cls, quality: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the fields of `Column` that a quality check of an ODCS property declares, if it is of this kind."""
        del quality

    @classmethod
    def changes(cls, column: str, old: Any, new: Any, *, comparable: bool) -> Iterator[tuple[str, bool]]:  # noqa: ANN401
        """Yield what changed from one version to the next, and whether it breaks consumers.

        `comparable` says whether the bounds of both are of one type. By default a rule that is gone or different
        breaks, as nothing tells whether it promises less.
        """
        del comparable
        if old == new:
            return
        name = f"{column}_{cls.kind}"
        if old is None:
            yield f"{name} was added.", False
        elif new is None:
            yield f"{name} was removed.", True
        else:
            before, after = (one.description(column).removesuffix(".") for one in (old, new))
            yield f"{name} changed from '{before}' to '{after}'.", True

    def in_python(self) -> list[tuple[str, Any]]:
        """Return the parameters that differ from their defaults, by name, for a declaration in Python."""
        return [
            (one.name, getattr(self, one.name))
            for one in fields(self)  # type: ignore[arg-type]  # every kind is a dataclass
            if getattr(self, one.name) != one.default
        ]


def anything(value: Any) -> str:  # noqa: ANN401  # whatever a rule is declared with
    """Return the value for a sentence about a change; `none` where none is declared."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in {None, ""} else str(value)
