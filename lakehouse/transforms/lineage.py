"""The SQL of dbt models, analyzed with sqlglot: the inputs of each column, what selects the rows, how times shift.

What belongs here: reading one model's SQL. Not: reporting it, and what follows from it (training/leaks.py).
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from lakehouse.transforms.project import TransformModel

Pair = tuple[str, str]
"""A table and a column of it."""

Kind = tuple[str, str, bool]
"""How one column is made from another, in OpenLineage's words: DIRECT or INDIRECT, subtype, if it is masked"""

_READING = 2
"""What is kept by another reading than this one counts no more."""
_REFERENCE = re.compile(r"\{\{\s*(?:source|ref)\(([^)]*)\)\s*\}\}")


@dataclass(frozen=True)
class Followed:
    """What a model's SQL says. `columns` are made from pairs; `rows` are the pairs that decide which rows there are.

    `times` are those columns that are a column of an input and so many microseconds; a time that was cut off
    (date_trunc) is earlier by up to the unit, and counts as earlier by the whole unit. A column whose way cannot be
    followed is in `lost`. `kinds` says in what way a column is made from each of its pairs, `groups` are the
    pairs that rows are put together by.
    """

    columns: Mapping[str, frozenset[Pair]]
    rows: frozenset[Pair]
    times: Mapping[str, tuple[Pair, int]]
    lost: frozenset[str]
    kinds: Mapping[str, Mapping[Pair, Kind]] = field(default_factory=dict)
    groups: frozenset[Pair] = frozenset()


def column_sources(model: TransformModel, columns: Mapping[str, Sequence[str]]) -> dict[str, list[Pair]]:
    """Column -> the (table, column) pairs that it is made from; `columns` are those of the model's inputs by table.

    A column whose way cannot be followed has no pairs.
    """
    followed = follow(model, columns)
    return {column: sorted(followed.columns.get(column, ())) for column in model.columns}


def follow(model: TransformModel, columns: Mapping[str, Sequence[str]]) -> Followed:
    """Follow a model's SQL; `columns` are those of its inputs by table. SQL that nobody can read is lost as a whole."""
    from sqlglot.errors import SqlglotError

    from lakehouse.transforms.sql_derivation import Kinds
    from lakehouse.transforms.sql_scopes import Query

    try:
        query = Query.of(plain_sql(model), columns)
    except (SqlglotError, SyntaxError, ValueError):
        return Followed({}, frozenset(), {}, frozenset(model.columns))
    made = {column: query.column(column) for column in model.columns}
    times = {column: query.time(column) for column in model.columns}
    kinds = Kinds(query)
    return Followed(
        columns={column: frozenset(pairs) for column, pairs in made.items() if pairs is not None},
        rows=frozenset(query.rows()),
        times={column: time for column, time in times.items() if time is not None},
        lost=frozenset(column for column, pairs in made.items() if pairs is None),
        kinds={column: kinds.of(column) for column, pairs in made.items() if pairs is not None},
        groups=frozenset(kinds.groups()),
    )


def follow_all(
    models: Sequence[TransformModel], delivered: Mapping[str, Sequence[str]], kept: Path
) -> dict[str, tuple[TransformModel, Followed]]:
    """Follow the SQL of models, by table; `delivered` are the columns of sources.

    What was found is kept in the folder `kept`, since sqlglot takes a while to load: the graph is loaded often.
    """
    columns = {**delivered, **{model.table: list(model.columns) for model in models}}
    found = {}
    for model in models:
        known = {name: list(columns.get(name, ())) for name in model.inputs}
        state = [_READING, version("sqlglot"), model.sql, model.macros, model.table, list(model.columns), known]
        file = kept / f"lineage-{hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]}.json"
        found[model.table] = (model, _load(file) or _keep(file, follow(model, known)))
    return found


def _load(file: Path) -> Followed | None:
    try:
        content = json.loads(file.read_text())
        return Followed(
            columns={name: frozenset(map(_pair, pairs)) for name, pairs in content["columns"].items()},
            rows=frozenset(map(_pair, content["rows"])),
            times={name: (_pair(pair), shift) for name, (pair, shift) in content["times"].items()},
            lost=frozenset(content["lost"]),
            kinds={
                name: {_pair(pair): _kind(kind) for pair, kind in pairs} for name, pairs in content["kinds"].items()
            },
            groups=frozenset(map(_pair, content["groups"])),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there, or half written by a process that was killed


def _keep(file: Path, followed: Followed) -> Followed:
    content = {
        "columns": {name: sorted(pairs) for name, pairs in followed.columns.items()},
        "rows": sorted(followed.rows),
        "times": followed.times,
        "lost": sorted(followed.lost),
        "kinds": {name: sorted(pairs.items()) for name, pairs in followed.kinds.items()},
        "groups": sorted(followed.groups),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return followed


def _pair(content: Sequence[str]) -> Pair:
    table, column = content
    return table, column


def _kind(content: Sequence) -> Kind:
    way, subtype, masked = content
    return str(way), str(subtype), bool(masked)


def plain_sql(model: TransformModel) -> str:
    """The model's SQL with table names in the place of references. Raises ValueError for what only dbt can render."""
    inputs = iter(model.inputs)
    by_order: dict[str, str] = {}

    def named(*words: str) -> str:
        wanted = words[-1]
        if wanted not in by_order:
            by_order[wanted] = next((name for name in model.inputs if name.endswith(f".{wanted}")), "") or next(inputs)
        return by_order[wanted]

    sql = _REFERENCE.sub(lambda found: named(*re.findall(r"[\"']([^\"']+)[\"']", found.group(1))), model.sql)
    return _rendered(model, sql, named) if "{{" in sql or "{%" in sql else sql


def _rendered(model: TransformModel, sql: str, named: Callable[..., str]) -> str:
    """The SQL as for a first run, by the project's own macros and the few words of dbt that need no database."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    words = {
        "ref": named,
        "source": named,
        "config": lambda *_, **__: "",
        "var": lambda _, default="": default,
        "is_incremental": lambda: False,
        "this": model.table,
    }
    try:
        template = SandboxedEnvironment(undefined=StrictUndefined).from_string("\n".join([*model.macros, sql]))
        return template.render(words)
    except (TemplateError, TypeError, StopIteration) as error:
        raise ValueError(str(error)) from error
