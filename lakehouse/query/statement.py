"""The tables and the kind of a SQL statement, from DuckDB's parse tree.

What belongs here: parsing, and rejecting statements that do not only read. Not: running a statement (run.py).
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from lakehouse.errors import SlipwayError
from lakehouse.query.faults import sql_error
from lakehouse.tables.duck import borrow

READS = "SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN"


_SYSTEM = {"information_schema", "pg_catalog"}


_GAP = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"


_EXPLAIN = re.compile(rf"{_GAP}explain\b{_GAP}(?:analyze\b{_GAP})?", re.IGNORECASE | re.DOTALL)


_OPTIONS = re.compile(r"\([^()]*\)")


@dataclass(frozen=True)
class Statement:
    """What a statement names: tables with a schema, as written, and whether it asks for the list of tables."""

    tables: Sequence[str]
    lists_tables: bool


def parse(sql: str) -> Statement:
    """What the statement names. Raises SlipwayError unless it is one statement which reads."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise sql_error(error) from None
    if len(statements) != 1:
        raise SlipwayError(
            "The SQL contains no statement." if not statements else f"The SQL contains {len(statements)} statements.",
            where="SQL",
            nearest="select count(*) from fraud.transactions",
            fix="Pass exactly one statement.",
        )
    kind = statements[0].type.name
    if kind == "MULTI":
        raise SlipwayError(
            "A PIVOT must name its values.",
            where="SQL",
            nearest="pivot fraud.transactions on TX_FRAUD in (0, 1) using count(*)",
            fix="Add IN (...) after the column.",
        )
    if kind not in {"SELECT", "EXPLAIN"}:
        raise _rejection(kind)
    text = statements[0].query
    tree = _tree(text) if kind == "SELECT" else _explained_tree(text)
    if tree is None:
        raise _rejection(kind)
    nodes = list(_nodes(tree))
    for node in nodes:
        # COPY, INSERT and the like can stand in a WITH clause; the statement around them is a SELECT all the same.
        if str(node.get("type", "")).endswith("_QUERY_NODE"):
            raise _rejection(str(node["type"]).removesuffix("_QUERY_NODE"))
    bases = [node for node in nodes if node.get("type") == "BASE_TABLE" and node.get("schema_name")]
    names = [
        ".".join(part for part in (node["catalog_name"], node["schema_name"], node["table_name"]) if part)
        for node in bases
        if node["schema_name"].lower() not in _SYSTEM
    ]
    lists = len(names) < len(bases) or any(node.get("type") == "SHOW_REF" and node.get("table_name") for node in nodes)
    return Statement(list(dict.fromkeys(names)), lists)


def _tree(text: str) -> dict[str, Any] | None:
    """DuckDB's parse tree of a SELECT; None for anything else."""
    with borrow() as connection:
        found = connection.execute("select json_serialize_sql(?)", [text]).fetchone()
    tree = json.loads(found[0]) if found else {"error": True}
    return None if tree["error"] else tree


def _explained_tree(text: str) -> dict[str, Any] | None:
    """The parse tree of what is explained: EXPLAIN ANALYZE runs it."""
    opening = _EXPLAIN.match(text)
    rest = text[opening.end() :] if opening else ""
    return _tree(rest) or _tree(_OPTIONS.sub("", rest, count=1))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # JSON
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _rejection(kind: str) -> SlipwayError:
    return SlipwayError(
        f"A query only reads, and {kind} does not: tables are written by their assets alone.",
        where="SQL",
        nearest=READS,
        fix="Use one of these statements.",
    )
