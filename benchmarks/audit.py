"""The audit of the fraud contract with 25 rules, beside one full read of its columns and beside Great Expectations.

What belongs here: the measurement, and whether both find the same rows. Not: whether the results are right (tests).

The table is audited twice: as published, and with rows that break rules. Great Expectations judges the rules that it
can state as well (those of single columns) on a frame that is in memory already; it has a Python of its own, which is
made under the user's cache folder when it is first needed.
"""

import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from assets.fraud.contracts import transactions_contract
from benchmarks.arguments import Arguments, transactions
from benchmarks.figures import Figure, median_seconds, report
from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.contracts.contract import Contract, Rule
from lakehouse.contracts.table_checks import audit_table
from lakehouse.settings import Settings
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft

GREAT_EXPECTATIONS = "great_expectations==1.24.1"
CACHE = Path.home() / ".cache" / "slipway" / "benchmarks" / "great-expectations-1.24.1"
PEER = Path(__file__).with_name("peers") / "great_expectations_audit.py"
OF_A_READ = 2.0
FASTER = 5.0
MOST_MB = 1_000
RULES = 25
BROKEN = "fraud.broken"

CONTRACT = replace(
    transactions_contract,
    rules=[
        Rule("fraud_has_a_scenario", "(TX_FRAUD = 1) = (TX_FRAUD_SCENARIO > 0)", "A fraud was done in some way."),
        Rule("large_is_scenario_1", "TX_FRAUD_SCENARIO <> 1 or TX_AMOUNT > 220", "Scenario 1 is large amounts."),
        Rule("in_its_day", "TX_TIME_SECONDS - TX_TIME_DAYS * 86400 between 0 and 86399", "The seconds lie in the day."),
        Rule("same_second", "second(TX_DATETIME) = TX_TIME_SECONDS % 60", "Both times have the same second."),
        Rule("known_customer", "CUSTOMER_ID < 5000 or TX_DATETIME > timestamp '2019-01-01'", "Customers are known."),
        Rule("cents", "abs(TX_AMOUNT * 100 - floor(TX_AMOUNT * 100 + 0.5)) < 0.001", "Amounts are whole cents."),
    ],
)


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("25 rules on all published transactions, beside one read and beside Great Expectations.")
    parser.transactions()
    parser.add_argument("--without-peer", action="store_true", help="leave Great Expectations out")
    parser.add_argument("--only-audit", type=Path, metavar="HOME", help="audit the table of this home, nothing else")
    given = parser.given()
    if given.only_audit:
        return _only_audit(given.only_audit)
    figures = []
    with transactions(given) as file, TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        lake = _lake(Path(folder, "home"))
        rows = pq.read_table(file).cast(CONTRACT.schema)
        tables = {CONTRACT.table: rows, BROKEN: _with_faults(rows)}
        for name, content in tables.items():
            shape = TableShape(name, content.schema, "TX_DATETIME")
            publish(lake, write_draft(lake, shape, content, Provenance("benchmark", "benchmark")))
        figures += _ours(lake, len(rows))
        del rows
        figures.append(_memory(lake))
        if not (given.without_peer or given.quick):
            figures += _beside_great_expectations(lake, Path(folder), tables)
    return report(figures, given)


def _lake(home: Path) -> Lakehouse:
    return open_lakehouse(Settings.from_environment({}, home=home))


def _with_faults(rows: pa.Table) -> pa.Table:
    """Every rule of a column is broken by one row in a thousand or more."""
    place = pl.int_range(pl.len())
    frame = pl.DataFrame(pl.from_arrow(rows))
    faults = [
        pl.when(place % 1_000 == number).then(None).otherwise(pl.col(name)).alias(name)
        for number, name in enumerate(frame.columns)
        if name != "TX_DATETIME"
    ]
    frame = frame.with_columns(faults).with_columns(
        TRANSACTION_ID=pl.when(place % 1_000 == 100).then(7).otherwise("TRANSACTION_ID"),
        CUSTOMER_ID=pl.when(place % 1_000 == 101).then(-1).otherwise("CUSTOMER_ID"),
        TX_AMOUNT=pl.when(place % 1_000 == 102).then(1e9).otherwise("TX_AMOUNT"),
        TX_FRAUD=pl.when(place % 1_000 == 103).then(9).otherwise("TX_FRAUD"),
        TX_FRAUD_SCENARIO=pl.when(place % 1_000 == 104).then(9).otherwise("TX_FRAUD_SCENARIO"),
    )
    return frame.to_arrow().cast(rows.schema)


def _ours(lake: Lakehouse, rows: int) -> list[Figure]:
    names = CONTRACT.schema.names
    one_read = lambda: read(lake, CONTRACT.table, names)  # noqa: E731
    audit = lambda: audit_table(lake, CONTRACT)  # noqa: E731
    broken = lambda: audit_table(lake, replace(CONTRACT, table=BROKEN))  # noqa: E731
    reading = median_seconds(one_read)
    seconds, with_faults = median_seconds(audit), median_seconds(broken)
    reading = min(reading, median_seconds(one_read))
    rules = len(CONTRACT.row_rules())
    passed = all(one.passed for one in audit())
    failed = sum(not one.passed for one in broken())
    return [
        Figure("rules", rules, "", RULES, f"{RULES}", rules == RULES),
        Figure("rows that were audited", rows, "rows", None, "all rules hold", passed),
        Figure("one full read of the same columns (DuckDB)", reading, "s", None, "reference", holds=True),
        Figure("audit", seconds, "s", reading, "", holds=True),
        _at_most("audit, in times of one read", seconds / reading, "x", 1.0, OF_A_READ),
        Figure(f"audit of rows that break {failed} rules, samples included", with_faults, "s", reading, "", holds=True),
    ]


def _memory(lake: Lakehouse) -> Figure:
    """The peak of a process that does nothing but this audit."""
    words = [sys.executable, "-m", "benchmarks.audit", "--only-audit", str(lake.home.root)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return _at_most("peak memory of a process that audits", float(done.stdout), "MB", None, MOST_MB)


def _only_audit(home: Path) -> int:
    audit_table(_lake(home), replace(CONTRACT, table=BROKEN))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
    return 0


def _beside_great_expectations(lake: Lakehouse, folder: Path, tables: dict[str, pa.Table]) -> list[Figure]:
    figures = []
    columns = replace(CONTRACT, rules=())
    stated = _rules(columns)
    (folder / "rules.json").write_text(json.dumps(stated))
    for name, rows in tables.items():
        contract = replace(columns, table=name)
        pq.write_table(rows, folder / "rows.parquet")
        peer = _peer(folder)
        seconds = median_seconds(lambda: audit_table(lake, contract))  # noqa: B023
        # Great Expectations counts each of equal values, a contract their repetitions: the first one is good.
        check_results = [one for one in audit_table(lake, contract) if one.name in peer["broken"]]
        differing = sum(
            _counted(one) != peer["broken"][one.name] for one in check_results if not one.name.endswith("unique")
        )
        about = "all hold" if name == CONTRACT.table else "broken rows"
        faster = peer["seconds"] / seconds
        figures += [
            Figure(f"Great Expectations, {len(stated)} rules, {about}", peer["seconds"], "s", None, "", holds=True),
            Figure("its peak memory", peer["peak_mb"], "MB", None, "", holds=True),
            Figure("audit of the same rules, reading included", seconds, "s", peer["seconds"], "", holds=True),
            Figure("faster", faster, "x", 1.0, f">= {FASTER:g}", faster >= FASTER),
            Figure("rules whose broken rows are counted otherwise", differing, "", 0, "0", not differing),
        ]
    return figures


def _rules(contract: Contract) -> list[dict[str, Any]]:
    """The rules of single columns, as the peer is told of them."""
    found = []
    for column in contract.columns:
        for name in column.row_rules:
            kind = name.removeprefix(f"{column.name}_")
            bounds = {"at_least": column.at_least, "at_most": column.at_most}
            if column.type == "timestamp":
                bounds = {key: str(value) for key, value in bounds.items()}
            more = {"values": column.one_of, "times": column.type == "timestamp", **bounds}
            found.append(
                {"name": name, "kind": "between" if kind == "in_range" else kind, "column": column.name, **more}
            )
    return found


def _counted(check_result: CheckResult) -> int:
    return int(check_result.measured["failed_rows"])


def _peer(folder: Path) -> dict[str, Any]:
    words = [_python(), str(PEER), str(folder / "rows.parquet"), str(folder / "rules.json")]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _python() -> str:
    """The Python that has Great Expectations; it is made when it is not there."""
    python = CACHE / "bin" / "python"
    if not (CACHE / "complete").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, CACHE], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, GREAT_EXPECTATIONS, "pyarrow"], check=True)
        (CACHE / "complete").touch()
    return str(python)


def _at_most(name: str, value: float, unit: str, reference: float | None, most: float) -> Figure:
    return Figure(name, value, unit, reference, f"<= {most:g}", value <= most)


if __name__ == "__main__":
    sys.exit(main())
