"""`slipway drill`: fault injection for a domain.

What belongs here: the command and how it prints results. Not: the drill itself (orchestration/drill.py).
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.errors import SlipwayError, unknown_name
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, print_facts, print_json, print_table
from orchestration.cli.progress_line import shown_progress

if TYPE_CHECKING:
    from orchestration.drill import Drill, FaultResult

STORY = "vendor_format_change"
EXAMPLES = """\
[bold]Examples[/bold]

slipway drill credit                                     the vendor changes the format of its files

slipway drill fraud --fault currency_cents               amounts are in cents

slipway drill credit --all --json                        every fault, one after the other

slipway drill --list                                     the faults that can be injected
"""


def command(
    domain: Annotated[
        str | None, typer.Argument(help="Domain whose newest delivery gets the fault.", show_default=False)
    ] = None,
    *,
    fault: Annotated[
        list[str] | None,
        typer.Option(help=f"Fault to inject; may be repeated (default: {STORY}).", show_default=False),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Inject every fault that applies to the source, one at a time.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the faults and exit.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Inject faults into a delivery on a copy, and compare the model with and without contracts."""
    from lakehouse.drills.fault_injection import FAULTS, find_fault

    if listed:
        _list(as_json=as_json)
        return
    from lakehouse.loading import domain_names

    names = domain_names()
    if domain is None:
        raise SlipwayError(
            "Specify a domain.",
            where="slipway drill",
            nearest=f"slipway drill {next(reversed(names), 'DOMAIN')}",
            fix=f"Choose one of {', '.join(names)}.",
        )
    if domain not in names:
        raise unknown_name("domain", domain, names, where="slipway drill")
    chosen = list(FAULTS.values()) if every else [find_fault(name) for name in fault or [STORY]]
    lake = lakehouse_at(home)
    from lakehouse.loading import load_domain
    from orchestration.drill import Drill

    with shown_progress(quiet=as_json) as progress:
        drill = Drill(lake, load_domain(domain), lambda text: progress.report(f"drill {domain}", text))
        results, skipped = [], []
        with drill:
            for one in chosen:
                try:
                    results.append(drill.run(one))
                except SlipwayError:
                    if not every:
                        raise
                    skipped.append(one.name)
    if as_json:
        print_json(_as_json(drill, results, skipped))
    else:
        _show(drill, results, skipped)


def _list(*, as_json: bool) -> None:
    from lakehouse.drills.fault_injection import FAULTS

    if as_json:
        print_json({"faults": [{"name": one.name, "description": one.description} for one in FAULTS.values()]})
        return
    print_table("Faults", ["name", "description"], [[one.name, one.description] for one in FAULTS.values()])


def _as_json(drill: "Drill", results: list["FaultResult"], skipped: list[str]) -> dict[str, Any]:
    control = drill.control
    return {
        "domain": drill.domain.name,
        "source": drill.source.name,
        "model": drill.baseline.champion.uri,
        "delivery": drill.delivery,
        "days": [day.isoformat() for day in drill.days],
        "deliveries_before": len(drill.history),
        "as_delivered": {
            "metrics": drill.good,
            "alarm": bool(control and control.raised),
            "message": control.message if control else "",
        },
        "faults": [one.as_dict() for one in results],
        "not_applicable": skipped,
    }


def _show(drill: "Drill", results: list["FaultResult"], skipped: list[str]) -> None:
    model = drill.baseline.model
    metrics = list(dict.fromkeys(["accuracy", model.select_by]))
    console.print(
        f"On a copy of the home, faults are injected into {drill.delivery}, after {len(drill.history)} good "
        f"deliveries. Without a fault, {drill.baseline.champion.uri} has {_of(drill.good, metrics)}.",
        markup=False,
        highlight=False,
    )
    for one in results:
        console.print(f"\n{one.fault}", style="bold", highlight=False)
        print_facts(
            {
                "fault": f"{one.description} ({', '.join(one.columns)})" if one.columns else one.description,
                "without contracts": _of(one.without_contracts, metrics)
                + (f": the pipeline fails, nothing is scored ({one.failed_with})" if one.failed_with else ""),
                "with contracts": f"{_of(one.with_contracts, metrics)}: {_outcome(one)}",
                "alarm": f"{one.alarm.seconds:.1f} s after the file arrived" if one.alarm.raised else "none",
                "issues": "; ".join(
                    f"{issue.kind} ({', '.join(issue.columns)})" if issue.columns else issue.kind
                    for issue in one.alarm.issues
                ),
                "message": one.alarm.message,
            }
        )
    if drill.control and drill.control.raised:
        console.print(f"\nA false alarm: the delivery without a fault raised {drill.control.message}", markup=False)
    if skipped:
        console.print(
            f"\nNot applicable, because the source has no column for them: {', '.join(skipped)}.", markup=False
        )
    from orchestration.sensors import delivery_sensor

    every = delivery_sensor(drill.domain).minimum_interval_seconds
    console.print(
        "\nWithout contracts: the model scores the delivery unchecked. With contracts: it scores what was published; "
        "for a rejected delivery these are the metrics of the previous delivery, whose scores stay in use."
        f"\nSeconds count from the file's arrival; a running daemon also waits up to {every} s to look for files. "
        "Your home was not changed.",
        markup=False,
        highlight=False,
    )


def _outcome(one: "FaultResult") -> str:
    if one.alarm.rejected:
        return "the delivery is rejected, and the scores of the previous one stay in use"
    if one.alarm.quarantined:
        return f"{one.alarm.quarantined:,} rows are in quarantine, the others are published"
    return "it is published with a warning" if one.alarm.raised else "not detected"


def _of(metrics: dict[str, float], names: list[str]) -> str:
    return ", ".join(f"{name} {metrics[name]:.3f}" for name in names)
