"""Column lineage of dbt models, read off their SQL with sqlglot.

What belongs here: which input columns each column of a model is made from. Not: reporting it.
"""

import re
from collections.abc import Mapping, Sequence

from lakehouse.transforms.project import TransformModel

_REFERENCE = re.compile(r"\{\{\s*(?:source|ref)\(([^)]*)\)\s*\}\}")


def column_sources(model: TransformModel, columns: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[str, str]]]:
    """Column -> the (table, column) pairs that it is made from; `columns` are those of the model's inputs by table.

    A column whose way cannot be followed has no pairs.
    """
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    inputs = iter(model.inputs)
    by_order: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        reference = found.group(1)
        if reference not in by_order:
            wanted = re.findall(r"[\"']([^\"']+)[\"']", reference)[-1]
            by_order[reference] = next((name for name in model.inputs if name.endswith(f".{wanted}")), next(inputs))
        return by_order[reference]

    sql = _REFERENCE.sub(named, model.sql)
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for table, names in columns.items():
        domain, short = table.split(".")
        schema.setdefault(domain, {})[short] = dict.fromkeys(names, "text")
    edges: dict[str, list[tuple[str, str]]] = {}
    for column in model.columns:
        try:
            root = lineage(column, sql, schema=schema, dialect="duckdb")
        except (SqlglotError, ValueError):
            edges[column] = []
            continue
        found = set()
        for node in root.walk():
            if isinstance(node.source, exp.Table) and not node.downstream:
                name = node.name.rsplit(".", 1)[-1].strip('"')
                table = f"{node.source.db}.{node.source.name}"
                exact = next((one for one in columns.get(table, ()) if one.lower() == name.lower()), None)
                if exact:
                    found.add((table, exact))
        edges[column] = sorted(found)
    return edges
