"""The progress display of running steps on a terminal.

What belongs here: the line. Not: what steps report (orchestration/progress.py).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from orchestration.cli.output import notes


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Any]:
    """Shows what the present step has just done, on standard error; nothing when `quiet`."""
    from orchestration.progress import Progress as Listener

    if quiet:
        yield Listener()
        return
    if not notes.is_terminal:
        yield Listener(_line_for_each_step())
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, TimeElapsedColumn(), console=notes, transient=True) as bars:
        bar = bars.add_task("slipway", total=None, text="starting")
        yield Listener(lambda step, text: bars.update(bar, description=step, text=text))


def _line_for_each_step() -> Callable[[str, str], None]:
    """Where nothing can be drawn over, a line when a step begins is the sign of life."""
    seen: set[str] = set()

    def report(step: str, text: str) -> None:
        if step not in seen:
            seen.add(step)
            notes.print(f"slipway: {step}: {text}", markup=False, highlight=False)

    return report
