"""Tables on Spark: pinned reads, and distributed writes to audit branches.

What belongs here: Spark's counterpart of tables/read.py and of the filling of a branch in tables/write.py. Not: making
branches, audits and publishing, which are the same for every engine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.lakehouse import CATALOG_NAME, Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.spark.errors import spark_errors
from lakehouse.spark.session import spark_of
from lakehouse.tables.read import Plan, arrow_field, check_columns, plan
from lakehouse.tables.shape import TableShape

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructType

_RESERVED = frozenset({"_file", "_pos", "_deleted", "_spec_id", "_partition"})
"""What Iceberg's reader calls columns of its own; landed tables have a `_file`, too."""


def identifier(*parts: str) -> str:
    """A name in Spark's SQL."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def spark_filter(where: str) -> str:
    """A row filter of tables/days.py in Spark's SQL."""
    import sqlglot

    return sqlglot.transpile(where, read="duckdb", write="spark")[0]


def spark_schema(schema: pa.Schema) -> "StructType":
    """An Arrow schema in Spark's types; times without a zone stay without one."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema, prefer_timestamp_ntz=True)


@dataclass(frozen=True)
class Pinned:
    """A table at one snapshot: its rows on Spark, their Arrow schema (as tables/read.py gives it), how many at most."""

    frame: "DataFrame"
    schema: pa.Schema
    rows: int


def pinned(
    lake: Lakehouse, name: str, columns: Sequence[str] | None = None, *, at: int, where: str | None = None
) -> Pinned:
    """The rows of table `name` at snapshot `at` that the filter `where` lets through.

    Raises UnknownNameError for a snapshot or a column that the table does not have.
    """
    planned = plan(lake, name, at=at, where=where)
    wanted = check_columns(planned, columns)
    session = spark_of(lake)
    if _RESERVED.intersection(wanted):
        rows = _from_files(session, planned)
    else:
        rows = session.read.option("versionAsOf", str(planned.snapshot_id)).table(_full_name(lake, name))
    if where:
        rows = rows.where(spark_filter(where))
    schema = pa.schema([arrow_field(planned.schema, column) for column in wanted])
    return Pinned(rows.select(*[identifier(column) for column in wanted]), schema, planned.rows)


def _from_files(session: "SparkSession", planned: Plan) -> "DataFrame":
    """The planned files' rows without Iceberg's reader, which refuses columns that are called as its own are.

    Columns are matched by their Iceberg field id. Raises SlipwayError for files with deletes, which nobody would apply.
    """
    if any(task.delete_files for task in planned.tasks):
        names = ", ".join(sorted(_RESERVED.intersection(planned.schema.column_names)))
        raise SlipwayError(
            f"Spark cannot read {names} of files with deletes.",
            where=".".join(planned.table.name()),
            fix="Rebuild the table, or use the embedded engine.",
        )
    kinds = spark_schema(pa.schema([arrow_field(planned.schema, one.name) for one in planned.schema.fields]))
    for kind, one in zip(kinds, planned.schema.fields, strict=True):
        kind.metadata = {"parquet.field.id": one.field_id}
    session.conf.set("spark.sql.parquet.fieldId.read.enabled", "true")
    paths = [task.file.file_path for task in planned.tasks]
    return session.read.schema(kinds).parquet(*paths) if paths else session.createDataFrame([], kinds)


@dataclass
class SparkRows:
    """Rows on Spark, to be written to a branch by Spark. `order` sorts them inside each day.

    Nothing is computed before they are written or collected; `len` is known after that.
    """

    frame: "DataFrame"
    schema: pa.Schema
    order: Sequence[str]
    where: str
    counted: list[int] = field(default_factory=list)
    held: "DataFrame | None" = None
    scratch: "TemporaryDirectory[str] | None" = None

    def __len__(self) -> int:
        """How many rows were written."""
        return self.counted[-1] if self.counted else 0

    def write(self, lake: Lakehouse, shape: TableShape, branch: str, summary: Mapping[str, str], replace: str | None):  # noqa: ANN201
        """Write the rows to `branch`, where they replace those of the filter `replace` (None: all). One commit."""
        from pyspark.sql import functions as F  # noqa: N812  # as all of Spark's users write it

        rows = self.arranged(shape)
        target = f"{_full_name(lake, shape.name)}.{identifier(f'branch_{branch}')}"
        writer = rows.writeTo(target)
        # Iceberg's own arranging would sort by day once more, and lose the order inside of it.
        options = {"use-table-distribution-and-ordering": "false", "fanout-enabled": "false"}
        for name, value in summary.items():
            options[f"snapshot-property.{name}"] = value
        for name, value in options.items():
            writer = writer.option(name, value)
        with spark_errors(self.where):
            try:
                writer.overwrite(F.expr(spark_filter(replace)) if replace else F.lit(True))  # noqa: FBT003
            finally:
                self.let_go()
        snapshot = lake.table(shape.name).snapshot_by_name(branch)
        properties = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
        self.counted.append(int(properties.get("added-records") or 0))

    def to_arrow(self) -> pa.Table:
        """All rows in this process, sorted by `order`."""
        with spark_errors(self.where):
            rows = self.frame.select(*[identifier(name) for name in self.schema.names]).toArrow().cast(self.schema)
        self.counted.append(len(rows))
        return rows.take(pc.sort_indices(rows, [(name, "ascending") for name in self.order])) if self.order else rows

    def hold(self, shape: TableShape) -> None:
        """Have Spark keep the rows on its disks once they are computed, for who looks at them before `write` does."""
        from pyspark import StorageLevel

        self.held = self.arranged(shape).persist(StorageLevel.DISK_ONLY)

    def let_go(self) -> None:
        """No longer hold them; `write` does so by itself."""
        if self.held is not None:
            self.held.unpersist()
            self.held = None
        if self.scratch is not None:
            self.scratch.cleanup()

    def arranged(self, shape: TableShape) -> "DataFrame":
        """The rows as they are written to a table of `shape`: a day in one partition, each day's rows in order."""
        from pyspark.sql import functions as F  # noqa: N812

        if self.held is not None:
            return self.held
        kinds = spark_schema(shape.schema)
        columns: list[Column] = [F.col(identifier(one.name)).cast(one.dataType).alias(one.name) for one in kinds]
        rows = self.frame.select(*columns)
        order = [identifier(name) for name in self.order]
        if shape.day_column is None:
            return rows.orderBy(*order) if order else rows
        day = identifier(shape.day_column)
        return rows.repartition(F.to_date(F.col(day))).sortWithinPartitions(*dict.fromkeys([day, *order]))


def _full_name(lake: Lakehouse, table: str) -> str:
    return identifier(CATALOG_NAME, *(lake.identifier(table) or (table,)))
