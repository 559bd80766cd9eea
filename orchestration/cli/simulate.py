"""`slipway simulate`: card transactions of a small world, delivered as daily files.

What belongs here: the command. Not: the world (assets/fraud/simulator.py).
"""

import time
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lakehouse.errors import SlipwayError
from orchestration.cli.demo import SOURCE
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, notes, print_json

EXAMPLES = """\
[bold]Examples[/bold]

slipway simulate                                 half a year, into the home's drop folder

slipway simulate --days 30 --customers 500 --terminals 1000 --seed 1

slipway simulate --format csv --gzip --output deliveries/
"""


class Format(StrEnum):
    """The formats of deliveries."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


def command(  # noqa: PLR0913  # an option each
    *,
    days: Annotated[int, typer.Option(help="Days to simulate.")] = 183,
    customers: Annotated[int, typer.Option(help="Customers, who pay 1.9 times a day on average.")] = 5_000,
    terminals: Annotated[int, typer.Option(help="Terminals that they pay at.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Another seed, another world; the same seed, the same bytes.")] = 0,
    start: Annotated[str, typer.Option(help="The first day.")] = "2018-04-01",
    form: Annotated[Format, typer.Option("--format", help="Format of the daily files.")] = Format.PARQUET,
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress CSV and JSON lines.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help=f"Folder to write to (default: the drop folder of {SOURCE}).", show_default=False
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate card transactions with three kinds of fraud, one file a day."""
    began = time.perf_counter()
    from assets.fraud.simulator import Simulation, write_daily_files

    if gzip and form is Format.PARQUET:
        raise SlipwayError(
            "Parquet is compressed inside.", where="--gzip", nearest="--format csv --gzip", fix="Leave --gzip out."
        )
    simulation = Simulation(days=days, customers=customers, terminals=terminals, seed=seed, start=_day(start))
    lake = lakehouse_at(home) if output is None else None
    folder = lake.home.drop_folder(SOURCE) if lake else output
    assert folder is not None  # noqa: S101  # the drop folder, or the one that was given
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True, disable=as_json) as bars:
        bar = bars.add_task("simulating", total=days)
        rows = simulation.simulate()
        bars.update(bar, description="writing")
        files = write_daily_files(
            rows, folder, form.value, gzip=gzip, on_day=lambda done: bars.update(bar, completed=done)
        )
    frauds = int(rows["TX_FRAUD"].sum())
    seconds = round(time.perf_counter() - began, 2)
    if as_json:
        written = {"folder": str(folder), "files": len(files), "transactions": rows.height, "frauds": frauds}
        print_json({**written, "bytes": sum(file.stat().st_size for file in files), "seconds": seconds})
        return
    console.print(
        f"{rows.height:,} transactions, {frauds:,} of them frauds ({frauds / max(rows.height, 1):.2%}), "
        f"in {len(files)} files in {folder} ({seconds} s).",
        markup=False,
        highlight=False,
    )
    if lake and lake.home.delivered_at(SOURCE) != folder:
        console.print(
            f"This home looks for deliveries in {lake.home.delivered_at(SOURCE)}; "
            "`slipway demo` without --source lets it look here again.",
            markup=False,
        )
    elif lake:
        console.print(f"Next: slipway materialize {SOURCE}", markup=False)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SlipwayError(f"{text!r} is no day.", where="--start", nearest="2018-04-01") from None
