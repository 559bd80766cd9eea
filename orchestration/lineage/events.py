"""The log of one run, followed entry by entry and converted: the only module that knows Dagster's event types.

What belongs here: following one run's log. Not: where entries come from (listener.py, reconcile.py), and the lineage
events (lakehouse/lineage).
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.run_events import Checked, End, Ended, Fault, OutputVersion, Run, Step
from orchestration.lineage.metadata import is_number, made_of, run_fault, step_fault, to_name, when

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakehouse.lineage.emit.conversion import Conversion
    from lakehouse.lineage.emit.outbox import Event

Kind = dg.DagsterEventType
RUN_ENDS = {Kind.RUN_SUCCESS: End.COMPLETE, Kind.RUN_FAILURE: End.FAIL, Kind.RUN_CANCELED: End.ABORT}
CONVERTED = frozenset(
    {
        Kind.RUN_START,
        *RUN_ENDS,
        Kind.STEP_START,
        Kind.STEP_SUCCESS,
        Kind.STEP_FAILURE,
        Kind.ASSET_MATERIALIZATION,
        Kind.ASSET_OBSERVATION,
        Kind.ASSET_CHECK_EVALUATION,
    }
)
"""Types of Dagster's events that are converted to lineage events."""
FOLLOWED = CONVERTED | {Kind.ASSET_MATERIALIZATION_PLANNED, Kind.ENGINE_EVENT, Kind.STEP_WORKER_STARTED}
"""Types that a run's log follows: also planned assets, and the processes of steps."""
BOUNDARIES = frozenset({Kind.ASSET_MATERIALIZATION_PLANNED, Kind.RUN_START, Kind.STEP_START, *RUN_ENDS})
"""Types from which follows which lineage events a run must have."""


@dataclass
class RunLog:
    """The state of a run after the entries of its log so far. `pids` are the processes that worked on it."""

    run: Run
    planned: dict[str, list[str]] = field(default_factory=dict)
    pids: dict[int, float] = field(default_factory=dict)
    began: float | None = None
    ended: bool = False
    last: float = 0.0
    open_steps: dict[str, float] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    _made: dict[str, dict[str, OutputVersion]] = field(default_factory=dict)
    _checked: dict[str, dict[tuple[str, str], Checked]] = field(default_factory=dict)

    def follow(self, entry: dg.EventLogEntry) -> None:
        """Follow an entry without converting it."""
        event = entry.dagster_event
        if event is None:
            return
        kind, at, step = event.event_type, entry.timestamp, event.step_key or ""
        self.last = max(self.last, at)
        if kind is Kind.ASSET_MATERIALIZATION_PLANNED:
            self._plan(step, event)
        elif kind is Kind.RUN_START:
            self.began = at
        elif kind is Kind.STEP_START:
            self.started.add(step)
            self.open_steps[step] = at
        elif kind is Kind.ASSET_MATERIALIZATION:
            self._note_made(step, event.step_materialization_data.materialization, at)
        elif kind is Kind.ASSET_CHECK_EVALUATION:
            self._note_check(step, event.asset_check_evaluation_data, at)
        elif kind is Kind.STEP_SUCCESS or kind is Kind.STEP_FAILURE:
            self.open_steps.pop(step, None)
        elif kind in RUN_ENDS:
            self.ended = True
        else:
            self._note_process(event, at)

    def convert(self, entry: dg.EventLogEntry, to: "Conversion") -> "Iterator[Event]":
        """Follow an entry and yield its lineage events. Entries come in order; the same entry gives the same events."""
        event = entry.dagster_event
        if event is None:
            return
        kind, at, step = event.event_type, entry.timestamp, event.step_key or ""
        if kind is Kind.STEP_SUCCESS:
            yield from self._end_step(step, End.COMPLETE, at, to)
        elif kind is Kind.STEP_FAILURE:
            fault, aborted, training = step_fault(event)
            yield from self._end_step(step, End.ABORT if aborted else End.FAIL, at, to, fault, training)
        elif kind in RUN_ENDS:
            yield from self.end_run(RUN_ENDS[kind], at, to, run_fault(event))
        self.follow(entry)
        if kind is Kind.RUN_START:
            yield from to.run_started(self.run, when(at))
        elif kind is Kind.STEP_START:
            yield from to.step_started(self.run, self.step(step), when(at))
        elif kind is Kind.ASSET_OBSERVATION:
            yield from _observed(event.asset_observation_data.asset_observation, at, to)

    def keys(self) -> set[str]:
        """Keys of the lineage events that the run must have, by the entries that were followed.

        Events of tests and trainings belong to the end of an asset and are stored with it, so they have no key here.
        """
        found = {f"{names.as_run(self.run.run_id)}/{kind}" for kind in ("START", "END")}
        for key in self.started:
            step = self.step(key)
            runs = [names.step_run(self.run.run_id, key, table) for table in step.tables]
            runs += [] if step.own else [names.step_run(self.run.run_id, key)]
            found |= {f"{run}/{kind}" for run in runs for kind in ("START", "END")}
        return found

    def end_run(self, end: End, at: float, to: "Conversion", fault: Fault | None = None) -> "Iterator[Event]":
        """End the run; steps without an end are aborted with it."""
        if self.began is None:
            # It failed before it started; receivers need a start event all the same.
            self.began = at
            yield from to.run_started(self.run, when(at))
        for step in list(self.open_steps):
            yield from self._end_step(step, End.ABORT, at, to)
        self.ended = True
        yield from to.run_ended(self.run, end, when(at), fault)

    def step(self, key: str) -> Step:
        """The step with its planned assets."""
        return Step(key, tuple(self.planned.get(key, ())))

    def _end_step(
        self, key: str, end: End, at: float, to: "Conversion", fault: Fault | None = None, training: str = ""
    ) -> "Iterator[Event]":
        if key not in self.open_steps:
            yield from to.step_started(self.run, self.step(key), when(at))
        made, checked = self._made.get(key, {}), tuple(self._checked.get(key, {}).values())
        yield from to.step_ended(self.run, self.step(key), Ended(end, when(at), made, checked, fault, training))
        self.open_steps.pop(key, None)

    def _plan(self, step: str, event: dg.DagsterEvent) -> None:
        key = event.asset_key
        if key is not None and (name := to_name(key)) not in (known := self.planned.setdefault(step, [])):
            known.append(name)

    def _note_process(self, event: dg.DagsterEvent, at: float) -> None:
        specific = event.event_specific_data
        pid = getattr(specific, "metadata", {}).get("pid")
        if pid is not None and str(pid.value).isdigit():
            self.pids.setdefault(int(str(pid.value)), at)

    def _note_made(self, step: str, materialization: dg.AssetMaterialization, at: float) -> None:
        name = to_name(materialization.asset_key)
        known = self.planned.setdefault(step, [])
        if name not in known:
            known.append(name)
        made = made_of(name, materialization.metadata, when(at))
        before = self._made.setdefault(step, {}).get(name)
        # A source reports its newest day separately, without a snapshot; one step can make many partitions.
        if before is None or made.snapshot is not None or made.version is not None:
            self._made[step][name] = made if before is None else replace(made, at=before.at)

    def _note_check(self, step: str, evaluation: dg.AssetCheckEvaluation, at: float) -> None:
        table = to_name(evaluation.asset_key)
        measured = {name: value.value for name, value in evaluation.metadata.items()}
        self._checked.setdefault(step, {})[table, evaluation.check_name] = Checked(
            table,
            evaluation.check_name,
            evaluation.passed,
            evaluation.severity is dg.AssetCheckSeverity.ERROR,
            when(at),
            {name: float(str(one)) for name, one in measured.items() if is_number(one)},
            str(measured.get("bound", "")),
        )


def _observed(observation: dg.AssetObservation, at: float, to: "Conversion") -> "Iterator[Event]":
    stale = observation.metadata.get("stale")
    if stale is not None:
        why = str(stale.value)
        yield from to.became_stale(to_name(observation.asset_key), "" if why == "no longer" else why, when(at))
