"""The figures of a benchmark, printed as a table or as one JSON object.

What belongs here: the figure, printing figures and judging goals. Not: measuring, and arguments (arguments.py).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HANDBOOK = Path(__file__).resolve().parents[2] / "shared" / "data" / "fraud_handbook"
"""Where the published data lie beside a checkout, when they do."""


@dataclass(frozen=True)
class Figure:
    """A measured value beside its reference, and whether it reaches the goal (`holds`)."""

    name: str
    value: float
    unit: str
    reference: float | str | None
    goal: str
    holds: bool


def report(figures: Sequence[Figure], given: argparse.Namespace, **more: Any) -> int:  # whatever JSON can hold
    """Print the figures. The exit code is 1 when a goal is not reached, and always 0 with `--quick`."""
    if given.json:
        shown = {"figures": [asdict(one) for one in figures], "quick": given.quick, **more}
        sys.stdout.write(json.dumps(shown, indent=2, default=str) + "\n")
    else:
        table = Table("figure", "value", "unit", "reference", "goal", "not judged" if given.quick else "reached")
        for one in figures:
            reference = "" if one.reference is None else _short(one.reference)
            reached = "" if given.quick else "yes" if one.holds else "NO"
            table.add_row(one.name, _short(one.value), one.unit, reference, one.goal, reached)
        Console(width=160).print(table)
    return 0 if given.quick or all(one.holds for one in figures) else 1


def median_seconds(work: Callable[[], object], times: int = 5) -> float:
    """The median time of running `work`, after one run that is not counted."""
    work()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else f"{value:,}"
