"""The rule that an SQL condition is true of each row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from sqlglot import expressions as exp

from lakehouse.contracts.declaration_checks import Action, check_action, check_rule_name
from lakehouse.contracts.expressions import understand
from lakehouse.contracts.rules.registry import table_rule
from lakehouse.contracts.rules.row_rule import RowRule
from lakehouse.contracts.rules.table_rule import TableRule

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract

_SEVERITY = {"block": "error", "quarantine": "error", "warn": "warning"}


@table_rule
@dataclass(frozen=True)
class Rule(TableRule):
    """A condition on the columns of a row: `sql` is true of each passing row, in DuckDB's dialect.

    A row of which it is null is not checked, as with SQL's CHECK. It can use what DuckDB and Spark evaluate alike
    (expressions.py); arithmetic is in 64-bit integers and floats.
    """

    name: str
    sql: str
    description: str
    action: Action = "quarantine"

    kind: ClassVar[str] = "condition"
    order: ClassVar[int] = 20
    columns: ClassVar = ()
    """The expression itself names them; understand() checks that they exist."""

    def __post_init__(self) -> None:
        """Raise DeclarationError for an invalid name or action. The contract checks the expression."""
        check_rule_name(self.name, f"rule {self.name}")
        check_action(self.action, get_args(Action), f"rule {self.name}, action")

    def validate(self, contract: "Contract", where: str) -> None:
        """Raise DeclarationError for an expression that cannot be used."""
        understand(self.sql, tuple(contract.columns), f"{where}, rule {self.name}")

    def compiled(self, contract: "Contract", action: Action) -> RowRule:
        """Return the rule for an audit."""
        where = f"contract of {contract.table}, rule {self.name}"
        passing = understand(self.sql, tuple(contract.columns), where)
        return RowRule(self.name, self.description, action, exp.not_(exp.paren(passing)))

    def to_odcs(self, table: str, odcs: dict[str, Any]) -> None:
        """Add an SQL check that counts the failing rows."""
        odcs.setdefault("quality", []).append(
            {
                "type": "sql",
                "name": self.name,
                "description": self.description,
                "query": f"SELECT COUNT(*) FROM {table} WHERE NOT ({self.sql})",
                "mustBe": 0,
                "severity": _SEVERITY[self.action],
                "customProperties": [
                    {"property": "slipwayCondition", "value": self.sql},
                    {"property": "slipwayAction", "value": self.action},
                ],
            }
        )

    @classmethod
    def from_quality(cls, quality: Mapping[str, Any]) -> Any | None:  # noqa: ANN401  # JSON values
        """Return the rule of an SQL check that this product wrote."""
        custom = {one["property"]: one["value"] for one in quality.get("customProperties") or ()}
        if "slipwayCondition" not in custom:
            return None
        name = quality["name"]
        return {
            "name": name,
            "sql": custom["slipwayCondition"],
            "description": quality.get("description") or name,
            "action": custom.get("slipwayAction", "quarantine"),
        }

    def promise(self) -> str:
        """Return the condition."""
        return self.sql
