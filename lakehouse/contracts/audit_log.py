"""The audit log: the check result of every rule on every delivery, in `slipway.audits`.

What belongs here: the log and its rows. Not: running checks (audit.py).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.duck import literal
from lakehouse.tables.system_table import SystemTable, append, entries

AUDITS = SystemTable(
    "slipway.audits",
    pa.schema(
        [
            ("at", pa.timestamp("us")),
            ("table", pa.string()),
            ("contract_version", pa.string()),
            ("delivery", pa.string()),
            ("fingerprint", pa.string()),
            ("rule", pa.string()),
            ("action", pa.string()),
            ("passed", pa.bool_()),
            ("rows", pa.int64()),
            ("failed_rows", pa.int64()),
            ("share", pa.float64()),
            ("message", pa.string()),
            ("measured", pa.string()),
            ("sample", pa.string()),
            ("run_id", pa.string()),
        ]
    ),
    "The results of all checks of all deliveries.",
    {
        "at": "When it was checked (UTC).",
        "delivery": "The file, by its path below the drop folder; empty for a check of the whole table.",
        "action": "What a failed check does: block, quarantine or warn.",
        "rows": "Rows that were checked.",
        "failed_rows": "Rows that failed.",
        "sample": "A sample of failed rows: file and row number (JSON). The rows themselves are in the quarantine.",
    },
)


def audit_lines(  # a column each
    table: str,
    version: str,
    delivery: str,
    fingerprint: str,
    rows: int,
    check_results: Sequence[CheckResult],
    run_id: str,
) -> list[dict[str, Any]]:
    """The check results as rows of the log."""
    now = clock.stored_now()
    return [
        {
            "at": now,
            "table": table,
            "contract_version": version,
            "delivery": delivery,
            "fingerprint": fingerprint,
            "rule": check_result.name,
            "action": check_result.action,
            "passed": check_result.passed,
            "rows": rows,
            "failed_rows": int(
                check_result.measured.get("failed_rows", check_result.measured.get("rows_quarantined", 0))
            ),
            "share": float(check_result.measured.get("share", 0.0)),
            "message": check_result.message,
            "measured": json.dumps(dict(check_result.measured), default=str),
            "sample": json.dumps([_place(row) for row in check_result.sample], default=str),
            "run_id": run_id,
        }
        for check_result in check_results
    ]


def record_audits(lake: Lakehouse, lines: Sequence[Mapping[str, Any]], run_id: str) -> None:
    """Write the lines down."""
    if lines:
        append(lake, AUDITS, lines, run_id)


def audits_of(lake: Lakehouse, table: str) -> pa.Table:
    """All check results of a table, oldest first."""
    return entries(lake, AUDITS, f'"table" = {literal(table)}').sort_by([("at", "ascending")])


def _place(row: Mapping[str, Any]) -> dict[str, Any]:
    """Where a sample row stands, without its values."""
    return {name.lstrip("_"): row[name] for name in ("_file", "_row") if name in row}
