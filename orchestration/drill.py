"""Drills: inject a fault into a delivery on a copy of the home, and measure what happens.

What belongs here: injecting faults, and measuring the alarm and the model. Not: the faults
(lakehouse/drills/fault_injection.py), the pipeline without checks (lakehouse/drills/unvalidated_baseline.py), choosing
the delivery and filling the copy (drill_setup.py), and printing (cli/drill.py).

The copy is a home in the system's temporary folder, in which all deliveries before the chosen one are landed. The
chosen delivery is the newest one whose labels are known, so that scores can be compared with outcomes. The user's home
is only read.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import duckdb
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.drills.fault_files import write_texts
from lakehouse.drills.fault_injection import Fault, FaultyDelivery, GoodDelivery, Roles, inject, roles_of
from lakehouse.drills.unvalidated_baseline import UnvalidatedBaseline, read_as_it_comes
from lakehouse.errors import DeliveryError, SlipwayError
from lakehouse.ingestion.landing import land
from lakehouse.models.artifact_relocation import existing_registry
from lakehouse.profiling.issues import Issue
from lakehouse.sources.source import Source
from lakehouse.tables.check_result import AuditError
from lakehouse.tables.duck import literal
from lakehouse.tables.read import read
from lakehouse.transforms.project import load_project
from orchestration.dependencies import asset_graph, main_source
from orchestration.drill_setup import choose_delivery, days_of, fill_copy, lakehouse_in


@dataclass(frozen=True)
class Alarm:
    """What landing reported about a delivery: rejected or not, rows in quarantine, issues, and the first message."""

    seconds: float
    rejected: bool
    quarantined: int
    issues: Sequence[Issue]
    message: str

    @property
    def raised(self) -> bool:
        """Whether anything was reported."""
        return self.rejected or self.quarantined > 0 or bool(self.issues)


@dataclass(frozen=True)
class FaultResult:
    """The result of one fault: what landing reported, and the model's metrics without and with contracts.

    `kind_named` and `column_named` are true if the first issue has a kind of the fault and a column that the fault
    affects; a fault of the whole delivery affects no column. `failed_with` is the error of the pipeline without checks.
    """

    fault: str
    description: str
    columns: Sequence[str]
    alarm: Alarm
    kind_named: bool
    column_named: bool
    without_contracts: dict[str, float]
    with_contracts: dict[str, float]
    failed_with: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        fields = asdict(self)
        alarm = fields.pop("alarm")
        for issue in alarm["issues"]:
            issue.pop("series", None)
        return {**fields, **alarm, "alarm": self.alarm.raised}


@dataclass
class Drill:
    """Injects faults into one delivery, one after the other, each on a fresh copy of the home.

    Use as a context manager. `delivery` is the name of the file that gets faults, `days` are its days, `good` the
    model's metrics on it without a fault, `before` those on the previous delivery, which stay valid if it is rejected.
    `control` is the alarm on the delivery without a fault.
    """

    lake: Lakehouse
    domain: Domain
    progress: Callable[[str], None] = lambda _: None
    good: dict[str, float] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    control: Alarm | None = None

    def __enter__(self) -> Self:
        self.source = main_source(asset_graph(self.lake, [self.domain]), self.domain)
        self.model = next(iter(self.domain.models), None)
        self._folder = TemporaryDirectory(prefix="slipway-drill-")
        try:
            self._set_up()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def run(self, fault: Fault) -> FaultResult:
        """Inject a fault and measure the result. Raises SlipwayError if the source has no column for the fault."""
        self.progress(f"{fault.name}: with contracts")
        faulty = inject(fault, GoodDelivery(self.rows, self.rows_before, self.roles))
        alarm, with_contracts = self._land_on_copy(fault.name, faulty)
        self.progress(f"{fault.name}: without contracts")
        without_contracts, failed_with = self._without_contracts(faulty)
        first = next(iter(alarm.issues), None)
        return FaultResult(
            fault.name,
            fault.description,
            faulty.columns,
            alarm,
            kind_named=first is not None and first.kind in fault.kinds,
            column_named=not faulty.columns or (first is not None and bool({*first.columns} & {*faulty.columns})),
            without_contracts=without_contracts,
            with_contracts=with_contracts,
            failed_with=failed_with,
        )

    @cached_property
    def roles(self) -> Roles:
        """The columns that faults affect."""
        late = frozenset(one.name for one in self.source.contract.columns if one.known_after not in {"", "0d"})
        used = self.baseline.used_columns(read_as_it_comes(self.source, self.rows, min(self.days)))
        return roles_of(self.source.contract, self.source.event_time, used, late)

    def _set_up(self) -> None:
        chosen = choose_delivery(self.lake, self.domain, self.source, self.model)
        self.delivery, self.rows, self.types = chosen.file.name, chosen.file.rows, chosen.file.types
        self.history, self.days, self.rows_before = chosen.history, chosen.days, chosen.history[-1].rows
        self.baseline = self._baseline(self.days)
        self.progress(f"landing the deliveries before {self.delivery} on a copy of the home")
        self.home = Path(self._folder.name, "before")
        fill_copy(self.home, self.lake, self.source, self.history, self.progress)
        self.good = self.baseline.quality(read_as_it_comes(self.source, self.rows, min(self.days)))
        earlier = self._baseline(days_of(self.source, self.rows_before))
        last = read_as_it_comes(self.source, self.rows_before, min(earlier.days))
        # Without labels of both values for the previous delivery, its scores cannot be measured.
        self.before = earlier.quality(last) if earlier.truth[self.baseline.model.label].n_unique() > 1 else self.good
        self.control, _ = self._land_on_copy("no-fault", FaultyDelivery(self.rows))

    def _baseline(self, days: Sequence[date]) -> UnvalidatedBaseline:
        assert self.model is not None  # noqa: S101  # choose_delivery checked it
        registry = existing_registry(self.lake.home)
        champion = registry.champion(self.model.name) if registry else None
        assert registry is not None  # noqa: S101  # choose_delivery checked it
        assert champion is not None  # noqa: S101  # choose_delivery checked it
        project = load_project(self.lake.settings, self.lake.home)
        training_set = self.domain.training_set(self.model.training_set)
        return UnvalidatedBaseline(self.lake, self.source, project, training_set, self.model, registry, champion, days)

    def _land_on_copy(self, name: str, faulty: FaultyDelivery) -> tuple[Alarm, dict[str, float]]:
        """Land the delivery on a fresh copy; the alarm, and the model's metrics on what was published."""
        place = Path(self._folder.name, name)
        shutil.copytree(self.home, place)
        try:
            copy = lakehouse_in(place, self.lake)
            file = copy.home.drop_folder(self.source.name) / self.delivery
            alarm = _land(
                copy, self.source, lambda: write_texts(faulty.rows, file, self.types, faulty.encoding), self.delivery
            )
            if alarm.rejected:
                return alarm, self.before
            names = self.source.contract.schema.names
            rows = read(copy, self.source.name, names, where=f"_file = {literal(self.delivery)}")
            return alarm, self.baseline.quality(rows.select(names).cast(self.source.contract.schema))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _without_contracts(self, faulty: FaultyDelivery) -> tuple[dict[str, float], str | None]:
        """The model's metrics when nothing is checked, and the error of that pipeline, if any."""
        if faulty.encoding != "utf-8":
            return self.baseline.nothing(), "the file cannot be read"
        try:
            return self.baseline.quality(read_as_it_comes(self.source, faulty.rows, min(self.days))), None
        except (duckdb.Error, SlipwayError, pa.ArrowException) as error:
            return self.baseline.nothing(), str(error).splitlines()[0]


def _land(copy: Lakehouse, source: Source, deliver: Callable[[], None], name: str) -> Alarm:
    """Write a file to the drop folder and land it; what landing reported, and the seconds that it took."""
    deliver()
    began = time.perf_counter()
    try:
        landed: Any = land(copy, source, run_id="drill")
        error = None
    except (AuditError, DeliveryError) as rejected:
        landed, error = getattr(rejected, "landed", None), rejected
    seconds = round(time.perf_counter() - began, 3)
    rejections = [one for one in getattr(landed, "rejected", ()) if one.delivery == name]
    issues = [issue for one in rejections for issue in one.issues]
    issues = issues or list(getattr(landed, "issues", {}).get(name, ()))
    quarantined = landed.quarantined if landed else 0
    reasons = [error.what] if error else [one.reason.what for one in rejections]
    message = next(iter([*(issue.message for issue in issues), *reasons]), "")
    if not message and quarantined:
        message = next((one.message for one in landed.outcome.check_results if not one.passed), "")
    return Alarm(seconds, bool(error or rejections), quarantined, issues, message)
