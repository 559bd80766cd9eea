"""`slipway materialize`: run a selection of assets now, in this process.

What belongs here: the command. Not: the assets.
"""

import re
from calendar import monthrange
from datetime import date
from typing import Annotated

import typer

from lakehouse.catalog.home import at_work
from lakehouse.errors import SlipwayError
from orchestration.cli.deliveries import deliveries_summary, show_deliveries
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, leave, print_json, print_table
from orchestration.cli.progress_line import shown_progress

EXAMPLES = """\
[bold]Examples[/bold]

slipway materialize fraud.customer_spend             bring one feature set up to date

slipway materialize '+fraud.training'                a training set and everything upstream of it

slipway materialize fraud.transactions --days 2018-04-01:2018-04-07

slipway materialize fraud.scorer --rebuild           retrain, even from the same snapshots
"""


def command(
    selection: Annotated[
        str,
        typer.Argument(
            help="A table or model by name, a Dagster selection such as '+fraud.training' or 'group:fraud', "
            "or a dbt selection such as 'dbt:tag:daily+'."
        ),
    ],
    *,
    days: Annotated[
        str, typer.Option(help="A day, or a range of days: 2018-04-01:2018-04-30.", show_default=False)
    ] = "",
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Also recompute assets that are up to date.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Materialize assets that are stale.

    Exit code 1 if a delivery of a selected source is rejected or blocked; the output names the remediation.
    """
    from orchestration.memory import MemoryWatch

    with MemoryWatch() as watch:
        lake = lakehouse_at(home)
        with at_work(lake.home, f"slipway materialize {selection}"), shown_progress(quiet=as_json) as progress:
            from orchestration.main_job import JobReport
            from orchestration.selection import run_selection
            from orchestration.sources_by_name import source_named

            report, failed = JobReport(), None
            try:
                run_selection(
                    lake, selection, _days(days), rebuild=rebuild, watch=watch, progress=progress, report=report
                )
            except SlipwayError as error:
                if not report.runs:  # nothing began, so there is nothing more to tell
                    raise
                failed = error
            deliveries = deliveries_summary(
                lake, [source_named(name) for name in report.sources], report.runs, report.recomputed
            )
    blocked = [*deliveries["rejected"], *deliveries["waiting"]]
    if as_json:
        done = {"steps": [vars(step) for step in report.steps], "recomputed": report.recomputed, "runs": report.runs}
        print_json({**(failed.as_dict() if failed else {}), **done, **deliveries})
        leave(int(bool(failed or blocked)))
    if report.recomputed or not failed:
        print_table(
            selection,
            ["step", "seconds", "rows written", "recomputed"],
            [[step.name, step.seconds, step.rows, ", ".join(step.recomputed) or "nothing"] for step in report.steps],
        )
    if not failed or len(blocked) > 1:  # a single one is what the error tells of
        show_deliveries(deliveries)
    if failed:
        raise failed
    if blocked:
        leave(1)
    if not report.recomputed:
        console.print("Everything is up to date; --rebuild recomputes it anyway.")


def _days(text: str) -> tuple[date, date] | None:
    if not text:
        return None
    first, _, last = text.partition(":")
    span = _day(first, text), _day(last or first, text)
    if span[0] > span[1]:
        raise SlipwayError(f"{first} is after {last}.", where="--days", nearest=f"{last}:{first}")
    return span


def _day(word: str, text: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError:
        found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", word)
        year, month, _ = map(int, found.groups()) if found else (0, 0, 0)
        if not (1 <= month <= 12 and year):  # noqa: PLR2004  # months
            raise SlipwayError(f"Invalid days {text!r}.", where="--days", nearest="2018-04-01:2018-04-30") from None
        last = date(year, month, monthrange(year, month)[1])
        raise SlipwayError(f"Invalid day {word}.", where="--days", nearest=text.replace(word, f"{last}")) from None
