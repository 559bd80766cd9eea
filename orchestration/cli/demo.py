"""`slipway demo`: the main job, from simulated or given deliveries to live models.

What belongs here: the command and its summary. Not: running the job (main_job.py), and worlds to simulate
(assets/<domain>/simulator.py).
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.catalog.home import at_work
from lakehouse.errors import DeliveryError, ProjectError, SlipwayError, unknown_name
from orchestration.cli.deliveries import deliveries_summary, show_deliveries
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, leave, print_json, print_table
from orchestration.cli.progress_line import shown_progress

if TYPE_CHECKING:
    from types import ModuleType

    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.domain import Domain

GIVEN = "fraud"
"""The domain of --source and --days if --domain is not given."""

EXAMPLES = """\
[bold]Examples[/bold]

slipway demo                        simulate card payments and credit statements, and run everything

slipway demo --days 60 --json       fewer days of card payments; summary as JSON

slipway demo --domain credit        one domain only

slipway demo --source payments/     run on your own files with the same columns
"""


def command(
    *,
    home: HomeOption = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Domain to run; may be repeated (default: all that have a simulator).", show_default=False),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            help=f"Use this file or folder instead of simulated data, for one domain (default: {GIVEN}).",
            show_default=False,
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Days of card payments to simulate (default: 183).", min=1, show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the main job: land, audit, transform, compute features, train, promote, predict."""
    began = time.perf_counter()
    from orchestration.memory import MemoryWatch

    with MemoryWatch() as watch:
        from lakehouse.loading import load_domain

        lake = lakehouse_at(home)
        chosen = [load_domain(name) for name in _chosen(domain, source, days)]
        with at_work(lake.home, "slipway demo"), shown_progress(quiet=as_json) as progress:
            # All that can be wrong with what was asked for is found before anything runs.
            for one in chosen:
                deliver(lake, source, days if one.name == GIVEN else None, one)
            from orchestration.main_job import run_main_job

            reports = [run_main_job(lake, one, progress, watch) for one in chosen]
        from orchestration.summary import summarize

        summary = summarize(lake, chosen, reports, seconds=time.perf_counter() - began, watch=watch)
        deliveries = deliveries_summary(
            lake, [one for of in chosen for one in of.sources], summary["runs"], summary["recomputed"]
        )
    if as_json:
        print_json({**summary, **deliveries})
    else:
        _show(lake, summary)
        show_deliveries(deliveries)
    if deliveries["rejected"] or deliveries["waiting"]:
        leave(1)


def _chosen(asked: list[str] | None, source: Path | None, days: int | None) -> list[str]:
    """The domains to run: those asked for, the one that --source is for, or all that have a world to simulate."""
    from lakehouse.loading import domain_names, simulator

    for name in asked or ():
        if name not in domain_names():
            raise unknown_name("domain", name, domain_names(), where="--domain")
    if source is not None:
        if asked and len(set(asked)) > 1:
            raise SlipwayError(
                "--source is for one domain.",
                where="slipway demo",
                nearest=f"--domain {asked[0]} --source {source}",
                fix="Specify one --domain.",
            )
        return [asked[0] if asked else GIVEN]
    found = list(dict.fromkeys(asked)) if asked else [name for name in domain_names() if simulator(name)]
    if not found:
        raise ProjectError(
            "No domain of this project has a simulator to run a demo on.",
            where="slipway demo",
            nearest="slipway init my_demo --demo",
            fix="Create the demo project in a new folder, and run `slipway demo` there.",
        )
    if days is not None and GIVEN not in found:
        raise SlipwayError(
            f"--days applies to the domain {GIVEN}, which is not selected.",
            where="--days",
            nearest=f"--domain {GIVEN} --days {days}",
            fix=f"Remove --days, or add --domain {GIVEN}.",
        )
    return found


def deliver(lake: "Lakehouse", path: Path | None, asked: int | None, domain: "Domain") -> None:
    """Put deliveries where the source looks for them: the given ones, or simulated ones in the drop folder.

    A domain without a simulator runs on what was delivered to it.
    """
    from lakehouse.loading import simulator

    if path is not None:
        _use_given(lake, path, asked, domain)
    elif (module := simulator(domain.name)) is not None:
        _simulate(lake, module, asked, domain)


def _use_given(lake: "Lakehouse", path: Path, asked: int | None, domain: "Domain") -> None:
    if len(domain.sources) != 1:
        raise SlipwayError(
            f"--source needs a domain with one source, and {domain.name} has {len(domain.sources)}.",
            where="slipway demo --source",
            nearest=str(lake.home.drop_folder(domain.sources[0].name)) if domain.sources else None,
            fix="Copy the files of each source into its drop folder."
            if domain.sources
            else "Set --domain to the domain of the files.",
        )
    if asked is not None:
        raise SlipwayError(
            "--days and --source cannot be combined: with --source, nothing is simulated.",
            where="slipway demo",
            fix="Give one of the two.",
        )
    if not path.exists():
        near = sorted(path.parent.glob(f"*{path.suffix}"))[:1] if path.parent.exists() else []
        raise DeliveryError(
            "There is no such file or folder.",
            where=str(path),
            nearest=str(near[0]) if near else None,
            fix="Check the path after --source.",
        )
    lake.home.remember_source(domain.sources[0].name, path)


def _simulate(lake: "Lakehouse", module: "ModuleType", asked: int | None, domain: "Domain") -> None:
    source = domain.sources[0]
    world = module.DEMO
    number = asked or world.number
    needed = domain.models[0].protocol.days + world.labels_after
    if asked and number < needed:
        raise SlipwayError(
            f"{number} days are too few to train: the protocol needs {needed}, including the last "
            f"{world.labels_after}, whose labels are not known yet.",
            where="--days",
            nearest=str(needed),
            fix="Simulate more days. Nothing was changed.",
        )
    lake.home.remember_source(source.name, None)
    folder = lake.home.drop_folder(source.name)
    own = list(world.names(number))
    others = sorted(one.name for one in folder.glob("*") if one.name not in own) if folder.exists() else []
    if others:
        raise DeliveryError(
            f"The drop folder has {len(others)} files that are not part of a simulation of {number} {world.unit}.",
            where=str(folder / others[0]),
            nearest=f"slipway demo --days {len(others) + number}" if domain.name == GIVEN else None,
            fix=f"Run on the existing files with `slipway demo --domain {domain.name} --source {folder}`, or use a new "
            "home (--home).",
        )
    if not (folder / own[-1]).exists():
        world.write(number, folder)


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
        console.print("No new deliveries, and everything is up to date: [bold]nothing was recomputed[/bold].")
    print_table(
        "Tables",
        ["table", "rows", "snapshot"],
        [[name, table["rows"], table["snapshot_id"]] for name, table in summary["tables"].items()],
    )
    models = summary["models"]
    if models:
        names = list(dict.fromkeys(metric for model in models.values() for metric in model["metrics"]))
        print_table(
            "Models, with metrics on test days",
            ["", *models],
            [
                ["", *(f"version {one['version']} ({one['alias']})\n{one['candidate']}" for one in models.values())],
                *([name, *(one["metrics"].get(name) for one in models.values())] for name in names),
            ],
        )
    print_table(
        "Gates",
        ["gate", "passed", "description"],
        [[f"{gate['model']}\n{gate['name']}", gate["passed"], gate["message"]] for gate in summary["gates"]],
    )
    console.print(
        f"[bold]{summary['seconds']:.1f} s[/bold], at most [bold]{summary['peak_memory_mb']:.0f} MB[/bold]. "
        f"Everything is in {lake.home.root}."
    )
    console.print("[bold]slipway up[/bold] opens the asset graph on http://127.0.0.1:3000 (this machine only).")
    console.print("[bold]slipway lineage serve[/bold] opens the lineage on http://127.0.0.1:5050 (this machine only).")
