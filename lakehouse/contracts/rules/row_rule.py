"""A row rule, compiled for one contract: what the audits of rows in memory and of whole tables run.

What belongs here: the compiled form, whose conditions DuckDB and Spark both run. Not: declarations (column_rule.py,
table_rule.py) and the audits (row_checks.py, table_checks.py, engines/spark). A rule that the row alone does not decide
subclasses `RowRule` in the module of its kind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import sqlglot
from numpy.typing import NDArray
from sqlglot import Expr
from sqlglot import expressions as exp

from lakehouse.contracts.declaration_checks import Action
from lakehouse.contracts.expressions import in_duckdb, in_spark
from lakehouse.tables.duck import literal

PLACE, WRITE = "_place", "_write"
"""The columns of rows in memory with the row's place, and the write that the row belongs to."""
FAILED_RULE = "_failed_rule"
"""The column of sample rows that names the rule that they failed."""

Bounds: TypeAlias = Callable[[str], tuple[int, int] | None]
"""Between which whole numbers a column lies, by statistics of files; None where they do not say."""


@dataclass(frozen=True)
class RowsInMemory:
    """Rows that are checked together: `connection` has them as the view `rows`, with the columns PLACE and WRITE.

    `referenced` holds the tables that references look up, by name.
    """

    connection: duckdb.DuckDBPyConnection
    rows: pa.Table
    referenced: Mapping[str, pa.Table]
    where: str

    def mask(self, places: pa.Table) -> NDArray[np.bool_]:
        """Return a mask that is true at the places in the column PLACE."""
        found = np.zeros(len(self.rows), dtype=bool)
        found[places.column(PLACE).to_numpy()] = True
        return found


@dataclass(frozen=True)
class RowRule:
    """One row rule of a contract. `failing` is true of a row that fails it; None where more than the row decides."""

    name: str
    description: str
    action: Action
    failing: Expr | None = None

    @property
    def columns(self) -> set[str]:
        """The columns that the condition reads."""
        return {one.name for one in self.failing.find_all(exp.Column)} if self.failing is not None else set()

    @property
    def in_duckdb(self) -> str:
        """The condition in DuckDB's SQL."""
        return in_duckdb(self.failing) if self.failing is not None else "false"

    @property
    def in_spark(self) -> str:
        """The condition in Spark's SQL."""
        return in_spark(self.failing) if self.failing is not None else "false"

    def mask(self, rows: RowsInMemory) -> NDArray[np.bool_] | None:
        """Return which rows fail, where `failing` cannot say it."""
        del rows

    def referenced_tables(self) -> Mapping[str, Sequence[str]]:
        """Return the tables that the rule looks values up in, with their columns."""
        return {}

    def joined(self, views: Mapping[str, str]) -> str:
        """Return what is joined to the rows (`scanned`) before they are counted; `views` name the other tables."""
        del views
        return ""

    def condition(self) -> str:
        """Return DuckDB's condition of a failing row, with what `joined` adds to the rows."""
        return self.in_duckdb

    def aggregates(self, bounds: Bounds) -> dict[str, str]:
        """Return what is counted in a pass over a table: label -> DuckDB's aggregate."""
        del bounds
        return {"": f"count_if({self.condition()})"}

    def failed(self, counts: Mapping[str, int]) -> int:
        """Return how many rows failed, from the counts of `aggregates`."""
        return counts[""]

    def sample_sql(self, joined: str, rows: int) -> str:
        """Return DuckDB's query of a few rows that fail, the rule's name in FAILED_RULE."""
        return f"{self.sample_of} {joined} where {self.condition()} limit {rows}"

    @property
    def sample_of(self) -> str:
        """How a query of sample rows begins."""
        return f"select {literal(self.name)} as {FAILED_RULE}, scanned.* from"


@dataclass(frozen=True)
class PythonRule(RowRule):
    """A rule that Python judges, batch by batch: no engine's SQL says it."""

    def reads(self) -> Sequence[str] | None:
        """Return the columns that it reads; None for all."""
        raise NotImplementedError

    def failing_rows(self, batch: pl.DataFrame) -> NDArray[np.bool_]:
        """Return which rows of a batch fail."""
        raise NotImplementedError

    def mask(self, rows: RowsInMemory) -> NDArray[np.bool_]:
        """Return which rows fail."""
        chosen = rows.rows if (names := self.reads()) is None else rows.rows.select(list(names))
        return self.failing_rows(pl.DataFrame(pl.from_arrow(chosen)))

    def aggregates(self, bounds: Bounds) -> dict[str, str]:
        """Count nothing in SQL: the audit adds what `failing_rows` finds."""
        del bounds
        return {}


@cache
def parsed(sql: str) -> Expr:
    """Return the syntax tree of DuckDB's SQL; it is shared and must not be changed."""
    return sqlglot.parse_one(sql, read="duckdb")
