"""`slipway quarantine`: rows that break a contract, by rule; running them again, or dropping them.

What belongs here: the command. Not: the quarantine (lakehouse/contracts/quarantine.py) and retrying (sources/retry.py).
"""

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.errors import SlipwayError
from lakehouse.home import at_work
from orchestration.cli.output import (
    HomeOption,
    JsonOption,
    MissingOptionError,
    console,
    lakehouse_at,
    print_json,
    print_table,
)
from orchestration.cli.progress_line import shown_progress

if TYPE_CHECKING:
    from lakehouse.catalog import Lakehouse
    from lakehouse.sources.source import Source

_SHOWN = 3

EXAMPLES = """\
[bold]Examples[/bold]

slipway quarantine fraud.transactions                     what waits, by rule, with samples

slipway quarantine fraud.transactions --retry             after the contract or a mapping was mended

slipway quarantine fraud.transactions --drop --rule TX_AMOUNT_in_range --reason "test payments"
"""


def command(
    table: Annotated[str, typer.Argument(help="A source, such as fraud.transactions.")],
    *,
    retry: Annotated[bool, typer.Option("--retry", help="Judge waiting rows and refused deliveries again.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Give waiting rows up: they are never published.")] = False,
    rule: Annotated[str, typer.Option(help="Only rows that break this rule.", show_default=False)] = "",
    reason: Annotated[str, typer.Option(help="Why rows are dropped; it is written down.", show_default=False)] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List rows that wait in quarantine, run them again, or drop them."""
    lake = lakehouse_at(home)
    from orchestration.sources_by_name import source_named

    source = source_named(table)
    done: dict[str, Any] = {}
    if retry and drop:
        raise SlipwayError("Rows are run again or dropped, not both.", where="--retry, --drop", nearest="--retry")
    if retry:
        done = _retry(lake, source, quiet=as_json)
    if drop:
        done = _drop(lake, source, rule, reason)
    told = {**_content(lake, source, rule), **done}
    if as_json:
        print_json(told)
        return
    _show(told)


def _retry(lake: "Lakehouse", source: "Source", *, quiet: bool) -> dict[str, Any]:
    from lakehouse.sources.retry import retry_quarantined
    from orchestration.main_job import run_main_job
    from orchestration.memory import MemoryWatch
    from orchestration.sources_by_name import domain_of

    working = at_work(lake.home, f"slipway quarantine {source.name} --retry")
    with working, shown_progress(quiet=quiet) as progress, MemoryWatch() as watch:
        done = retry_quarantined(lake, source, run_id=uuid.uuid4().hex)
        # What is made from the touched days is brought in line; refused deliveries that are good now are landed.
        report = run_main_job(lake, domain_of(source), progress, watch, models=False)
    return {"retried": vars(done), "recomputed": report.recomputed}


def _drop(lake: "Lakehouse", source: "Source", rule: str, reason: str) -> dict[str, Any]:
    from lakehouse.contracts.quarantine import drop_rows, quarantine_shape
    from lakehouse.sources.verdicts import check_names
    from lakehouse.tables.pins import Provenance

    if not reason.strip():
        raise MissingOptionError(
            "The option --reason is missing: whoever misses the rows later wants to know why.",
            where="slipway quarantine --drop",
            nearest="--reason 'test payments'",
        )
    if rule and rule not in check_names(source) and not rule.endswith("_readable"):
        from lakehouse.errors import unknown_name

        raise unknown_name("rule", rule, source.contract.row_rules(), where="--rule")
    run_id = uuid.uuid4().hex
    provenance = Provenance(run_id, source.definition(), {}, source.contract.version, {"dropped-because": reason})
    with at_work(lake.home, f"slipway quarantine {source.name} --drop"):
        shape = quarantine_shape(source.shape)
        number = drop_rows(lake, shape, rule or None, reason, provenance) if lake.has(shape.name) else 0
    return {"dropped_now": number}


def _content(lake: "Lakehouse", source: "Source", rule: str) -> dict[str, Any]:
    import polars as pl

    from lakehouse.contracts.quarantine import DELIVERED, DROPPED, quarantine_shape, quarantined
    from lakehouse.sources.account import account_of

    rows = pl.DataFrame(pl.from_arrow(quarantined(lake, quarantine_shape(source.shape))))
    waiting = rows.filter(pl.col(DROPPED).is_null())
    by_rule: dict[str, dict[str, Any]] = {}
    for row in waiting.iter_rows(named=True):
        for name in row["_rule"].split(", "):
            if rule and name != rule:
                continue
            told = by_rule.setdefault(name, {"rows": 0, "deliveries": set(), "samples": []})
            told["rows"] += 1
            told["deliveries"].add(row["_file"])
            if len(told["samples"]) < _SHOWN:
                told["samples"].append({"file": row["_file"], "row": row["_row"], "delivered": row[DELIVERED]})
    for told in by_rule.values():
        told["deliveries"] = sorted(told["deliveries"])
    account = account_of(lake, source)
    return {
        "table": source.name,
        "waiting": len(waiting),
        "dropped": account.dropped,
        "rules": by_rule,
        "account": account.says,
        "balanced": account.balanced,
    }


def _show(told: dict[str, Any]) -> None:
    if "retried" in told:
        done = told["retried"]
        console.print(f"{done['published']:,} rows are published now, {done['waiting']:,} still break a rule.")
        if done["again"]:
            console.print(f"Refused deliveries were judged once more: {', '.join(done['again'])}.")
        console.print(f"Recomputed: {', '.join(told['recomputed']) or 'nothing'}.")
    if "dropped_now" in told:
        console.print(f"{told['dropped_now']:,} rows were dropped.")
    rows = [
        [name, one["rows"], len(one["deliveries"]), "\n".join(_place(row) for row in one["samples"])]
        for name, one in sorted(told["rules"].items(), key=lambda pair: -pair[1]["rows"])
    ]
    if rows:
        print_table(f"Quarantine of {told['table']}", ["rule", "rows", "deliveries", "samples, as delivered"], rows)
    else:
        console.print("Nothing waits in quarantine.")
    console.print(told["account"], highlight=False)


def _place(row: dict[str, Any]) -> str:
    return f"{row['file']}, row {row['row']}: {row['delivered'] or ''}"
