"""A pipeline without checks: a model's metrics when every delivered row is accepted.

What belongs here: rows read as best one can, and the scores that a champion gives them by the domain's own SQL and
features, in memory. Not: anything that is published; this is for drills (orchestration/drill.py).

Nothing is audited here on purpose. A value that cannot be read becomes null and then 0, a column that is missing is
null, one that nobody knows is left out; a row that gets no score is decided as if its score were 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.features.compute import compute_rows
from lakehouse.features.duration import days_touched
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.lineage import feature_lineage
from lakehouse.models.metrics import importance, measure
from lakehouse.models.model import Model
from lakehouse.models.registry import Registry, Version
from lakehouse.models.scoring import score
from lakehouse.models.training import design
from lakehouse.sources.source import Source
from lakehouse.tables.days import between, days_filter
from lakehouse.tables.duck import connect, quoted
from lakehouse.tables.read import read
from lakehouse.training.assemble import joins_of, spine_columns
from lakehouse.training.training_set import TrainingSet
from lakehouse.transforms.lineage import Pair, follow_all, plain_sql
from lakehouse.transforms.project import TransformModel, TransformProject

_KINDS: Mapping[str, type[pl.DataType]] = {
    "int16": pl.Int16,
    "int32": pl.Int32,
    "int64": pl.Int64,
    "float64": pl.Float64,
    "text": pl.String,
    "bool": pl.Boolean,
}


def read_as_it_comes(source: Source, rows: pl.DataFrame, day: date) -> pa.Table:
    """Texts in the contract's columns and types, as a careless reader has them: see the module.

    Dates are read as ISO, then month first, then day first. A row without a readable time is taken for one of `day`.
    """
    columns = []
    for column in source.contract.columns:
        given = rows[column.name] if column.name in rows.columns else pl.Series(column.name, [None] * rows.height)
        texts = given.cast(pl.String).str.strip_chars()
        if column.type == "timestamp":
            values = pl.select(_moments(texts)).to_series()
            if column.name == source.event_time:
                values = values.fill_null(datetime.combine(day, time.min))
        elif column.type == "text":
            values = texts.fill_null("")
        elif column.type == "bool":
            values = texts.str.to_lowercase().is_in(["true", "1", "t"]).fill_null(value=False)
        else:
            # By way of a float, so that 5.0 is a whole number; what does not fit into the type is lost, too.
            values = texts.cast(pl.Float64, strict=False).cast(_KINDS[column.type], strict=False).fill_null(0)
        columns.append(values.alias(column.name))
    return pl.DataFrame(columns).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(source.contract.schema)


def _moments(texts: pl.Series) -> pl.Expr:
    plain = pl.lit(texts).str.replace(r"[Zz]$", "").str.replace("T", " ")
    forms = [f"{day}{clock}" for day in ("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y") for clock in ("", " %H:%M:%S%.f")]
    return pl.coalesce(plain.str.to_datetime(form, strict=False, time_unit="us") for form in forms)


@dataclass(frozen=True)
class UnvalidatedBaseline:
    """A domain's way from source rows to scores, for rows of `days`, whose labels are known by now.

    Rows of earlier days are those that are published; keys and labels are the training set's.
    """

    lake: Lakehouse
    source: Source
    project: TransformProject
    training_set: TrainingSet
    model: Model
    registry: Registry
    champion: Version
    days: Sequence[date]

    @cached_property
    def truth(self) -> pl.DataFrame:
        """The rows to decide on, with their labels: key, time, entity and label."""
        one, model = self.training_set, self.model
        columns = list(dict.fromkeys([one.row_key, one.event_time, model.exclude_known_positives_of, one.label.column]))
        rows = pl.DataFrame(
            pl.from_arrow(read(self.lake, one.name, columns, where=days_filter(one.event_time, self.days)))
        )
        return rows.drop_nulls(one.label.column).sort(one.event_time, one.row_key)

    @cached_property
    def history(self) -> pa.Table:
        """The source's published rows before the days, as far back as features reach."""
        names = self.source.contract.schema.names
        furthest = [one.reach(table) for one in self._sets for table in one.tables_read()]
        where = f"{quoted(self.source.event_time)} < '{min(self.days)}T00:00:00'"
        if all(reach is not None for reach in furthest):
            days = max(days_touched(reach or 0) for reach in furthest) + sum(one.reach for one in self._transforms) + 1
            chosen = between(min(self.days) - timedelta(days=days), min(self.days) - timedelta(days=1))
            where = days_filter(self.source.event_time, chosen)
        return read(self.lake, self.source.name, names, where=where).select(names).cast(self.source.contract.schema)

    def quality(self, rows: pa.Table) -> dict[str, float]:
        """The champion's metrics on the true rows, when `rows` are what was delivered of them."""
        return self._measured(self.scores(rows))

    def nothing(self) -> dict[str, float]:
        """The metrics when no row gets a score: the pipeline broke off."""
        return self._measured(np.zeros(self.truth.height))

    def scores(self, rows: pa.Table) -> NDArray[np.float64]:
        """A score for each row of `truth`: 0 where what was delivered brought none."""
        frame = self.inputs(rows)
        found = frame.select(self.training_set.row_key, score(self.registry, self.champion, frame).alias("score"))
        key = self.training_set.row_key
        known = self.truth.select(key).join(found.unique(key, keep="first"), on=key, how="left", maintain_order="left")
        return known["score"].fill_null(0.0).to_numpy()

    def inputs(self, rows: pa.Table) -> pl.DataFrame:
        """The true rows' model inputs, as far as they can be found in what was delivered; no nulls, no infinities."""
        one = self.training_set
        tables = self._tables(pa.concat_tables([self.history, rows.select(self.history.column_names)]))
        spine = tables[one.spine]
        wanted = spine.filter(pc.is_in(spine.column(one.row_key), pa.array(self.truth[one.row_key].to_arrow())))
        for used in self._sets:
            own = used.spine == one.spine and used in one.feature_sets
            places = (wanted if own else tables[used.spine]).select(used.spine_columns())
            read_by = {name: tables[name].select(used.columns_of(name)) for name in used.tables_read()}
            tables[used.name] = compute_rows(used, read_by, places)
        joins = joins_of(one, wanted.schema)
        found = wanted.select(spine_columns(one, joins))
        found = found.take(pc.sort_indices(found, [(one.event_time, "ascending"), (one.row_key, "ascending")]))
        for join in joins:
            found = join(tables[join.one.name], found)
        numbers = [pl.col(name).cast(pl.Float64) for name in self.champion.inputs]
        usable = [pl.when(value.is_finite()).then(value).otherwise(0.0) for value in numbers]
        return pl.DataFrame(pl.from_arrow(found)).with_columns(
            value.alias(name) for name, value in zip(self.champion.inputs, usable, strict=True)
        )

    def used_columns(self, rows: pa.Table) -> dict[str, float]:
        """How much the champion uses each column of the source: what its inputs are worth, traced back to columns."""
        frame = self.inputs(rows).join(
            self.truth.select(self.training_set.row_key, self.model.label), on=self.training_set.row_key
        )
        values = design(frame, self.champion.inputs, self.training_set.name)

        def predict(inputs: NDArray[np.float64]) -> NDArray[np.float64]:
            given = pl.DataFrame(inputs, schema=list(self.champion.inputs))
            return score(self.registry, self.champion, given).to_numpy()

        worth = importance(predict, values, frame[self.model.label].to_numpy())
        traced = _Traced(self)
        found: dict[str, float] = {}
        for name, much in zip(self.champion.inputs, worth, strict=True):
            columns = traced.source_columns(name)
            for column in columns:
                found[column] = found.get(column, 0.0) + max(float(much), 0.0) / len(columns)
        return found

    @property
    def _transforms(self) -> list[TransformModel]:
        """The domain's dbt models that features need, inputs first."""
        needed = {self.training_set.spine, *(name for one in self._sets for name in one.inputs())}
        chosen: list[TransformModel] = []
        for model in reversed(self.project.models):
            if model.table in needed:
                needed.update(model.inputs)
                chosen.insert(0, model)
        return chosen

    @property
    def _sets(self) -> list[FeatureSet]:
        """The feature sets, each after those that it uses."""
        found: dict[str, FeatureSet] = {}

        def add(one: FeatureSet) -> None:
            for used in one.uses:
                add(used)
            found.setdefault(one.name, one)

        for one in self.training_set.feature_sets:
            add(one)
        return list(found.values())

    def _tables(self, rows: pa.Table) -> dict[str, pa.Table]:
        """The source and the tables that dbt's SQL makes of it."""
        tables = {self.source.name: rows}
        with connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"create schema if not exists {self.source.name.split('.')[0]}")
            connection.register("delivered", rows)
            connection.execute(f"create view {self.source.name} as select * from delivered")
            for model in self._transforms:
                connection.execute(f"create table {model.table} as {plain_sql(model)}")
                tables[model.table] = connection.sql(f"from {model.table}").to_arrow_table()
        return tables

    def _measured(self, scores: NDArray[np.float64]) -> dict[str, float]:
        truth, time_column = self.truth, self.training_set.event_time
        labels = truth[self.model.label].cast(pl.Int64).to_numpy()
        entities = truth[self.model.exclude_known_positives_of]
        return measure(labels, scores, truth[time_column].dt.date(), entities, self.model.precision_at_k)


@dataclass(frozen=True)
class _Traced:
    """A model's inputs, followed back to the source's columns."""

    of: UnvalidatedBaseline

    @cached_property
    def edges(self) -> Mapping[Pair, Sequence[Pair]]:
        """A column -> the columns that it is made from."""
        one = self.of.training_set
        delivered = {self.of.source.name: self.of.source.contract.schema.names}
        found: dict[Pair, Sequence[Pair]] = {}
        for table, (_, followed) in follow_all(self.of._transforms, delivered, self.of.project.work).items():  # noqa: SLF001
            found |= {(table, name): sorted(pairs) for name, pairs in followed.columns.items()}
        for used in self.of._sets:  # noqa: SLF001
            aside = {used.event_time, used.row_key, *used.entity.keys}
            for name, pairs in feature_lineage(used).items():
                found[used.name, name] = [pair for pair in pairs if pair[1] not in aside] or list(pairs)
        for used in one.feature_sets:
            for there, here in one.feature_columns(used).items():
                found[one.name, here] = [(used.name, there)]
        found |= {(one.name, name): [(one.spine, name)] for name in one.carry}
        return found

    def source_columns(self, name: str) -> list[str]:
        """The source's columns that an input is made from."""
        found: dict[str, None] = {}
        seen: set[Pair] = set()
        waiting = [(self.of.training_set.name, name)]
        while waiting:
            pair = waiting.pop()
            if pair in seen:
                continue
            seen.add(pair)
            if pair[0] == self.of.source.name:
                found[pair[1]] = None
            waiting += self.edges.get(pair, ())
        return list(found)
