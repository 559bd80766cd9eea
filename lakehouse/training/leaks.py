"""Leaks in declarations: a feature may not use values that become known after the row's time.

What belongs here: tracing each feature back to labels and to source columns that are known late, and rejecting it when
its delay is too short. Not: reading SQL (transforms/lineage.py), and measured lateness (lateness.py).

A source's column is known `known_after` its row's event time (contracts/contract.py; default: at once), a label when
its training set says so, and so is whatever the label is made from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lakehouse.errors import DeclarationError
from lakehouse.features.duration import in_words, microseconds, spoken
from lakehouse.features.events import Events
from lakehouse.features.feature_set import Derived, FeatureSet
from lakehouse.features.row_features import CalendarFeature
from lakehouse.sources.source import Source
from lakehouse.training.training_set import TrainingSet
from lakehouse.transforms.lineage import Followed, Pair
from lakehouse.transforms.project import TransformModel

Moment = tuple[Pair, int]
"""A column of times, and so many microseconds later."""


@dataclass(frozen=True)
class _Known:
    """When a column is known: `after` microseconds after its row's time `base` (None: not declared)."""

    base: Moment
    after: int | None
    at: Moment | None = None
    """The same as a time, where a column gives it."""


@dataclass(frozen=True)
class _Leak:
    """The path from a feature to a value that is known too late, how late it is (None: not declared), and the cause."""

    feature: str
    way: tuple[Pair, ...]
    late: int | None
    has: str
    guess: bool


def check_leaks(
    sources: Sequence[Source],
    models: Mapping[str, tuple[TransformModel, Followed]],
    feature_sets: Sequence[FeatureSet],
    training_sets: Sequence[TrainingSet],
) -> None:
    """Check all features of a domain for leaks; `models` are the dbt models by table, with the lineage of their SQL.

    Raises DeclarationError with the path from a feature to the value that becomes known too late.
    """
    world = _World(sources, models, feature_sets, training_sets)
    for one in world.sets.values():
        leaks = list(world.leaks_of(one))
        if leaks:
            raise _rejection(one.name, f"feature set {one.name}", leaks)
    for one in training_sets:
        leaks = [leak for column in one.carry for leak in world.leaks_at(column, one.spine, one.event_time)]
        if leaks:
            raise _rejection(one.name, f"training set {one.name}, carry", leaks)


def _rejection(name: str, where: str, leaks: Sequence[_Leak]) -> DeclarationError:
    worst = max(leaks, key=lambda leak: (leak.late is None, leak.late or 0))
    first = next(leak for leak in leaks if leak.late == worst.late)
    domain, short = name.split(".")
    way = [f"{short}.{first.feature}", *(f"{table}.{column}".removeprefix(f"{domain}.") for table, column in first.way)]
    others = [leak.feature for leak in leaks if leak.feature != first.feature]
    more = f" Also: {', '.join(dict.fromkeys(others))}." if others else ""
    if first.late is None:
        return DeclarationError(
            f"A feature uses a label whose known time is not declared: {' <- '.join(way)}.{more}",
            where=where,
            nearest='Label(..., known_after="7d")',
            fix="Add `known_after=` to the Label, or compute its known_at in SQL as event time + interval.",
        )
    known = f"known {spoken(first.late)} later" + (" (possibly: its SQL cannot be traced)" if first.guess else "")
    enough = in_words(first.late)
    carried = ", carry" in where
    return DeclarationError(
        f"A {'column' if carried else 'feature'} uses values not available at serving time: "
        f"{' <- '.join([*way, known])}; "
        f"{first.has}.{more}",
        where=where,
        nearest=None if carried else f'delay="{enough}"',
        fix="Carry only columns whose values are known at the row's time."
        if carried
        else f"Set a delay of {enough} or more for its events, or name the column with the time from which a row can "
        "be read (available_at). For a column that is known at once, declare "
        'known_after="0d" in its contract.',
    )


class _World:
    """All declarations of a domain, with the times at which columns are known."""

    def __init__(
        self,
        sources: Sequence[Source],
        models: Mapping[str, tuple[TransformModel, Followed]],
        feature_sets: Sequence[FeatureSet],
        training_sets: Sequence[TrainingSet],
    ) -> None:
        self.sources = {one.name: one for one in sources}
        self.models = models
        self.training_sets = training_sets
        self.sets: dict[str, FeatureSet] = {}
        for one in [*feature_sets, *(used for training in training_sets for used in training.feature_sets)]:
            self._add(one)

    def _add(self, one: FeatureSet) -> None:
        for used in one.uses:
            self._add(used)
        self.sets.setdefault(one.name, one)

    def moment(self, table: str, column: str) -> Moment:
        """The time in a column, traced back to the first table that has it."""
        if table in self.models and column in self.models[table][1].times:
            (source, name), shift = self.models[table][1].times[column]
            first, before = self.moment(source, name)
            return first, before + shift
        if table in self.sets and column == self.sets[table].event_time:
            return self.moment(self.sets[table].spine, column)
        return (table, column), 0

    @cached_property
    def _late(self) -> dict[Pair, _Known]:
        """When columns are known: late columns of sources, and labels."""
        declared = {
            (source.name, column.name): _Known(((source.name, source.event_time), 0), _length(column.known_after))
            for source in self.sources.values()
            for column in source.contract.columns
            if column.known_after
        }
        found = {pair: known for pair, known in declared.items() if known.after}
        for one in self.training_sets:
            label = one.label
            known = self._label_known(one)
            found[label.source, label.column] = known
            built_from = [way[-1] for way, _ in self._ways((label.source, label.column), {}, deciding=False)]
            plain = {(source.name, source.event_time) for source in self.sources.values()}
            plain.update(way[-1] for way, _ in self._ways((label.source, label.row_key), {}, deciding=False))
            late = [pair for pair in built_from if pair in declared and declared[pair].after]
            for pair in late or [pair for pair in built_from if pair not in plain and pair not in declared]:
                found.setdefault(pair, known)
        return found

    def _label_known(self, one: TrainingSet) -> _Known:
        label = one.label
        # A source of labels rarely has the time of the event that a label is about: that stands in the spine.
        table = label.source if self._has(label.source, one.event_time) else one.spine
        base, at = self.moment(table, one.event_time), self.moment(label.source, label.known_at)
        declared_delay = _length(label.known_after) if label.known_after else None
        if base[0] != at[0]:
            return _Known(base, declared_delay, at)
        after = at[1] - base[1]
        if declared_delay is not None and declared_delay != after:
            raise DeclarationError(
                f"known_after is {label.known_after}, but {label.known_at} is {spoken(after)} after {one.event_time}.",
                where=f"training set {one.name}, label",
                nearest=f'known_after="{in_words(after)}"',
                fix="Remove known_after: it is derived from the SQL.",
            )
        return _Known(base, after, at)

    def _has(self, table: str, column: str) -> bool:
        """Whether a table is known to have a column; a table that nothing is known of counts as having it."""
        if table in self.sources:
            return column in self.sources[table].contract.schema.names
        if table in self.models:
            return column in self.models[table][0].columns
        return True

    def _ways(
        self, pair: Pair, late: Mapping[Pair, _Known], *, deciding: bool = True
    ) -> Iterator[tuple[tuple[Pair, ...], _Known]]:
        """Yield the paths from a column back to columns whose known time is declared, with that time."""
        yield from self._walk((pair,), late, set(), deciding)

    def _walk(
        self,
        way: tuple[Pair, ...],
        late: Mapping[Pair, _Known],
        seen: set[Pair],
        deciding: bool,  # noqa: FBT001
    ) -> Iterator[tuple[tuple[Pair, ...], _Known]]:
        table, column = way[-1]
        if way[-1] in seen:
            return
        seen.add(way[-1])
        if way[-1] in late:
            yield way, late[way[-1]]
        elif table in self.sources:
            base = ((table, self.sources[table].event_time), 0)
            yield way, _Known(base, 0, base)
        elif table in self.sets:  # the set is checked itself: its values are known at their rows' times
            base = self.moment(table, self.sets[table].event_time)
            yield way, _Known(base, 0, base)
        elif table in self.models:
            model, followed = self.models[table]
            made = followed.columns.get(column, frozenset())
            if column in followed.lost:  # then it may come from anything
                made = frozenset(pair for pair in late if pair[0] in model.inputs) | made
                made |= frozenset(
                    (name, other)
                    for name in model.inputs
                    if name in self.models
                    for other in self.models[name][0].columns
                )
            for pair in sorted(made | (followed.rows if deciding else frozenset())):
                yield from self._walk((*way, pair), late, seen, deciding)

    def leaks_of(self, one: FeatureSet) -> Iterator[_Leak]:
        """Yield the leaks of a feature set."""
        foreign = {f"{used.name.rsplit('.', 1)[-1]}__{column}" for used in one.uses for column in used.columns}
        for declared in one.features:
            columns = [feature.column for feature in declared.features()]
            if isinstance(declared, Derived):
                read = [name for name in declared.reads if name not in one.columns and name not in foreign]
                for name in read:
                    for leak in self.leaks_at(name, one.spine, one.event_time):
                        yield _Leak(declared.column, leak.way, leak.late, "a derived feature has no delay", leak.guess)
            elif not isinstance(declared, CalendarFeature):
                events = one.events_of(declared)
                read = [*declared.columns_read(), *one.keys_of(events)]
                for leak in self._of_events(events, read):
                    yield from (_Leak(column, leak.way, leak.late, leak.has, leak.guess) for column in columns)

    def leaks_at(self, column: str, table: str, event_time: str) -> Iterator[_Leak]:
        """Yield the leaks of a column that is read at the row's own time."""
        has = "it is read at the row's own time"
        for leak in self._of_events(Events(table, event_time), [column], deciding=False):
            yield _Leak(column, leak.way, leak.late, has, leak.guess)

    def _of_events(self, events: Events, columns: Sequence[str], *, deciding: bool = True) -> Iterator[_Leak]:
        pairs = [(events.table, column) for column in dict.fromkeys(columns) if column != events.event_time]
        if deciding and events.table in self.models:
            pairs += sorted(self.models[events.table][1].rows - set(pairs))
        seen_at = self.moment(events.table, events.available_at or events.event_time)
        has = f"available_at is {events.available_at}" if events.available_at else f"delay is {_delay(events.delay)}"
        for pair in pairs:
            for way, known in self._ways(pair, self._late, deciding=deciding):
                late = self._missing(events, seen_at, known)
                if late != 0:
                    guess = any(table in self.models and column in self.models[table][1].lost for table, column in way)
                    yield _Leak("", way, late, has, guess)

    def _missing(self, events: Events, seen_at: Moment, known: _Known) -> int | None:
        """Return the delay that is needed; 0 when the declared one is enough, None when it is unknown."""
        column, shift = seen_at
        for moment in [
            known.at,
            (known.base[0], known.base[1] + (known.after or 0)) if known.after is not None else None,
        ]:
            if moment is not None and moment[0] == column:
                needed = moment[1] - shift
                return 0 if needed <= events.late else needed
        if events.available_at:
            return 0  # the column gives the time; whether it is right is measured (lateness.py)
        if known.after is None:
            return None
        return 0 if known.after <= events.late else known.after


def _delay(delay: str) -> str:
    length = _length(delay)
    return spoken(length) if length else "0"


def _length(text: str) -> int:
    return microseconds(text, where="known_after") if text else 0
