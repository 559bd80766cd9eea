"""Lineage of a domain derived by other means than the product's, to compare what its events tell with.

What belongs here: edges by sqlglot's own lineage over the files of SQL, and by the declarations' fields, and comparing.
Not: anything of lakehouse/lineage, and of the readers that it stands on.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.lineage import lineage

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.features.aggregation import WindowAggregate
from lakehouse.features.row_features import Derived

Pairs = set[tuple[str, str]]
Edge = tuple[str, str, str, str]
"""A table and its column, and the table and the column that it comes from."""
MODELS = Path(__file__).resolve().parents[1] / "dbt_project" / "models"


@dataclass(frozen=True)
class Comparison:
    """Edges between columns, and between tables: how many, which were not told, which are not so.

    `without` are columns that neither side knows an origin of.
    """

    tables: Sequence[str]
    edges: int
    missing: Sequence[Edge | tuple[str, str]]
    invented: Sequence[Edge | tuple[str, str]]
    without: Sequence[tuple[str, str]]


def compare(lake: Lakehouse, domain: Domain, events: Iterable[Mapping[str, Any]]) -> Comparison:
    """What the events of a domain's main job tell, against what they should."""
    last = {one["job"]["name"]: one for one in events if one.get("eventType") == "COMPLETE"}
    columns = {
        name: lake.table(name).schema().column_names
        for name in lake.names()
        if name.startswith(f"{domain.name}.") and not name.endswith("__quarantine")
    }
    (source,) = domain.sources
    files = [shown(one) for one in last[source.name]["inputs"]]
    expected = expected_pairs(domain, columns, files)
    wanted: set[Any] = {
        (table, column, *pair) for table, made in expected.items() for column, pairs in made.items() for pair in pairs
    }
    wanted |= {(table, pair[0]) for table, made in expected.items() for pairs in made.values() for pair in pairs}
    reported: set[Any] = set()
    without = []
    for table in expected:
        if table not in last:
            continue
        names = {(one["namespace"], one["name"]): shown(one) for one in last[table]["inputs"]}
        reported |= {(table, name) for name in names.values()}
        made = next((one for one in last[table]["outputs"] if shown(one) == table), None)
        fields = made["facets"].get("columnLineage", {}).get("fields", {}) if made else {}
        for column, origin in fields.items():
            reported |= {
                (table, column, names[one["namespace"], one["name"]], one["field"]) for one in origin["inputFields"]
            }
        without += [(table, column) for column in columns.get(table, ()) if column not in fields]
    return Comparison(list(expected), len(wanted), sorted(wanted - reported), sorted(reported - wanted), without)


def shown(dataset: Mapping[str, Any]) -> str:
    """The name that people see."""
    return dataset["facets"]["symlinks"]["identifiers"][0]["name"]


def sql_pairs(name: str, columns: Mapping[str, Sequence[str]]) -> dict[str, Pairs]:
    """The columns of a dbt model -> what they come from, by sqlglot's own lineage over the file's SQL."""
    (path,) = MODELS.rglob(f"{name.partition('.')[2]}.sql")
    text = re.sub(r"\{\{\s*config\([^}]*\)\s*\}\}", "", path.read_text())
    sql = re.sub(
        r"\{\{\s*(?:source|ref)\((?:[^,()]*,\s*)?[\"']([^\"']+)[\"']\)\s*\}\}", rf"{name.partition('.')[0]}.\1", text
    )
    tables = {f"{one.db}.{one.name}" for one in sqlglot.parse_one(sql, dialect="duckdb").find_all(exp.Table) if one.db}
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for table in tables:
        domain, short = table.split(".")
        schema.setdefault(domain, {})[short] = dict.fromkeys(columns[table], "text")
    found = {}
    exact = {table: {column.lower(): column for column in columns[table]} for table in tables}
    for column in columns[name]:
        leaves = [one for one in lineage(column, sql, schema=schema, dialect="duckdb").walk() if not one.downstream]
        pairs = set()
        for leaf in leaves:
            if isinstance(leaf.expression, exp.Table) and leaf.name != "*":
                table = f"{leaf.expression.db}.{leaf.expression.name}"
                pairs.add((table, exact[table][leaf.name.rpartition(".")[2].strip('"').lower()]))
        found[column] = pairs
    return found


def measured(text: str) -> set[str]:
    """The columns of an expression."""
    return {one.name for one in sqlglot.parse_one(text, dialect="duckdb").find_all(exp.Column)} if text else set()


def expected_pairs(
    domain: Domain, columns: Mapping[str, Sequence[str]], delivered: Sequence[str]
) -> dict[str, dict[str, Pairs]]:
    """Table -> column -> all that it comes from."""
    (source,), (training,), (model,) = domain.sources, domain.training_sets, domain.models
    found: dict[str, dict[str, Pairs]] = {
        source.name: {one.name: {(file, one.name) for file in delivered} for one in source.contract.columns}
    }
    for path in sorted(MODELS.rglob("*.sql")):
        if (name := f"{domain.name}.{path.stem}") in columns:
            found[name] = sql_pairs(name, columns)
    for one in domain.feature_sets:
        made: dict[str, Pairs] = {key: {(one.spine, key)} for key in (one.row_key, one.event_time, *one.entity.keys)}
        for declared in one.features:
            for feature in declared.features():
                made[feature.column] = {(one.spine, one.event_time)}
                if isinstance(declared, WindowAggregate):
                    assert declared.events is None
                    needed = {one.event_time, *one.entity.keys, *measured(declared.where)}
                    needed |= measured(declared.measure) if declared.aggregation != "count" else set()
                    needed |= {declared.by} if declared.by else set()
                    made[feature.column] = {(one.source, column) for column in needed}
                elif isinstance(declared, Derived):
                    read = measured(declared.expression)
                    made[feature.column] = {pair for name in read for pair in made.get(name, {(one.spine, name)})}
        found[one.name] = made
    rows: dict[str, Pairs] = {
        column: {(training.spine, column)} for column in (training.row_key, training.event_time, *training.carry)
    }
    label = training.label
    rows[label.column] = {(label.source, label.column), (label.source, label.known_at)}
    for one in domain.feature_sets:
        rows |= {f"{one.name.partition('.')[2]}__{column}": {(one.name, column)} for column in one.columns}
    found[training.name] = rows
    found[model.name] = {"score": {(training.name, column) for column in (*model.inputs, model.label)}}
    origin = {column: next(iter(rows[column])) for column in model.inputs}
    found[model.predictions] = {
        **{
            column: rows[column] for column in (training.row_key, training.event_time, model.exclude_known_positives_of)
        },
        "score": {(model.name, "score"), *origin.values()},
    }
    return found
