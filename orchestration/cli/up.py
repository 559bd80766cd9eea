"""`slipway up`: the Dagster UI over this home, on this machine only.

What belongs here: the command. Not: the definitions that it shows.
"""

import os
import sys
from typing import Annotated

import typer

from lakehouse.errors import SlipwayError
from orchestration.cli.output import HomeOption, JsonOption, lakehouse_at, notes, print_json

EXAMPLES = """\
[bold]Examples[/bold]

slipway up                          http://127.0.0.1:3000

slipway up --port 4000 --home /tmp/other
"""


def command(
    *,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 3000,
    host: Annotated[
        str, typer.Option(help="Address to bind; the default is reachable from this machine only.")
    ] = "127.0.0.1",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open the graph: materialize, inspect, schedule. Runs until it is interrupted."""
    from orchestration.instance import open_instance

    lake = lakehouse_at(home)
    open_instance(lake).dispose()
    workspace = lake.settings.project / "workspace.yaml"
    if not workspace.exists():
        raise SlipwayError(
            "There is no workspace.yaml.",
            where=str(workspace),
            fix="Run from a checkout, or name the project's folder with SLIPWAY_PROJECT.",
        )
    address = f"http://{host}:{port}"
    if as_json:
        print_json({"address": address, "home": str(lake.home.root)})
    else:
        notes.print(
            f"Dagster opens on [bold]{address}[/bold], bound to {host}; state is in {lake.home.root}. Ctrl-C ends it."
        )
    words = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", host, "-p", str(port)]
    os.chdir(lake.settings.project)
    os.execv(sys.executable, words)  # noqa: S606  # a fixed command, no shell
