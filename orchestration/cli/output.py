"""Shared parts of all commands: options, and how results and errors are printed.

What belongs here: options, tables, JSON, errors. Not: what any command does.
"""

import json
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lakehouse.errors import HomeError, SettingsError, SlipwayError, SlipwayWarning
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder that holds all state (default: SLIPWAY_HOME, else .slipway).", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

console = Console()
notes = Console(stderr=True)


def lakehouse_at(home: Path | None, *, must_be: bool = False) -> "Lakehouse":
    """Open the lakehouse of a command, and export its settings to child processes and libraries.

    With `must_be`, raises HomeError if the home does not exist: a read-only command creates none.
    """
    from lakehouse.catalog.lakehouse import open_lakehouse

    settings = Settings.from_environment(home=home)
    if must_be and settings.catalog_address is None and not (settings.home / "home.json").exists():
        raise HomeError(
            "The home does not exist, so there is nothing to read.",
            where=str(settings.home),
            fix="Set --home or SLIPWAY_HOME to an existing home, or create one: `slipway demo`.",
        )
    settings.export()
    return open_lakehouse(settings)


def lines(*parts: str | None) -> str:
    """The non-empty parts, one a line, because a terminal is narrow."""
    return "\n".join(part for part in parts if part)


def print_json(content: Any) -> None:  # noqa: ANN401  # whatever JSON can hold
    """Print one JSON value on standard output."""
    sys.stdout.write(json.dumps(content, indent=2, default=str) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, unbroken: Sequence[str] = ()
) -> None:
    """Print rows under column heads, numbers right-aligned. Columns in `unbroken` are not wrapped."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold cyan")
    cells = [list(row) for row in rows]
    for number, column in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[number], int | float) for row in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=column in unbroken)
    for row in cells:
        # Text is printed literally: a cell may contain what rich would read as [markup].
        table.add_row(*(Text(_text(value)) for value in row))
    console.print(table)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print one fact a line, without those that are None or empty."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value not in {None, ""}:
            table.add_row(Text(name, style="cyan"), Text(_text(value)))
    console.print(table)


def show_error(error: SlipwayError) -> int:
    """Print the error on standard error, or as JSON on standard output with --json; return the exit code."""
    if "--json" in sys.argv:
        print_json(error.as_dict())
    else:
        notes.print(Panel(Text(str(error)), title=f"slipway: {error.kind}", title_align="left", border_style="red"))
    return 2 if isinstance(error, MissingOptionError) else 1


class MissingOptionError(SettingsError):
    """A required option is missing: wrong usage."""


def show_warnings() -> None:
    """Print Slipway's own warnings as a sentence on standard error, without their place in the code."""
    show = warnings.showwarning

    def shown(message: Warning | str, category: type[Warning], *place: Any) -> None:  # noqa: ANN401  # as it is given
        if issubclass(category, SlipwayWarning):
            notes.print(Text(f"Warning: {message}"), highlight=False, soft_wrap=True)
        else:
            show(message, category, *place)

    warnings.showwarning = shown


def leave(code: int) -> NoReturn:
    """End the command with an exit code."""
    raise typer.Exit(code)


def _text(value: Any) -> str:  # noqa: ANN401  # any cell
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
