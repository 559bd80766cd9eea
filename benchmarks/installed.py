"""`slipway demo` as benchmarks run it: the installed command, and with `--quick` the same command in this process.

What belongs here: running the command. Not: what is measured of it.
"""

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def demo(home: Path, *words: str, here: bool = False) -> dict[str, Any]:
    """Run the main job on a home; its JSON. Ends the benchmark when it fails.

    `here` leaves out the start of a process and the loading of libraries, which take longer than tiny data.
    """
    arguments = ["demo", *words, "--home", str(home), "--json"]
    code, printed = _in_process(arguments) if here else _in_child(arguments)
    if code:
        raise SystemExit(printed)
    return json.loads(printed)


def _in_child(arguments: list[str]) -> tuple[int, str]:
    command = Path(sys.executable).with_name("slipway")
    done = subprocess.run([str(command), *arguments], stdout=subprocess.PIPE, text=True, check=False)  # our own command
    return done.returncode, done.stdout


def _in_process(arguments: list[str]) -> tuple[int, str]:
    from orchestration import cli

    before, sys.argv = sys.argv, ["slipway", *arguments]
    try:
        with redirect_stdout(io.StringIO()) as printed:
            cli.main()
    except SystemExit as ended:
        return int(ended.code or 0), printed.getvalue()
    finally:
        sys.argv = before
    return 0, printed.getvalue()
