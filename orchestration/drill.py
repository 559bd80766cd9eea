"""The fire drill: a bad delivery arrives at a copy of the home, and what happens is measured.

What belongs here: setting the stage, playing incidents on it, and what came of them. Not: what incidents do
(lakehouse/drills/fault_injection.py), the pipeline without checks
(lakehouse/drills/unvalidated_baseline.py), and printing (cli/drill.py).

The stage: a home of its own in the system's temporary folder, in which everything before one delivery was landed. That
delivery is the newest whose labels are known by now, so that scores can be compared with what became true. The user's
home is only read.
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
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.contracts.referenced_tables import read_referenced
from lakehouse.domain import Domain
from lakehouse.drills.fault_files import read_texts, write_texts
from lakehouse.drills.fault_injection import Incident, Roles, Spoilt, Stage, play, roles_of
from lakehouse.drills.unvalidated_baseline import UnvalidatedBaseline, read_as_it_comes
from lakehouse.errors import DeliveryError, SlipwayError
from lakehouse.ingestion.landing import land
from lakehouse.models.artifact_relocation import existing_registry
from lakehouse.profiling.issues import Issue
from lakehouse.settings import Settings
from lakehouse.sources.deliveries import inspect
from lakehouse.sources.source import Source
from lakehouse.tables.check_result import AuditError
from lakehouse.tables.draft_checks import check_row_count
from lakehouse.tables.duck import literal
from lakehouse.tables.provenance import Provenance, last_published
from lakehouse.tables.read import read, resolve
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import ensure_table
from lakehouse.tables.write_audit_publish import write_audit_publish
from lakehouse.transforms.project import load_project
from orchestration.dependencies import asset_graph, main_source

HISTORY = 45
"""So many deliveries are landed before the bad one comes: six weeks of daily ones."""
ENOUGH = 3
"""With fewer files before the bad one, deliveries are cut into days."""


@dataclass(frozen=True)
class Alarm:
    """What landing said of a delivery: refused or not, rows in quarantine, findings, and the first words of it."""

    seconds: float
    rejected: bool
    quarantined: int
    issues: Sequence[Issue]
    message: str

    @property
    def raised(self) -> bool:
        """Whether anybody would have been told."""
        return self.rejected or self.quarantined > 0 or bool(self.issues)


@dataclass(frozen=True)
class Played:
    """One incident: what it did, what the platform said, and the model's metrics without checks and with them.

    `kind_named` and `column_named` tell whether the first finding has a kind and a column that the incident is about; a
    delivery that is wrong as a whole is about no column. `broke` is what the pipeline without checks broke off with.
    """

    incident: str
    description: str
    columns: Sequence[str]
    alarm: Alarm
    kind_named: bool
    column_named: bool
    without: dict[str, float]
    within: dict[str, float]
    broke: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        fields = asdict(self)
        alarm = fields.pop("alarm")
        for issue in alarm["issues"]:
            issue.pop("series", None)
        return {**fields, **alarm, "alarm": self.alarm.raised}


@dataclass
class Drill:
    """A stage on which incidents can be played, one after the other, each on a fresh copy.

    Use as a context manager. `delivery` is the file that goes wrong, `days` what it holds, `good` the model's metrics
    on it as it was really delivered, `before` those on the delivery before it, which stays when it is refused.
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
            self._set_the_stage()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def play(self, one: Incident) -> Played:
        """Play an incident. Raises SlipwayError for one that the source has no column for."""
        self.progress(f"{one.name}: the delivery arrives")
        spoilt = play(one, Stage(self.rows, self.rows_before, self.roles))
        alarm, within = self._arrives(one.name, spoilt)
        self.progress(f"{one.name}: without checks")
        without, broke = self._without(spoilt)
        first = next(iter(alarm.issues), None)
        return Played(
            one.name,
            one.description,
            spoilt.columns,
            alarm,
            kind_named=first is not None and first.kind in one.kinds,
            column_named=not spoilt.columns or (first is not None and bool({*first.columns} & {*spoilt.columns})),
            without=without,
            within=within,
            broke=broke,
        )

    @cached_property
    def roles(self) -> Roles:
        """The columns that incidents are about."""
        late = frozenset(one.name for one in self.source.contract.columns if one.known_after not in {"", "0d"})
        used = self.world.used_columns(read_as_it_comes(self.source, self.rows, min(self.days)))
        return roles_of(self.source.contract, self.source.event_time, used, late)

    def _set_the_stage(self) -> None:
        self.world = self._world(self._pick())
        self.progress(f"a copy with what came before {self.delivery}")
        self.home = Path(self._folder.name, "before")
        copy = _lake_at(self.home, self.lake)
        for name, rows, kinds in self.history:
            write_texts(rows, copy.home.drop_folder(self.source.name) / name, kinds)
        self._take_referenced_along(copy)
        land(copy, self.source, run_id="drill")
        _, self.rows_before, _ = self.history[-1]
        good = read_as_it_comes(self.source, self.rows, min(self.days))
        self.good = self.world.quality(good)
        earlier = self._world(self._days_of(self.rows_before))
        last = read_as_it_comes(self.source, self.rows_before, min(earlier.days))
        # Where labels of the delivery before are not there, nothing tells how good its scores were.
        self.before = earlier.quality(last) if earlier.truth[self.world.model.label].n_unique() > 1 else self.good
        self.control, _ = self._arrives("as it was", Spoilt(self.rows))

    def _take_referenced_along(self, copy: Lakehouse) -> None:
        """The values that the contract looks up in other tables, as they are published now."""
        for name, rows in read_referenced(self.lake, self.source.contract).items():
            if name == self.source.name:
                continue
            self.progress(f"a copy of what is referred to in {name}")
            shape = TableShape(name, rows.schema)
            base, made_by = resolve(ensure_table(copy, shape)), Provenance("drill", "drill", {}, "")
            audit = lambda lake, draft, rows=rows: [check_row_count(lake, draft, len(rows))]  # noqa: E731
            write_audit_publish(copy, shape, rows, made_by, None, audit, base)

    def _pick(self) -> list[date]:
        """Choose the delivery that goes wrong, and take those before it; its days."""
        labelled = self._newest_labelled_day()
        files = [
            (one.name, *read_texts(one.path), max(one.days)) for one in inspect(self.lake.home, self.source) if one.days
        ]
        files = sorted(((name, rows, kinds) for name, rows, kinds, last in files if last <= labelled), key=self._order)
        if len(files) <= ENOUGH:
            everything = [one for one in inspect(self.lake.home, self.source) if one.days]
            files = [one for each in everything for one in self._by_day(each.name, *read_texts(each.path), labelled)]
            files.sort(key=self._order)
        if len(files) < 2:  # noqa: PLR2004  # one to go wrong, one before it
            raise SlipwayError(
                f"{self.source.name} has no delivery with labels that has others before it.",
                where=f"slipway drill {self.domain.name}",
                fix="Deliver more, or play the drill in a home that `slipway demo` made.",
            )
        self.delivery, self.rows, self.kinds = files[-1]
        self.history = files[:-1][-HISTORY:]
        self.days = self._days_of(self.rows)
        return self.days

    def _newest_labelled_day(self) -> date:
        model, registry = self.model, existing_registry(self.lake.home)
        if model is None or registry is None or registry.champion(model.name) is None:
            raise SlipwayError(
                f"The domain {self.domain.name} has no champion in this home, so nothing could go wrong for it.",
                where=str(self.lake.home.root),
                nearest=f"slipway demo --domain {self.domain.name}",
                fix="Let the main job run first: `slipway demo`, or `slipway materialize` for a domain of your own.",
            )
        one = self.domain.training_set(model.training_set)
        if last_published(self.lake, one.name) is None:
            raise SlipwayError(f"{one.name} is not there.", where=str(self.lake.home.root), fix="Run `slipway demo`.")
        rows = read(self.lake, one.name, [one.event_time, one.label.column])
        known = rows.filter(pc.is_valid(rows.column(one.label.column)))
        newest = pc.max(known.column(one.event_time)).as_py()
        return newest.date() if newest else date.min

    def _world(self, days: Sequence[date]) -> UnvalidatedBaseline:
        assert self.model is not None  # noqa: S101  # _newest_labelled_day looked
        registry = existing_registry(self.lake.home)
        champion = registry.champion(self.model.name) if registry else None
        assert registry is not None  # noqa: S101  # the same
        assert champion is not None  # noqa: S101
        project = load_project(self.lake.settings, self.lake.home)
        training_set = self.domain.training_set(self.model.training_set)
        return UnvalidatedBaseline(self.lake, self.source, project, training_set, self.model, registry, champion, days)

    def _days_of(self, rows: pl.DataFrame) -> list[date]:
        texts = rows[self.source.event_time].drop_nulls().str.slice(0, 10).unique()
        return sorted(day for day in texts.str.to_date("%Y-%m-%d", strict=False).drop_nulls())

    def _order(self, file: tuple[str, pl.DataFrame, Any]) -> tuple[date, str]:
        return min(self._days_of(file[1]), default=date.max), file[0]

    def _by_day(self, name: str, rows: pl.DataFrame, kinds: Any, last: date) -> list[tuple[str, pl.DataFrame, Any]]:  # noqa: ANN401  # types by column
        """A file cut into days, up to the last that counts."""
        ending = name[name.index(".") :] if "." in name else ""
        parts = rows.with_columns(day=pl.col(self.source.event_time).str.slice(0, 10)).partition_by("day", as_dict=True)
        return [
            (f"{name.removesuffix(ending)}_{day}{ending}", part.drop("day"), kinds)
            for (day,), part in sorted(parts.items(), key=lambda pair: str(pair[0]))
            if day and day <= last.isoformat()
        ]

    def _arrives(self, name: str, spoilt: Spoilt) -> tuple[Alarm, dict[str, float]]:
        """Let the delivery arrive at a copy of the stage; the alarm, and the model's metrics behind the checks."""
        place = Path(self._folder.name, name.replace(" ", "-"))
        shutil.copytree(self.home, place)
        try:
            copy = _lake_at(place, self.lake)
            file = copy.home.drop_folder(self.source.name) / self.delivery
            alarm = _land(
                copy, self.source, lambda: write_texts(spoilt.rows, file, self.kinds, spoilt.encoding), self.delivery
            )
            if alarm.rejected:
                return alarm, self.before
            names = self.source.contract.schema.names
            rows = read(copy, self.source.name, names, where=f"_file = {literal(self.delivery)}")
            return alarm, self.world.quality(rows.select(names).cast(self.source.contract.schema))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _without(self, spoilt: Spoilt) -> tuple[dict[str, float], str | None]:
        """The model's metrics when nothing is checked, and what the pipeline broke off with."""
        if spoilt.encoding != "utf-8":
            return self.world.nothing(), "the file cannot be read"
        try:
            return self.world.quality(read_as_it_comes(self.source, spoilt.rows, min(self.days))), None
        except (duckdb.Error, SlipwayError, pa.ArrowException) as error:
            return self.world.nothing(), str(error).splitlines()[0]


def _lake_at(home: Path, like: Lakehouse) -> Lakehouse:
    """The lakehouse in that folder: embedded, whatever catalog and engine the user's has."""
    return open_lakehouse(Settings.from_environment({"SLIPWAY_PROJECT": str(like.settings.project)}, home=home))


def _land(copy: Lakehouse, source: Source, arrive: Callable[[], None], name: str) -> Alarm:
    """Let a file arrive and land it; what landing said, and how long after the arrival. The one seam to landing."""
    arrive()
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
