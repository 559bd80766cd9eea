"""`slipway simulate`: simulated deliveries as files: daily card payments or monthly credit card statements.

What belongs here: the command. Not: the worlds (assets/<domain>/simulator.py).
"""

import time
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lakehouse.errors import ProjectError, SlipwayError
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, notes, print_json

if TYPE_CHECKING:
    from types import ModuleType

    import polars as pl

EXAMPLES = """\
[bold]Examples[/bold]

slipway simulate                                 183 days of card payments, into the home's drop folder

slipway simulate --days 30 --customers 500 --terminals 1000 --seed 1

slipway simulate --format csv --gzip --output deliveries/

slipway simulate --domain credit --months 12     monthly credit card statements
"""

Written = tuple["pl.DataFrame", list[Path]]
OnFile = Callable[[int], None]


class Format(StrEnum):
    """The formats of deliveries."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


class World(StrEnum):
    """The domains that can be simulated."""

    FRAUD = "fraud"
    CREDIT = "credit"


SOURCES = {World.FRAUD: "fraud.transactions", World.CREDIT: "credit.statements"}
OF_WORLD = {
    World.FRAUD: ("days", "customers", "terminals", "format", "gzip"),
    World.CREDIT: ("months", "clients"),
}
"""The options that apply to one domain only."""


def command(  # noqa: PLR0913  # an option each
    *,
    domain: Annotated[
        World, typer.Option(help="What to simulate: card payments (fraud) or credit card statements (credit).")
    ] = World.FRAUD,
    days: Annotated[int | None, typer.Option(help="fraud: number of days (default: 183).", show_default=False)] = None,
    customers: Annotated[
        int | None,
        typer.Option(
            help="fraud: number of customers, with 1.9 payments a day on average (default: 5000).", show_default=False
        ),
    ] = None,
    terminals: Annotated[
        int | None, typer.Option(help="fraud: number of payment terminals (default: 10000).", show_default=False)
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="fraud: format of the daily files (default: parquet).", show_default=False),
    ] = None,
    gzip: Annotated[bool, typer.Option("--gzip", help="fraud: compress CSV and JSON lines.")] = False,
    months: Annotated[
        int | None, typer.Option(help="credit: number of months (default: 6).", show_default=False)
    ] = None,
    clients: Annotated[
        int | None,
        typer.Option(
            help="credit: number of clients, with one statement a month each (default: 5000).", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same bytes.")] = 0,
    start: Annotated[
        str | None,
        typer.Option(
            help="First day (default: 2018-04-01); for credit, a day of the first month (default: 2005-04-01).",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder to write to (default: the source's drop folder).", show_default=False
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write simulated deliveries: daily card payments with three kinds of fraud, or monthly credit card statements."""
    began = time.perf_counter()
    given = {"days": days, "customers": customers, "terminals": terminals, "months": months, "clients": clients}
    asked = {name: value for name, value in given.items() if value is not None}
    _check_options(domain, [*asked, *(["format"] if form else []), *(["gzip"] if gzip else [])])
    if gzip and form in {None, Format.PARQUET}:
        raise SlipwayError(
            "--gzip does not apply to Parquet files, which are compressed.",
            where="--gzip",
            nearest="--format csv --gzip",
            fix="Remove --gzip.",
        )
    asked |= {"seed": seed, **({"start": _day(start)} if start else {})}
    deliver = _payments(asked, form or Format.PARQUET, gzip=gzip) if domain is World.FRAUD else _statements(asked)
    source = SOURCES[domain]
    lake = lakehouse_at(home) if output is None else None
    folder = lake.home.drop_folder(source) if lake else output
    assert folder is not None  # noqa: S101  # the drop folder, or the one that was given
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True, disable=as_json) as bars:
        bar = bars.add_task("simulating", total=None)
        rows, files = deliver(folder, lambda done: bars.update(bar, description="writing", completed=done))
    seconds = round(time.perf_counter() - began, 2)
    what, number, odd, ones = _counted(domain, rows)
    if as_json:
        written = {"domain": domain.value, "folder": str(folder), "files": len(files), what: number, odd: ones}
        print_json({**written, "bytes": sum(file.stat().st_size for file in files), "seconds": seconds})
        return
    console.print(
        f"{number:,} {what}, {ones:,} of them {odd} ({ones / max(number, 1):.2%}), "
        f"in {len(files)} files in {folder} ({seconds} s).",
        markup=False,
        highlight=False,
    )
    if lake and lake.home.delivered_at(source) != folder:
        console.print(
            f"This home reads deliveries from {lake.home.delivered_at(source)}; "
            "run `slipway demo` without --source to read from this folder again.",
            markup=False,
        )
    elif lake:
        console.print(f"Next: slipway materialize {source}", markup=False)


def _simulator(domain: World) -> "ModuleType":
    from lakehouse.loading import domain_names, simulator

    module = simulator(domain.value) if domain.value in domain_names() else None
    if module is None:
        raise ProjectError(
            f"This project has no simulator for the domain {domain.value}.",
            where=f"assets/{domain.value}/simulator.py",
            nearest="slipway init my_demo --demo",
            fix="Run the command in the demo project, and copy the files into your project's drop folder.",
        )
    return module


def _payments(asked: Mapping[str, Any], form: Format, *, gzip: bool) -> Callable[[Path, OnFile], Written]:
    module = _simulator(World.FRAUD)
    simulation = module.Simulation(**asked)

    def deliver(folder: Path, on_file: OnFile) -> Written:
        rows = simulation.simulate()
        return rows, module.write_daily_files(rows, folder, form.value, gzip=gzip, on_day=on_file)

    return deliver


def _statements(asked: Mapping[str, Any]) -> Callable[[Path, OnFile], Written]:
    module = _simulator(World.CREDIT)
    simulation = module.CreditSimulation(**asked)

    def deliver(folder: Path, on_file: OnFile) -> Written:
        rows = simulation.simulate()
        return rows, module.write_monthly_files(rows, folder, on_month=on_file)

    return deliver


def _counted(domain: World, rows: "pl.DataFrame") -> tuple[str, int, str, int]:
    """What was simulated and how much of it, and what of that is odd and how much."""
    if domain is World.FRAUD:
        return "transactions", rows.height, "frauds", int(rows["TX_FRAUD"].sum())
    return "statements", rows.height, "late", int((rows["pay_status"] >= 1).sum())


def _check_options(domain: World, given: list[str]) -> None:
    for name in given:
        owner = next(world for world, names in OF_WORLD.items() if name in names)
        if owner is not domain:
            raise SlipwayError(
                f"--{name} does not apply to the domain {domain.value}.",
                where=f"--{name}",
                nearest=f"--domain {owner.value} --{name}",
                fix="Remove the option, or choose the other domain.",
            )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SlipwayError(f"Invalid day {text!r}.", where="--start", nearest="2018-04-01") from None
