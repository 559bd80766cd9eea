"""Checking rows in memory against a contract: those that pass, and those that fail a rule.

What belongs here: Arrow tables, checked in two passes of DuckDB. Not: check results (audit.py), and tables that are too
large to hold (table_checks.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from lakehouse.contracts.compile import compile_rules, not_evaluated
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.rules.row_rule import PLACE, WRITE, RowRule, RowsInMemory
from lakehouse.tables.check_result import RULE
from lakehouse.tables.duck import borrow, literal, quoted

SAMPLE_ROWS = 5
SAMPLE_CELLS = 1_000_000
"""Maximum number of values in the sample rows of all rules together."""

AT_ONCE = 200
"""Maximum number of rules in one statement: a longer one takes more time to plan than to read its rows."""


@dataclass(frozen=True)
class Sorted:
    """Rows parted by a contract's row rules. `failed_rows` has the column `_rule`; `counts` are rows by rule.

    Rows that only break rules which `warn` are good, and counted. `samples` are the first few rows that break each
    rule, with all rules that they break.
    """

    good: pa.Table
    failed_rows: pa.Table
    counts: dict[str, int]
    samples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def readable_rules(contract: Contract) -> dict[str, str]:
    """The rules that values could be read in their column's type, as names for `flags`: name -> what it says."""
    return {f"{one.name}_readable": f"{one.name} can be converted to {one.type}." for one in contract.columns}


def sort_rows(
    contract: Contract,
    rows: pa.Table,
    referenced: Mapping[str, pa.Table] | None = None,
    flags: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Sorted:
    """Part the rows by the contract's row rules. A row that breaks several names them all.

    `referenced` holds the tables that the contract refers to, by name (references.py reads them). `flags` are rules
    that were checked elsewhere: name -> a mask of the rows that break it (`readable_rules` for what could not be read);
    its rows are quarantined. Of equal keys the first row is good.
    Raises ContractError for a rule that raises, and for a table that is referred to and was not given.
    """
    return sort_writes(contract, [rows], referenced, [flags or {}])[0]


def sort_writes(
    contract: Contract,
    writes: Sequence[pa.Table],
    referenced: Mapping[str, pa.Table] | None = None,
    flags: Sequence[Mapping[str, NDArray[np.bool_]]] = (),
) -> list[Sorted]:
    """The same for several writes of one schema, each by itself: a key may come once in each. Two passes over all."""
    if not writes:
        return []
    rows = pa.concat_tables(writes)
    sizes = [len(one) for one in writes]
    masks_of = flags or [{}] * len(writes)
    named = dict.fromkeys(name for masks in masks_of for name in masks)
    masks = {
        name: np.concatenate(
            [of_one.get(name, np.zeros(size, bool)) for of_one, size in zip(masks_of, sizes, strict=True)]
        )
        for name in named
    }
    rules = [RowRule(name, "", "quarantine") for name in named] + compile_rules(contract)
    there = set(rows.schema.names)
    columns = [name for name in contract.schema.names if name in there]
    looked_at = rows.select(columns).append_column(PLACE, pa.array(np.arange(len(rows))))
    looked_at = looked_at.append_column(WRITE, pa.array(np.repeat(np.arange(len(sizes)), sizes)))
    with borrow() as connection:
        connection.register("rows", looked_at)
        in_memory = RowsInMemory(connection, looked_at, referenced or {}, f"contract of {contract.table}")
        for rule in rules:
            mask = rule.mask(in_memory)
            if mask is not None:
                masks[rule.name] = mask
        # A mask that says nothing of any row needs no look.
        marks = {name: f"_mark_{place}" for place, (name, mask) in enumerate(masks.items()) if mask.any()}
        for name, mark in marks.items():
            looked_at = looked_at.append_column(mark, pa.array(masks[name]))
        checked = [rule for rule in rules if rule.failing is not None or rule.name in marks]
        found = [
            _failed_rows(connection, contract, looked_at, checked[first : first + AT_ONCE], marks)
            for first in range(0, len(checked), AT_ONCE)
        ]
    reasons, ends = _reasons(found), np.cumsum(sizes)
    return [
        _parted(write, rules, found, reasons, int(end) - len(write)) for write, end in zip(writes, ends, strict=True)
    ]


def _failed_rows(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    looked_at: pa.Table,
    rules: Sequence[RowRule],
    marks: Mapping[str, str],
) -> pa.Table:
    """Of each row that breaks a rule: its place, whether it breaks each rule (by the rule's name), and their names."""
    conditions = {rule.name: marks.get(rule.name, rule.in_duckdb) for rule in rules}
    needed = {PLACE, *(marks[rule.name] for rule in rules if rule.name in marks)}.union(*(one.columns for one in rules))
    connection.register("checked", looked_at.select([name for name in looked_at.schema.names if name in needed]))
    named = ", ".join(f"case when {condition} then {literal(name)} end" for name, condition in conditions.items())
    flags = ", ".join(f"coalesce({condition}, false) as {quoted(name)}" for name, condition in conditions.items())
    breaks = " or ".join(f"({condition})" for condition in conditions.values())
    try:
        return connection.sql(
            f"select {PLACE}, concat_ws(', ', {named}) as {RULE}, {flags} from checked where {breaks} order by {PLACE}"
        ).to_arrow_table()
    except duckdb.Error as error:
        raise not_evaluated(
            contract,
            rules,
            lambda rule: connection.sql(f"select count_if({rule.in_duckdb}) from checked").fetchall(),
            error,
        ) from None


def _parted(
    rows: pa.Table, rules: Sequence[RowRule], found: Sequence[pa.Table], reasons: pa.Table, begin: int
) -> Sorted:
    """One write's rows: they have the places from `begin` on."""
    counts = dict.fromkeys((rule.name for rule in rules), 0)
    stopping = {rule.name for rule in rules if rule.action != "warn"}
    stopped = np.zeros(len(rows), dtype=bool)
    firsts = {}
    for one in found:
        own = _of_places(one, begin, len(rows))
        places = own.column(PLACE).to_numpy() - begin
        for name in own.schema.names[2:] if len(own) else ():
            failed_rows = places[own.column(name).to_numpy()]
            counts[name] = len(failed_rows)
            if len(failed_rows):
                firsts[name] = failed_rows[:SAMPLE_ROWS]
                if name in stopping:
                    stopped[failed_rows] = True
    named_rules = _of_places(reasons, begin, len(rows))
    known, names = named_rules.column(PLACE).to_numpy() - begin, named_rules.column(RULE).combine_chunks()

    def marked(places: NDArray[np.int64]) -> pa.Table:
        return rows.take(pa.array(places)).append_column(RULE, names.take(pa.array(np.searchsorted(known, places))))

    chosen = np.flatnonzero(stopped)
    # Each sample row is made once, however many rules it breaks, and in wide tables there are fewer of them.
    shown = np.unique(np.concatenate([np.zeros(0, np.int64), *firsts.values()]))
    shown = shown[: max(SAMPLE_ROWS, SAMPLE_CELLS // rows.num_columns)]
    samples_at = dict(zip(shown.tolist(), marked(shown).to_pylist(), strict=True))
    samples = {
        name: [samples_at[place] for place in first.tolist() if place in samples_at] for name, first in firsts.items()
    }
    return Sorted(rows.filter(pa.array(~stopped)) if len(chosen) else rows, marked(chosen), counts, samples)


def _of_places(found: pa.Table, begin: int, rows: int) -> pa.Table:
    """The part of a table in the order of places that is about these."""
    first, last = np.searchsorted(found.column(PLACE).to_numpy(), [begin, begin + rows])
    return found.slice(first, last - first)


def _reasons(found: Sequence[pa.Table]) -> pa.Table:
    """The names of all rules that each row breaks, in the order of places."""
    named = [pl.DataFrame(pl.from_arrow(one.select([PLACE, RULE]))) for one in found]
    together = pl.concat([pl.DataFrame(schema={PLACE: pl.Int64, RULE: pl.String}), *named])
    if len(named) > 1:
        together = together.group_by(PLACE, maintain_order=True).agg(pl.col(RULE).str.join(", "))
    kinds = pa.schema([(PLACE, pa.int64()), (RULE, pa.string())])
    return together.sort(PLACE).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(kinds)
