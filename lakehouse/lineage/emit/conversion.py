"""Conversion of runs to events: each run and step with its inputs and outputs.

What belongs here: which events a happening gives, and their datasets. Not: the facets themselves (facets.py,
events.py), and where happenings come from. A fact that cannot be had makes an event poorer, and never keeps it from
being told.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from openlineage.client.event_v2 import InputDataset, OutputDataset, RunState, StaticDataset

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.kinds.asset import Asset
from lakehouse.kinds.graph import AssetGraph
from lakehouse.kinds.source import SourceAsset
from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.column_facet import Places
from lakehouse.lineage.emit.deliveries import Delivered, breaker_at, delivered_in, file_inputs
from lakehouse.lineage.emit.events import Datasets, EventBuilder, Moment, state_of
from lakehouse.lineage.emit.facets import Facets
from lakehouse.lineage.emit.masking import masking_of
from lakehouse.lineage.emit.outbox import Event
from lakehouse.lineage.emit.run_events import Checked, End, Ended, Fault, OutputVersion, Run, Step
from lakehouse.lineage.emit.table_facts import TableFacts, Tables
from lakehouse.lineage.emit.training_runs import training_runs

MOST_FILES = 100
"""Delivered files in one event; with more, the others are told in events of the running run. Each has eight facets and
an edge for every column: receivers, our own store among them, take only so many of both at once.
"""

_log = logging.getLogger("slipway.lineage")
_Found = TypeVar("_Found")


@dataclass
class Conversion:
    """Events of one lakehouse. `gaps` counts facts that could not be had."""

    lake: Lakehouse
    graph: AssetGraph
    gaps: int = 0
    _reported_gaps: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        masking = masking_of(self.lake.settings, declared_names(self.graph))
        self.tables = Tables(self.lake)
        self.facets = Facets(self.lake, masking)
        self.builder = EventBuilder(self.graph, masking)

    def run_started(self, run: Run, at: datetime) -> Iterator[Event]:
        """A run of Dagster began."""
        yield self.builder.run(run, RunState.START, at)

    def run_ended(self, run: Run, end: End, at: datetime, fault: Fault | None = None) -> Iterator[Event]:
        """A run of Dagster ended."""
        yield self.builder.run(run, state_of(end), at, fault)

    def step_started(self, run: Run, step: Step, at: datetime) -> Iterator[Event]:
        """A step began: what it will read and write is known by its declaration, not yet in which state."""
        if not step.own:
            yield self.builder.step(run, step, RunState.START, at)
        for table in step.tables:
            declared = self.graph.get(table)
            inputs = [one for name in declared.inputs for one in self._inputs(name, None, {})]
            datasets = Datasets(inputs, self._outputs(declared, None, (), {}))
            yield self.builder.asset(run, step, table, Moment(RunState.START, at, datasets))

    def step_ended(self, run: Run, step: Step, ended: Ended) -> Iterator[Event]:
        """A step ended: with what it made, and what it could not make."""
        for table in step.tables:
            yield from self._asset_ended(run, step, table, ended)
        if not step.own:
            yield self.builder.step(run, step, state_of(ended.end), ended.at, ended.fault)

    def became_stale(self, table: str, why: str, at: datetime) -> Iterator[Event]:
        """An open circuit breaker blocks a table's deliveries, or no longer does (`why` is empty)."""
        facts = self._fact("table", lambda: self.tables.facts(table), None)
        if facts is not None:
            facets = {**self.facets.table(facts, self.graph.get(table)), "slipway_stale": self.facets.stale(why)}
            yield self.builder.stale(StaticDataset(*facts.place, facets=facets), at)

    def _asset_ended(self, run: Run, step: Step, table: str, ended: Ended) -> Iterator[Event]:
        declared = self.graph.get(table)
        made = ended.made.get(table)
        checked = [one for one in ended.checked if one.table == table]
        end, at, fault = (ended.end, ended.at, ended.fault) if made is None else (End.COMPLETE, made.at, None)
        if step.own:
            # The step goes on after it told what it made: its own end is the end of the making.
            end, at, fault = ended.end, ended.at, ended.fault
        places: Places = {}
        inputs = self._read(declared, made, places)
        files = self._fact("deliveries", lambda: self._delivered(declared, run, made), [])
        chunks = [files[start : start + MOST_FILES] for start in range(0, len(files), MOST_FILES)] or [[]]
        definition = self._definition(declared, made)
        for part, chunk in enumerate(chunks):
            here: Places = {**places, **({table: [one.place for one in chunk if one.published]} if chunk else {})}
            read = [*inputs, *self._fact("delivered files", lambda chunk=chunk: self._files(table, chunk), [])]
            last = part == len(chunks) - 1
            outputs = self._outputs(declared, made, checked if last else (), here, run, at)
            state = state_of(end) if last else RunState.RUNNING
            moment = Moment(state, at, Datasets(read, outputs), made, fault if last else None, definition, part)
            yield self.builder.asset(run, step, table, moment)
        if declared.engine.startswith("dbt") and checked and (made is None or made.recomputed):
            yield from self._tests(run, step, declared, made, checked)
        training = (made.mlflow_run if made and made.recomputed else "") or ended.mlflow_run
        if not declared.kind.table and training:
            parent = self.builder.parent_of_step(run, step, "" if not step.own else table)
            trained = lambda: list(training_runs(self.lake, self.builder, declared, training, parent, inputs))  # noqa: E731
            yield from self._fact("MLflow's runs", trained, [])

    def _tests(
        self, run: Run, step: Step, declared: Asset, made: OutputVersion | None, checked: Sequence[Checked]
    ) -> Iterator[Event]:
        snapshot = made.snapshot if made else None
        facts = self._fact("tested table", lambda: self.tables.facts(declared.name, snapshot), None)
        for one in checked:
            tested: list[InputDataset] = []
            if facts is not None:
                dataset = self.facets.table_input(facts, declared)
                assertions: dict[str, Any] = {"dataQualityAssertions": self.facets.assertions([one], declared)}
                tested = [InputDataset(dataset.namespace, dataset.name, facets=dataset.facets, inputFacets=assertions)]
            yield from self.builder.test(run, step, one, tested)

    def _read(self, declared: Asset, made: OutputVersion | None, places: Places) -> list[InputDataset]:
        """What was read, in the states that it was read in; `places` gets where each is."""
        input_snapshots = dict(made.input_snapshots) if made else {}
        summary = {}
        if made is not None and made.snapshot is not None:
            facts = self._fact("published state", lambda: self.tables.facts(declared.name, made.snapshot), None)
            if facts is not None and facts.made is not None:
                input_snapshots = input_snapshots or dict(facts.made.input_snapshots)
                summary = facts.summary
        known = dict.fromkeys([*declared.inputs, *(input_snapshots if declared.kind.table else ())])
        champion = str(summary.get("slipway.model", "")).rpartition("/")[2]
        version = int(champion) if champion.isdigit() else None
        return [
            one
            for name in known
            for one in self._inputs(
                name, input_snapshots.get(name) if self.graph.get(name).kind.table else version, places
            )
        ]

    def _inputs(self, name: str, state: int | None, places: Places) -> list[InputDataset]:
        declared = self.graph.get(name)
        if not declared.kind.table:
            places[name] = [names.Named(names.MODELS, name)]
            return [InputDataset(names.MODELS, name, facets=self.facets.model(declared, state))]
        facts = self._fact("input", lambda: self.tables.facts(name, state), None)
        if facts is None:
            return []
        places[name] = [facts.place]
        return [self.facets.table_input(facts, declared)]

    def _outputs(
        self,
        declared: Asset,
        made: OutputVersion | None,
        checked: Sequence[Checked],
        places: Places,
        run: Run | None = None,
        at: datetime | None = None,
    ) -> list[OutputDataset]:
        if not declared.kind.table:
            return [self.facets.model_output(declared, made, checked, places)]
        snapshot = made.snapshot if made else None
        facts = self._fact("output", lambda: self.tables.facts(declared.name, snapshot), None)
        if facts is None:
            return []
        output = self.facets.table_output(facts, declared, made, checked, places)
        source = declared.declaration if isinstance(declared, SourceAsset) else None
        if source is None or run is None or at is None:
            return [output]
        masking = self.facets.masking
        breaker = self._fact("breaker", lambda: breaker_at(self.lake, source, at, masking), None)
        if breaker is not None and output.facets is not None:
            output.facets["slipway_breaker"] = breaker
        return [output, *self._quarantine(declared.name, run, places)]

    def _quarantine(self, source: str, run: Run, places: Places) -> list[OutputDataset]:
        """The quarantine, where this run put rows into it."""
        name = quarantine_name(source)
        facts = self._fact("quarantine", lambda: self.tables.made_in(name, run.run_id), None)
        if facts is None or facts.made is None:
            return []
        written = facts.number("added-records") or 0
        made = OutputVersion(name, facts.made.at, facts.made.snapshot_id, recomputed=True, rows_written=written)
        return [self.facets.table_output(facts, self.graph.get(name), made, (), places)]

    def _delivered(self, declared: Asset, run: Run, made: OutputVersion | None) -> list[Delivered]:
        source = declared.declaration if isinstance(declared, SourceAsset) else None
        if source is None or (made is not None and not made.recomputed):
            return []
        return delivered_in(self.lake, source, run.run_id)

    def _files(self, table: str, chunk: Sequence[Delivered]) -> list[InputDataset]:
        return file_inputs(self.lake, self.graph[table].declaration, chunk) if chunk else []

    def _definition(self, declared: Asset, made: OutputVersion | None) -> str:
        if made is None or made.snapshot is None:
            return declared.fingerprint
        facts: TableFacts | None = self._fact(
            "definition", lambda: self.tables.facts(declared.name, made.snapshot), None
        )
        return facts.made.definition if facts is not None and facts.made is not None else declared.fingerprint

    def _fact(self, what: str, look: Callable[[], _Found], otherwise: _Found) -> _Found:
        try:
            return look()
        except Exception as error:  # noqa: BLE001  # whatever it is, the run itself is still to be told
            self.gaps += 1
            if what not in self._reported_gaps:
                self._reported_gaps.add(what)
                _log.warning("Lineage goes without a fact (%s): %s", what, type(error).__name__)
            return otherwise


def declared_names(graph: AssetGraph) -> set[str]:
    """The names that events may show where a text quotes them: of assets, columns, checks and candidates."""
    found: set[str] = set()
    for asset in graph:
        found |= {asset.name, *asset.column_lineage.columns, *asset.columns, *asset.checks, *asset.parts}
    return found
