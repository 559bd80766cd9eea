"""`slipway quarantine`: list, retry and discard rows and deliveries of a source that are not published.

What belongs here: the command. Not: the quarantine (contracts/quarantine.py) and retrying (ingestion/retry.py).
"""

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.catalog.home import at_work
from lakehouse.errors import SlipwayError
from orchestration.cli.deliveries import show_deliveries
from orchestration.cli.output import (
    HomeOption,
    JsonOption,
    MissingOptionError,
    console,
    lakehouse_at,
    leave,
    print_json,
    print_table,
)
from orchestration.cli.progress_line import shown_progress

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.sources.source import Source

_SHOWN = 3

EXAMPLES = """\
[bold]Examples[/bold]

slipway quarantine fraud.transactions                     rows by rule, and rejected deliveries

slipway quarantine fraud.transactions --retry             after the contract or a mapping was corrected

slipway quarantine fraud.transactions --drop --rule TX_AMOUNT_in_range --reason "test payments"

slipway quarantine fraud.transactions --drop --delivery transactions_2018-05-02.parquet --reason "sent by mistake"
"""


def command(
    table: Annotated[str, typer.Argument(help="A source, such as fraud.transactions.")],
    *,
    retry: Annotated[
        bool, typer.Option("--retry", help="Evaluate quarantined rows and rejected deliveries again.")
    ] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Discard quarantined rows, or one delivery; they are never published.")
    ] = False,
    rule: Annotated[str, typer.Option(help="Only rows that failed this rule.", show_default=False)] = "",
    delivery: Annotated[str, typer.Option(help="Rejected or blocked delivery to discard.", show_default=False)] = "",
    reason: Annotated[
        str, typer.Option(help="Why they are discarded; stored with them. Required with --drop.", show_default=False)
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List, retry or discard a source's quarantined rows and rejected deliveries.

    Lists rows by failed rule, and rejected and blocked deliveries with reason and remediation.
    """
    lake = lakehouse_at(home)
    from orchestration.sources_by_name import source_named

    source = source_named(table)
    done: dict[str, Any] = {}
    if retry and drop:
        raise SlipwayError("--retry and --drop cannot be combined.", where="--retry, --drop", nearest="--retry")
    if delivery and (rule or not drop):
        nearest = f"slipway quarantine {source.name} --drop --delivery {delivery} --reason '...'"
        raise SlipwayError("--delivery needs --drop, and no --rule.", where="--delivery", nearest=nearest)
    failed: SlipwayError | None = None
    if retry:
        done, failed = _retry(lake, source, quiet=as_json)
    if drop:
        done = _drop_delivery(lake, source, delivery, reason) if delivery else _drop(lake, source, rule, reason)
    content = {**_content(lake, source, rule), **done}
    if as_json:
        print_json({**(failed.as_dict() if failed else {}), **content})
    else:
        _show(content)
    if failed and not as_json:
        raise failed
    if failed or any(one["status"] != "published" for one in content.get("evaluated_again", ())):
        leave(1)


def _retry(lake: "Lakehouse", source: "Source", *, quiet: bool) -> tuple[dict[str, Any], SlipwayError | None]:
    from lakehouse.ingestion.retry import retry_quarantined
    from orchestration.cli.deliveries import statuses_of
    from orchestration.main_job import run_main_job
    from orchestration.memory import MemoryWatch
    from orchestration.sources_by_name import domain_of

    working = at_work(lake.home, f"slipway quarantine {source.name} --retry")
    recomputed, failed = [], None
    with working, MemoryWatch() as watch:
        done = retry_quarantined(lake, source, run_id=uuid.uuid4().hex)
        if not quiet:  # before anything else can fail
            console.print(f"{done.published:,} rows published, {done.waiting:,} still fail a rule.")
        # Tables built from the touched days are brought up to date; rejected deliveries that pass now are landed.
        try:
            with shown_progress(quiet=quiet) as progress:
                report = run_main_job(lake, domain_of(source), progress, watch, models=False, only_made=True)
            recomputed = report.recomputed
        except SlipwayError as error:
            failed = error
        again = statuses_of(lake, source, done.again)
    # A repeated rejection is reported with its delivery, and is no failure of the command.
    if failed and any(one["status"] == "rejected" and failed.what.startswith(one["reason"]) for one in again):
        failed = None
    return {"retried": vars(done), "evaluated_again": again, "recomputed": recomputed}, failed


def _drop_delivery(lake: "Lakehouse", source: "Source", delivery: str, reason: str) -> dict[str, Any]:
    from lakehouse.ingestion.blocked import discard

    _check_reason(reason)
    with at_work(lake.home, f"slipway quarantine {source.name} --drop"):
        dropped = discard(lake, source, delivery, reason, uuid.uuid4().hex)
    return {"dropped_delivery": delivery, "dropped_now": sum(one.elsewhere for one in dropped)}


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise MissingOptionError(
            "The option --reason is missing; it is stored with the discarded rows.",
            where="slipway quarantine --drop",
            nearest="--reason 'test payments'",
        )


def _drop(lake: "Lakehouse", source: "Source", rule: str, reason: str) -> dict[str, Any]:
    from lakehouse.contracts.quarantine import drop_rows, quarantine_shape
    from lakehouse.ingestion.check_results import check_names
    from lakehouse.tables.provenance import Provenance

    _check_reason(reason)
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
    from lakehouse.ingestion.reconciliation import reconciliation_of
    from orchestration.cli.deliveries import deliveries_summary

    rows = pl.DataFrame(pl.from_arrow(quarantined(lake, quarantine_shape(source.shape))))
    waiting = rows.filter(pl.col(DROPPED).is_null())
    by_rule: dict[str, dict[str, Any]] = {}
    for row in waiting.iter_rows(named=True):
        for name in row["_rule"].split(", "):
            if rule and name != rule:
                continue
            found = by_rule.setdefault(name, {"rows": 0, "deliveries": set(), "samples": []})
            found["rows"] += 1
            found["deliveries"].add(row["_file"])
            if len(found["samples"]) < _SHOWN:
                found["samples"].append({"file": row["_file"], "row": row["_row"], "delivered": row[DELIVERED]})
    for found in by_rule.values():
        found["deliveries"] = sorted(found["deliveries"])
    reconciliation = reconciliation_of(lake, source)
    deliveries = deliveries_summary(lake, [source], (), ())
    return {
        "table": source.name,
        "waiting": len(waiting),
        "dropped": reconciliation.dropped,
        "rules": by_rule,
        "rejected_deliveries": deliveries["rejected"],
        "waiting_deliveries": deliveries["waiting"],
        "left_out": deliveries["left_out"],
        "reconciliation": reconciliation.message,
        "balanced": reconciliation.balanced,
    }


def _show(content: dict[str, Any]) -> None:
    if "retried" in content:
        for one in content["evaluated_again"]:
            console.print(f"{one['delivery']} was evaluated again: {one['status']}.", markup=False, highlight=False)
        console.print(f"Recomputed: {', '.join(content['recomputed']) or 'nothing'}.")
    if "dropped_now" in content:
        whole = f" with {content['dropped_delivery']}" if "dropped_delivery" in content else ""
        console.print(f"{content['dropped_now']:,} rows were discarded{whole}.", markup=False, highlight=False)
    rows = [
        [name, one["rows"], len(one["deliveries"]), "\n".join(_place(row) for row in one["samples"])]
        for name, one in sorted(content["rules"].items(), key=lambda pair: -pair[1]["rows"])
    ]
    if rows:
        print_table(f"Quarantine of {content['table']}", ["rule", "rows", "deliveries", "samples, as delivered"], rows)
    else:
        console.print("No row is in quarantine.")
    deliveries = {
        "rejected": content["rejected_deliveries"],
        "waiting": content["waiting_deliveries"],
        "left_out": content["left_out"],
        "rows_in_quarantine": {},
    }
    show_deliveries(deliveries, more=False)
    console.print(content["reconciliation"], highlight=False)


def _place(row: dict[str, Any]) -> str:
    return f"{row['file']}, row {row['row']}: {row['delivered'] or ''}"
