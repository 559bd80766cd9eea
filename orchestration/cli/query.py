"""`slipway query`: SQL over all tables by their names, read only.

What belongs here: the command. Not: answering (lakehouse/query) and writing rows (rows.py).
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.errors import SlipwayError
from orchestration.cli.output import HomeOption, lakehouse_at, notes

if TYPE_CHECKING:
    from lakehouse.query.run import QueryResult

EXAMPLES = """\
[bold]Examples[/bold]

slipway query "select count(*) from fraud.transactions"

slipway query "from fraud.predictions order by score desc limit 20"

slipway query "select * from fraud.training" --at 7183390163441830214 --output training.parquet

slipway query "from fraud.daily_activity" --format csv > activity.csv

slipway query "summarize fraud.customer_spend" --json
"""


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def command(
    sql: Annotated[str, typer.Argument(help="One SELECT statement; table names as in `slipway tables`.")],
    *,
    at: Annotated[
        str | None,
        typer.Option(
            help="Snapshot id, tag, branch or UTC time to read each table at; tables without it are read as published.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Output format (default: table, or by the file's extension)."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Output file.", show_default=False)] = None,
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json: an array of objects.")] = False,
) -> None:
    """Run a read-only SQL query (DuckDB dialect)."""
    chosen = _format(form, output, as_json=as_json)
    lake = lakehouse_at(home, must_be=True)
    from lakehouse.query.run import run_query
    from orchestration.cli.rows import SHOWN, show, write_parquet, write_text

    with run_query(lake, sql, at=at) as answer:
        if chosen is Format.TABLE:
            total = show(answer)
            only = f"the first {SHOWN} of " if total > SHOWN else ""
            more = " (--format csv or --output FILE gives all)" if total > SHOWN else ""
            notes.print(f"{only}{total:,} {'row' if total == 1 else 'rows'}{more}{_read_at(answer)}", markup=False)
            return
        if chosen is Format.PARQUET and output is not None:
            total = write_parquet(answer, output)
        else:
            total = write_text(answer, chosen.value, output)
    if output is not None:
        notes.print(f"{total:,} {'row' if total == 1 else 'rows'} in {output}{_read_at(answer)}", markup=False)


def _format(form: Format | None, output: Path | None, *, as_json: bool) -> Format:
    """The format that the options ask for together."""
    if as_json and form not in {None, Format.JSON}:
        raise SlipwayError(
            f"--json and --format {form} cannot be combined.", where="slipway query", fix="Give one of the two."
        )
    chosen = Format.JSON if as_json else form
    if chosen is None and output is not None:
        chosen = next((one for one in Format if output.suffix.lower() == f".{one}"), Format.TABLE)
    chosen = chosen or Format.TABLE
    if chosen is Format.TABLE and output is not None:
        raise SlipwayError(
            "The format table is for the terminal only.",
            where=f"--output {output}",
            nearest=f"--output {output.with_suffix('.csv')}",
            fix="Use --format csv, json or parquet, or --output with one of these extensions.",
        )
    if chosen is Format.PARQUET and output is None:
        raise SlipwayError(
            "The format parquet needs --output.",
            where="--format parquet",
            nearest="--output answer.parquet",
            fix="Add --output FILE.",
        )
    return chosen


def _read_at(answer: "QueryResult") -> str:
    if not answer.tables:
        return ""
    return "; read " + ", ".join(f"{name} at {pin}" for name, pin in answer.tables.items())
