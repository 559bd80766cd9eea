"""The rule that a custom pandera check passes: a `Check` on a column, or on the columns of a row together.

What belongs here: the declaration, and running the check on batches of rows. Not: contracts from and as pandera
schemas (pandera_schema.py).

The embedded engine runs the check on batches, as Polars frames (or pandas, for a check of `pandera.pandas`). Spark runs
the same function in its Python workers, batch by batch: no engine's SQL says what a Python function does. So a check
has to decide each row by itself, and slows a whole table's audit down to Python's speed.
"""

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lakehouse.contracts.declaration_checks import Action, check_action, check_rule_name
from lakehouse.contracts.rules.registry import table_rule
from lakehouse.contracts.rules.row_rule import PythonRule
from lakehouse.contracts.rules.table_rule import TableRule
from lakehouse.errors import ContractError, DeclarationError

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract

Backend = Literal["polars", "pandas"]
_BUILT_IN = "pandera"


@dataclass(frozen=True)
class CheckedRule(PythonRule):
    """The compiled rule."""

    declared: "PanderaCheck | None" = None
    table_columns: tuple[str, ...] = ()
    where: str = ""

    def reads(self) -> Sequence[str]:
        """Return the columns that it reads: its own, or all."""
        assert self.declared is not None  # noqa: S101  # the declaration makes it
        return (self.declared.column,) if self.declared.column else self.table_columns

    def failing_rows(self, batch: pl.DataFrame) -> NDArray[np.bool_]:
        """Return which rows fail. Raises ContractError for a check that raises, or that does not decide each row."""
        assert self.declared is not None  # noqa: S101  # the declaration makes it
        if not batch.height:
            return np.zeros(0, dtype=bool)
        check = self.declared.resolved(self.where)
        run = _in_pandas if self.declared.backend == "pandas" else _in_polars
        try:
            passing = run(check, batch, self.declared.column)
        except Exception as error:
            raise ContractError(
                f"The rule {self.name} cannot be evaluated: the check raised {type(error).__name__}: {error}",
                where=self.where,
                fix=f"Change the check; it gets the rows as pandera.{self.declared.backend} gives them.",
            ) from error
        if passing is None:
            raise ContractError(
                f"The rule {self.name} cannot be evaluated: the check returned one value for all rows.",
                where=self.where,
                nearest="lambda data: data.lazyframe.select(pl.col(data.key) > 0)",
                fix="Let the check return a boolean for each row; use a Distribution to check all rows together.",
            )
        return ~passing


@table_rule
@dataclass(frozen=True)
class PanderaCheck(TableRule):
    """A custom pandera check: of one column, or of the columns of a row together if `column` is empty.

    `check` is a pandera `Check`, a function that one is made of, or the import path of either ("shop.checks:rounded").
    `backend` says whether it was written for pandera.polars or pandera.pandas. A null is not checked by a check of a
    column. The contract's stored form keeps the import path and a hash of the source, not the function.
    """

    name: str
    check: Any = field(compare=False, repr=False)
    column: str = ""
    description: str = ""
    action: Action = "quarantine"
    backend: Backend = "polars"
    reference: str = ""
    content: str = ""

    kind: ClassVar[str] = "pandera"
    order: ClassVar[int] = 25
    library: ClassVar[str] = "pandera"

    def __post_init__(self) -> None:
        """Raise DeclarationError for an invalid name, action or backend, and for what is not a check."""
        where = f"pandera check {self.name}"
        check_rule_name(self.name, where)
        check_action(self.action, get_args(Action), f"{where}, action")
        check_action(self.backend, get_args(Backend), f"{where}, backend", what="backend")
        if not isinstance(self.check, str) and not callable(self.check):
            raise DeclarationError(
                f"{self.check!r} is not a pandera check.",
                where=where,
                nearest='PanderaCheck("rounded", pandera.Check(...), column="amount")',
                fix="Give a pandera Check, a function, or the import path of one.",
            )
        reference, content = (self.check, "") if isinstance(self.check, str) else _identity(self.check)
        object.__setattr__(self, "reference", self.reference or reference)
        object.__setattr__(self, "content", self.content or content)
        about = f"{self.column} passes" if self.column else "The row passes"
        object.__setattr__(self, "description", self.description or f"{about} the pandera check {self.name}.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The column, if it is about one."""
        return (self.column,) if self.column else ()

    def compiled(self, contract: "Contract", action: Action) -> CheckedRule:
        """Return the rule for an audit."""
        return CheckedRule(
            self.name,
            self.description,
            action,
            declared=self,
            table_columns=tuple(one.name for one in contract.columns),
            where=f"contract of {contract.table}, rule {self.name}",
        )

    def resolved(self, where: str) -> Any:  # noqa: ANN401  # pandera is imported where it runs
        """Return the pandera check. Raises ContractError for an import path that leads nowhere."""
        from pandera.api.checks import Check

        found = _imported(self.check, where) if isinstance(self.check, str) else self.check
        return found if isinstance(found, Check) else Check(found)

    def as_object(self) -> dict[str, Any]:
        """Return the declaration as JSON values, with the import path in place of the function."""
        found = {
            "rule": self.kind,
            "name": self.name,
            "check": self.reference,
            "description": self.description,
            "content": self.content,
        }
        for name, default in (("column", ""), ("action", "quarantine"), ("backend", "polars")):
            if getattr(self, name) != default:
                found[name] = getattr(self, name)
        return found

    def in_python(self) -> list[tuple[str, Any]]:
        """Return the arguments of the declaration, with the import path in place of the function."""
        given = dict(super().in_python()) | {"check": self.reference}
        return [(name, value) for name, value in given.items() if name not in {"reference", "content"}]

    def promise(self) -> str:
        """Return what it says, and the version of its source."""
        return f"{self.description.removesuffix('.')} ({self.reference}, source {self.content or 'imported'})."


def _in_polars(check: Any, batch: pl.DataFrame, column: str) -> NDArray[np.bool_] | None:  # noqa: ANN401
    found = check(batch.lazy(), column) if column else check(batch.lazy())
    passing = found.check_output
    passing = (passing.collect() if isinstance(passing, pl.LazyFrame) else passing).to_series(0)
    if len(passing) != batch.height:
        return None
    if column:  # pandera leaves nulls out by default, which a function may give anything for
        passing = passing | batch[column].is_null()
    return passing.fill_null(value=True).to_numpy().astype(bool)


def _in_pandas(check: Any, batch: pl.DataFrame, column: str) -> NDArray[np.bool_] | None:  # noqa: ANN401
    rows = batch.to_pandas()
    passing = check(rows[column] if column else rows).check_output
    if not hasattr(passing, "index"):
        return None
    if getattr(passing, "ndim", 1) > 1:
        passing = passing.all(axis=1)
    # Rows that pandera left out, such as nulls, are not judged.
    return passing.astype("boolean").fillna(value=True).reindex(rows.index, fill_value=True).to_numpy(dtype=bool)


def _identity(check: Any) -> tuple[str, str]:  # noqa: ANN401  # a Check or a function
    """Return the import path of a check, and a short hash of its source."""
    given = getattr(check, "_check_kwargs", None) or {}
    function = getattr(check, "_check_fn", check)
    if hasattr(check, "is_builtin_check") and check.is_builtin_check(check.name):
        options = json.dumps(getattr(check, "statistics", given), sort_keys=True, default=str)
        return f"{_BUILT_IN}:{check.name} {options}", ""
    path = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__qualname__)}"
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        source = path
    if (code := getattr(function, "__code__", None)) and function.__name__ == "<lambda>":  # its lines may hold others
        source += repr((code.co_code, code.co_names, [one for one in code.co_consts if not inspect.iscode(one)]))
    element_wise = "element-wise " if getattr(check, "element_wise", False) else ""
    return path, hashlib.sha256(f"{element_wise}{source}{given}".encode()).hexdigest()[:12]


@cache
def _imported(path: str, where: str) -> Any:  # noqa: ANN401  # a Check or a function
    module, _, name = path.partition(":")
    if module == _BUILT_IN:
        from pandera.api.checks import Check

        name, _, options = name.partition(" ")
        return getattr(Check, name)(**json.loads(options or "{}"))
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ContractError(
            f"The check {path!r} cannot be imported: {error}.",
            where=where,
            nearest="shop.checks:rounded",
            fix="Define the check in a module, outside of functions, and name it as module:name.",
        ) from None
    return found
