"""`slipway up`: the Dagster UI over this home, on this machine only.

What belongs here: the command. Not: the definitions that it shows.
"""

import errno
import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.catalog.locks import LockHeldError, lock
from lakehouse.errors import HomeError, ProjectError, SlipwayError
from orchestration.cli.output import HomeOption, JsonOption, lakehouse_at, notes, print_json

if TYPE_CHECKING:
    from lakehouse.catalog.home import Home

EXAMPLES = """\
[bold]Examples[/bold]

slipway up                          http://127.0.0.1:3000

slipway up --port 4000 --home /tmp/other
"""


def command(
    *,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 3000,
    host: Annotated[
        str, typer.Option(help="Address to bind. The default is reachable from this machine only.")
    ] = "127.0.0.1",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the Dagster UI: inspect, materialize and schedule assets. Runs until Ctrl-C."""
    from orchestration.instance import open_instance

    lake = lakehouse_at(home)
    open_instance(lake).dispose()
    workspace = lake.settings.project / "workspace.yaml"
    if not workspace.exists():
        raise ProjectError(
            "There is no workspace.yaml.",
            where=str(workspace),
            fix="Copy it from a new project (`slipway init`), or set SLIPWAY_PROJECT to the project's folder.",
        )
    _claim(lake.home, host, port)
    address = f"http://{host}:{port}"
    if as_json:
        print_json({"address": address, "home": str(lake.home.root)})
    else:
        notes.print(
            f"Dagster opens on [bold]{address}[/bold], bound to {host}; state is in {lake.home.root}. Ctrl-C stops it."
        )
    lake.settings.quiet_children()
    words = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", host, "-p", str(port)]
    os.chdir(lake.settings.project)
    os.execv(sys.executable, words)  # noqa: S606  # a fixed command, no shell


def _claim(home: "Home", host: str, port: int) -> None:
    """Make sure that the port is free and that no other `slipway up` serves this home, for as long as this one lives.

    The lock is on an open file that outlives the change of program; the operating system frees it at the end.
    """
    try:
        serving = lock(home.root, "up")
    except LockHeldError as error:
        raise HomeError(
            f"Another `slipway up` is running on this home: {error.holder}.",
            where=str(home.root),
            fix="Use that one, or stop it.",
        ) from None
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        with socket.socket() as probe:
            probe.bind((host if error.errno == errno.EADDRINUSE else "127.0.0.1", 0))
            free = probe.getsockname()[1]
        raise SlipwayError(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            where="slipway up",
            nearest=f"--port {free}",
            fix="Choose a free port, and an address of this machine.",
        ) from None
    serving.describe_holder(f"process {os.getpid()} on http://{host}:{port}")
    serving.keep_across_exec()
