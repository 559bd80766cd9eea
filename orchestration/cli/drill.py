"""`slipway drill`: the fire exercise of a domain.

What belongs here: the command and how it shows what happened. Not: the drill itself (orchestration/drill.py).
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.errors import SlipwayError, unknown_name
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, print_facts, print_json, print_table
from orchestration.cli.progress_line import shown_progress

if TYPE_CHECKING:
    from orchestration.drill import Drill, Played

STORY = "vendor_format_change"
EXAMPLES = """\
[bold]Examples[/bold]

slipway drill credit                                     the vendor changes the format without notice

slipway drill fraud --incident currency_cents            amounts come in cents

slipway drill credit --all --json                        every incident, one after the other

slipway drill --list                                     what can be played
"""


def command(
    domain: Annotated[
        str | None, typer.Argument(help="The domain whose deliveries get faults.", show_default=False)
    ] = None,
    *,
    incident: Annotated[
        list[str] | None,
        typer.Option(help=f"What goes wrong; may be repeated (default: {STORY}).", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Play every incident that fits the source.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the incidents and play none.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Inject faults into a delivery on a copy, and compare the model with and without contracts."""
    from lakehouse.drills.fault_injection import INCIDENTS
    from lakehouse.drills.fault_injection import incident as incident_of

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
            fix=f"Name one of {', '.join(names)}, or see `slipway drill --list`.",
        )
    if domain not in names:
        raise unknown_name("domain", domain, names, where="slipway drill")
    chosen = list(INCIDENTS.values()) if every else [incident_of(name) for name in incident or [STORY]]
    lake = lakehouse_at(home)
    from lakehouse.loading import load_domain
    from orchestration.drill import Drill

    with shown_progress(quiet=as_json) as progress:
        drill = Drill(lake, load_domain(domain), lambda text: progress.tell(f"drill {domain}", text))
        played, left_out = [], []
        with drill:
            for one in chosen:
                try:
                    played.append(drill.play(one))
                except SlipwayError:
                    if not every:
                        raise
                    left_out.append(one.name)
    if as_json:
        print_json(_as_json(drill, played, left_out))
    else:
        _show(drill, played, left_out)


def _list(*, as_json: bool) -> None:
    from lakehouse.drills.fault_injection import INCIDENTS

    if as_json:
        print_json({"incidents": [{"name": one.name, "description": one.description} for one in INCIDENTS.values()]})
        return
    print_table("Incidents", ["name", "what happens"], [[one.name, one.description] for one in INCIDENTS.values()])


def _as_json(drill: "Drill", played: list["Played"], left_out: list[str]) -> dict[str, Any]:
    control = drill.control
    return {
        "domain": drill.domain.name,
        "source": drill.source.name,
        "model": drill.world.champion.uri,
        "delivery": drill.delivery,
        "days": [day.isoformat() for day in drill.days],
        "deliveries_before": len(drill.history),
        "as_delivered": {
            "metrics": drill.good,
            "alarm": bool(control and control.raised),
            "message": control.message if control else "",
        },
        "incidents": [one.as_dict() for one in played],
        "left_out": left_out,
    }


def _show(drill: "Drill", played: list["Played"], left_out: list[str]) -> None:
    model = drill.world.model
    metrics = list(dict.fromkeys(["accuracy", model.select_by]))
    console.print(
        f"Played on a copy: {drill.delivery} arrives, after {len(drill.history)} good deliveries. Delivered well, "
        f"{drill.world.champion.uri} reaches {_of(drill.good, metrics)}.",
        markup=False,
        highlight=False,
    )
    for one in played:
        console.print(f"\n{one.incident}", style="bold", highlight=False)
        print_facts(
            {
                "what happens": f"{one.description} ({', '.join(one.columns)})" if one.columns else one.description,
                "without contracts": _of(one.without, metrics)
                + (f": the pipeline breaks off, nothing is scored ({one.broke})" if one.broke else ""),
                "with contracts": f"{_of(one.within, metrics)}: {_outcome(one)}",
                "alarm": f"{one.alarm.seconds:.1f} s after the file arrived" if one.alarm.raised else "none",
                "named": "; ".join(
                    f"{issue.kind} ({', '.join(issue.columns)})" if issue.columns else issue.kind
                    for issue in one.alarm.issues
                ),
                "message": one.alarm.message,
            }
        )
    if drill.control and drill.control.raised:
        console.print(f"\nA false alarm: as it was really delivered, it is {drill.control.message}", markup=False)
    if left_out:
        console.print(f"\nNot played, for want of a column: {', '.join(left_out)}.", markup=False)
    from orchestration.sensors import delivery_sensor

    every = delivery_sensor(drill.domain).minimum_interval_seconds
    console.print(
        "\nWithout contracts: the model scores what was delivered, as it comes. With contracts: it scores what was "
        "published; of a rejected delivery nothing is, and the numbers are those of the delivery before, which stays."
        f"\nSeconds count from the file's arrival; a running daemon looks for files every {every} s in addition. "
        "Your home was only read.",
        markup=False,
        highlight=False,
    )


def _outcome(one: "Played") -> str:
    if one.alarm.rejected:
        return "the delivery is rejected, and the scores of the one before it stay in use"
    if one.alarm.quarantined:
        return f"{one.alarm.quarantined:,} rows are in quarantine, the others are published"
    return "it is published with a warning" if one.alarm.raised else "not detected"


def _of(metrics: dict[str, float], names: list[str]) -> str:
    return ", ".join(f"{name} {metrics[name]:.3f}" for name in names)
