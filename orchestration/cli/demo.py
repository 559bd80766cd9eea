"""`slipway demo`: the main job, from simulated or given deliveries to a live model.

What belongs here: the command and its summary. Not: running the job (main_job.py).
"""

import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.errors import DeliveryError, SlipwayError
from lakehouse.home import at_work
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, print_json, print_table
from orchestration.cli.progress_line import shown_progress

if TYPE_CHECKING:
    from lakehouse.catalog import Lakehouse
    from lakehouse.domain import Domain

SOURCE = "fraud.transactions"
DAYS = 183
LABEL_DELAY = 7
"""Days after which a payment's label is known, as fraud_reports has it."""

EXAMPLES = """\
[bold]Examples[/bold]

slipway demo                        simulate half a year of card payments and run everything

slipway demo --days 60 --json       a shorter world, and the summary as JSON

slipway demo --source payments/     run on your own files of the same columns
"""


def command(
    *,
    home: HomeOption = None,
    source: Annotated[
        Path | None, typer.Option(help="Run on this file or folder instead of simulating.", show_default=False)
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Days to simulate (default: 183).", min=1, show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the main job: land, audit, transform, compute features, train, go live, predict."""
    began = time.perf_counter()
    from orchestration.memory import MemoryWatch

    with MemoryWatch() as watch:
        from assets.loading import load_domain

        lake = lakehouse_at(home)
        with at_work(lake.home, "slipway demo"), shown_progress(quiet=as_json) as progress:
            _deliver(lake, source, days, load_domain("fraud"))
            from orchestration.main_job import run_main_job

            report = run_main_job(lake, load_domain("fraud"), progress, watch)
        from orchestration.summary import summarize

        summary = summarize(lake, load_domain("fraud"), report, seconds=time.perf_counter() - began, watch=watch)
    if as_json:
        print_json(summary)
    else:
        _show(lake, summary)


def _deliver(lake: "Lakehouse", source: Path | None, asked: int | None, domain: "Domain") -> None:
    """Put deliveries where the source looks for them: the given ones, or simulated ones in the drop folder."""
    if source is not None:
        if asked is not None:
            raise SlipwayError(
                "--days says how many days to simulate, and --source that nothing is simulated.",
                where="slipway demo",
                fix="Give one of the two.",
            )
        if not source.exists():
            near = sorted(source.parent.glob(f"*{source.suffix}"))[:1] if source.parent.exists() else []
            raise DeliveryError(
                "There is no such file or folder.",
                where=str(source),
                nearest=str(near[0]) if near else None,
                fix="Check the path after --source.",
            )
        lake.home.remember_source(SOURCE, source)
        return
    from assets.fraud.simulator import Simulation, write_daily_files

    days = asked or DAYS
    needed = domain.models[0].protocol.days + LABEL_DELAY
    if days < needed:
        raise SlipwayError(
            f"{days} days are too few to train on: the protocol needs {needed}, the last {LABEL_DELAY} without labels.",
            where="--days",
            nearest=str(needed),
            fix="Simulate more days; nothing was done.",
        )
    lake.home.remember_source(SOURCE, None)
    simulation = Simulation(days=days)
    folder = lake.home.drop_folder(SOURCE)
    own = {f"transactions_{simulation.start + timedelta(days=number)}.parquet" for number in range(days)}
    others = sorted(path.name for path in folder.glob("*") if path.name not in own) if folder.exists() else []
    if others:
        raise DeliveryError(
            f"The drop folder holds {len(others)} files that a simulation of {days} days does not make.",
            where=str(folder / others[0]),
            nearest=f"slipway demo --days {len(others) + days}",
            fix=f"Run on what is there with `slipway demo --source {folder}`, or give a new home with --home.",
        )
    last = simulation.start + timedelta(days=days - 1)
    if not (folder / f"transactions_{_name(last)}.parquet").exists():
        write_daily_files(simulation.simulate(), folder)


def _name(day: date) -> str:
    return day.isoformat()


def _show(lake: "Lakehouse", summary: dict[str, Any]) -> None:
    if summary["steps"]:
        print_table(
            "Steps",
            ["step", "seconds", "rows written", "peak memory (MB)"],
            [
                [step["name"], round(step["seconds"], 2), step["rows"], step["peak_memory_mb"]]
                for step in summary["steps"]
            ],
        )
    else:
        console.print("Nothing new was delivered and everything is in line: [bold]nothing was recomputed[/bold].")
    print_table(
        "Tables",
        ["table", "rows", "snapshot"],
        [[name, table["rows"], table["snapshot_id"]] for name, table in summary["tables"].items()],
    )
    for name, model in summary["models"].items():
        metrics = model["metrics"]
        print_table(
            f"{name} version {model['version']} ({model['alias']}): {model['candidate']}",
            list(metrics),
            [list(metrics.values())],
        )
    print_table(
        "Gates",
        ["gate", "passed", "says"],
        [[gate["name"], gate["passed"], gate["says"]] for gate in summary["gates"]],
    )
    console.print(
        f"[bold]{summary['seconds']:.1f} s[/bold], at most [bold]{summary['peak_memory_mb']:.0f} MB[/bold]. "
        f"Everything is in {lake.home.root}."
    )
    console.print("Look at it: [bold]slipway up[/bold] opens the graph on http://127.0.0.1:3000 (this machine only).")
