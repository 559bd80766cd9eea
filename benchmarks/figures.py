"""How every benchmark tells its figures: a table for people, or one JSON object.

What belongs here: the figure, its showing, and the options that all benchmarks share. Not: measuring anything.
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
    """One measured value beside its reference, and whether it holds the goal."""

    name: str
    value: float
    unit: str
    reference: float | str | None
    goal: str
    holds: bool


def options(description: str) -> argparse.ArgumentParser:
    """A parser with `--json`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def transactions_option(parser: argparse.ArgumentParser) -> None:
    """`--transactions FILE`: the published transactions."""
    parser.add_argument(
        "--transactions", type=Path, default=HANDBOOK / "transactions.parquet", help="the published transactions"
    )


def tell(figures: Sequence[Figure], *, as_json: bool, **more: Any) -> int:  # whatever JSON can hold
    """Print the figures; the exit code is 1 when one does not hold."""
    if as_json:
        sys.stdout.write(
            json.dumps({"figures": [asdict(one) for one in figures], **more}, indent=2, default=str) + "\n"
        )
    else:
        table = Table("figure", "value", "unit", "reference", "goal", "holds")
        for one in figures:
            reference = "" if one.reference is None else _short(one.reference)
            table.add_row(one.name, _short(one.value), one.unit, reference, one.goal, "yes" if one.holds else "NO")
        Console(width=160).print(table)
    return 0 if all(one.holds for one in figures) else 1


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
