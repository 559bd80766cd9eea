"""Facts of a run, independent of OpenLineage: runs, steps, outputs, check results, errors.

What belongs here: plain records. Not: where they come from (orchestration/lineage/events.py) and what becomes of them
(events.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class End(StrEnum):
    """How a run or a step ended, by the names of the standard."""

    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    ABORT = "ABORT"


@dataclass(frozen=True)
class Run:
    """A run of Dagster. Its nominal time is that of the days that it was asked for, or that of its schedule."""

    run_id: str
    job: str
    nominal_start: datetime | None = None
    nominal_end: datetime | None = None
    code_version: str = ""


@dataclass(frozen=True)
class Step:
    """A step of a run, and the assets that it makes by name. `own` when it makes one, whose name it has."""

    key: str
    tables: Sequence[str]

    @property
    def own(self) -> bool:
        """Whether the step is the making of its one asset, rather than a program that makes several."""
        return len(self.tables) == 1 and self.key.replace("__", ".") == self.tables[0]


@dataclass(frozen=True)
class Checked:
    """A check's result. Of what was `measured` only numbers are kept: texts can hold values of rows.

    `bound` is what had to be reached, in words.
    """

    table: str
    name: str
    passed: bool
    blocking: bool
    at: datetime
    measured: Mapping[str, float] = field(default_factory=dict)
    bound: str = ""


@dataclass(frozen=True)
class OutputVersion:
    """An asset that a step brought up to date. `snapshot` is its published state; a model has a `version` instead.

    `edges` are the columns that each column is made from, where the step told them.
    """

    table: str
    at: datetime
    snapshot: int | None = None
    recomputed: bool = False
    extent: str = ""
    because: str = ""
    rows_written: int = 0
    input_snapshots: Mapping[str, int] = field(default_factory=dict)
    edges: Mapping[str, frozenset[tuple[str, str]]] | None = None
    version: int | None = None
    mlflow_run: str = ""
    seconds: float | None = None
    stale: str = ""


@dataclass(frozen=True)
class Fault:
    """Why something failed. `told` is a sentence of Slipway's own; of a foreign error only its kind is known."""

    kind: str
    message: str = ""
    where: str = ""
    frames: Sequence[str] = ()


@dataclass(frozen=True)
class Ended:
    """The end of a step: how, when, what it made until then, and why it failed.

    `mlflow_run` is a training that was written down although the step failed: its model stays challenger.
    """

    end: End
    at: datetime
    made: Mapping[str, OutputVersion] = field(default_factory=dict)
    checked: Sequence[Checked] = ()
    fault: Fault | None = None
    mlflow_run: str = ""
