"""`slipway circuit-breaker`: show and set the circuit breakers of sources.

What belongs here: the command. Not: states and transitions (lakehouse/sources/circuit_breaker.py).
"""

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.catalog.home import at_work
from lakehouse.errors import SlipwayError
from orchestration.cli.output import (
    HomeOption,
    JsonOption,
    MissingOptionError,
    console,
    lakehouse_at,
    lines,
    notes,
    print_json,
    print_table,
)
from orchestration.cli.progress_line import shown_progress

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.sources.source import Source

EXAMPLES = """\
[bold]Examples[/bold]

slipway circuit-breaker                          all sources

slipway circuit-breaker fraud.transactions       one source, with its transitions and blocked deliveries

slipway circuit-breaker fraud.transactions --close --reason "the vendor delivered again"

slipway circuit-breaker fraud.transactions --open --reason "the vendor migrates tonight"
"""


def command(
    source: Annotated[str | None, typer.Argument(help="A source (default: all).", show_default=False)] = None,
    *,
    open_it: Annotated[bool, typer.Option("--open", help="Block deliveries from now on.")] = False,
    close_it: Annotated[bool, typer.Option("--close", help="Accept deliveries again, blocked ones first.")] = False,
    reason: Annotated[
        str,
        typer.Option(
            help="Why it is set; stored with the transition. Required with --open and --close.", show_default=False
        ),
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or set the circuit breakers of sources, which accept (closed) or block (open) deliveries.

    A circuit breaker opens after too many rejected deliveries in a row. Later deliveries are then blocked on audit
    branches, in order.
    """
    lake = lakehouse_at(home)
    from orchestration.sources_by_name import source_named, sources

    if open_it or close_it:
        _check(source, reason, both=open_it and close_it)
        _set(lake, source_named(source or ""), reason, open_it=open_it, quiet=as_json)
    chosen = [source_named(source)] if source else sources()
    summaries = [_content(lake, one) for one in chosen]
    if as_json:
        print_json(summaries)
        return
    _show(summaries, whole=source is not None)


def _check(source: str | None, reason: str, *, both: bool) -> None:
    if both:
        raise SlipwayError("--open and --close cannot be combined.", where="--open, --close", nearest="--close")
    if not source:
        nearest = "slipway circuit-breaker fraud.transactions --close"
        raise SlipwayError("Specify a source.", where="slipway circuit-breaker", nearest=nearest)
    if not reason.strip():
        raise MissingOptionError(
            "The option --reason is missing; it is stored with the transition.",
            where="slipway circuit-breaker",
            nearest="--reason 'mapping declared'",
        )


def _set(lake: "Lakehouse", source: "Source", reason: str, *, open_it: bool, quiet: bool) -> None:
    from lakehouse.sources.circuit_breaker import State, set_by_hand
    from orchestration.notifications import notify_of_transition
    from orchestration.sources_by_name import domain_of

    with at_work(lake.home, f"slipway circuit-breaker {source.name}"), shown_progress(quiet=quiet) as progress:
        state = State.OPEN if open_it else State.CLOSED
        step = set_by_hand(lake, source.name, state, reason, source.definition(), uuid.uuid4().hex)
        notify_of_transition(lake, source, step, notes.print)
        if not open_it and lake.has(source.name):
            from orchestration.main_job import run_main_job
            from orchestration.memory import MemoryWatch

            with MemoryWatch() as watch:
                run_main_job(lake, domain_of(source), progress, watch, models=False, only_made=True)


def _content(lake: "Lakehouse", source: "Source") -> dict[str, Any]:
    from lakehouse.ingestion.reconciliation import reconciliation_of
    from lakehouse.sources.circuit_breaker import breaker_status, history
    from orchestration.cli.deliveries import deliveries_summary

    standing = breaker_status(lake, source.name, source.breaker, source.definition())
    reconciliation = reconciliation_of(lake, source)
    return {
        "source": source.name,
        "state": str(standing.state),
        "since": standing.since,
        "reason": standing.reason,
        "opens_after": source.breaker.failures,
        "cool_down": source.breaker.cool_down,
        "waiting": reconciliation.waiting,
        "rejected": reconciliation.rejected,
        "rejected_deliveries": deliveries_summary(lake, [source], (), ())["rejected"],
        "transitions": [
            {name: row[name] for name in ("at", "before", "state", "by", "delivery", "reason")}
            for row in history(lake, source.name).iter_rows(named=True)
        ],
    }


def _show(summaries: list[dict[str, Any]], *, whole: bool) -> None:
    columns = ["source", "state", "since", "blocked", "rejected", "reason"]
    rows = [
        [one["source"], one["state"], _time(one["since"]), len(one["waiting"]), len(one["rejected"]), one["reason"]]
        for one in summaries
    ]
    print_table("Circuit breakers", columns, rows)
    if not whole:
        return
    (one,) = summaries
    if one["waiting"]:
        print_table("Blocked deliveries, in order", ["delivery"], [[name] for name in one["waiting"]])
    if one["rejected"]:
        print_table(
            "Rejected deliveries",
            ["delivery", "reason and remediation"],
            [[of["delivery"], lines(of["reason"], of["remedy"])] for of in one["rejected_deliveries"]],
        )
    if one["transitions"]:
        steps = [
            [_time(step["at"]), step["before"], step["state"], step["by"], step["reason"]]
            for step in one["transitions"]
        ]
        print_table("Transitions", ["at (UTC)", "from", "to", "by", "reason"], steps)
    else:
        console.print("No transition yet.", highlight=False)


def _time(moment: Any) -> str:  # noqa: ANN401  # a time or nothing
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
