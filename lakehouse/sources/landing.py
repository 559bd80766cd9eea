"""Landing: bringing delivered rows into a source's table, unchanged, once.

What belongs here: which deliveries are new, and their way to the audit branch, the quarantine and main. Not: reading
files (reading.py) and the verdicts (contracts/audit.py). A file is known by its fingerprint, day by day: landing it
again changes nothing. A file that comes again under its name with other content takes the place of the old one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from lakehouse.catalog import Lakehouse
from lakehouse.contracts.audit import (
    SAMPLE_ROWS,
    AuditError,
    Sorted,
    Verdict,
    freshness_verdict,
    require,
    row_verdicts,
    sort_rows,
    volume_verdict,
)
from lakehouse.contracts.quarantine import keep_in_quarantine, quarantine_name, quarantine_shape
from lakehouse.errors import PublishConflictError
from lakehouse.sources.deliveries import Delivery, check_no_duplicates, inspect
from lakehouse.sources.landed_rows import landed_rows
from lakehouse.sources.source import Source
from lakehouse.tables.days import days_filter, in_words
from lakehouse.tables.pins import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import attach, connect, plan, quoted, read, resolve, rows_by_day
from lakehouse.tables.upkeep import Outcome, last_made
from lakehouse.tables.write import Draft, Rows, ensure_table, write_draft

if TYPE_CHECKING:
    from lakehouse.sources.on_spark import DeliveredOnSpark

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Pending:
    """What is still to be landed: deliveries with their days, and fingerprints whose rows are to go."""

    deliveries: Mapping[str, tuple[Delivery, tuple[date, ...]]]
    superseded: Mapping[str, tuple[date, ...]]

    @property
    def days(self) -> list[date]:
        """All days that landing would write."""
        arriving = [day for _, days in self.deliveries.values() for day in days]
        leaving = [day for days in self.superseded.values() for day in days]
        return sorted({*arriving, *leaving})


@dataclass(frozen=True)
class Landed:
    """What landing did: the table's outcome and the verdicts (none when there was nothing to do)."""

    outcome: Outcome
    verdicts: Sequence[Verdict]
    quarantined: int


@dataclass(frozen=True)
class _Delivered:
    """What was delivered, for the audit; with Spark, also `elsewhere`, from where it is written."""

    rows: pa.Table
    elsewhere: "DeliveredOnSpark | None" = None


def find_pending(lake: Lakehouse, source: Source, asked: Sequence[date] | None = None) -> Pending:
    """What has been delivered and not landed yet, on the `asked` days (None: on any).

    Raises DeliveryError for a file that cannot be read or that came twice.
    """
    deliveries = inspect(lake.home, source)
    check_no_duplicates(deliveries)
    made = last_made(lake, source.name)
    # Under a changed contract every delivery that is still there is judged anew, whatever days were asked for.
    judged = made is None or made.definition == source.contract.fingerprint()
    landed = _landed(lake, source)
    wanted = None if asked is None or not judged else set(asked)
    pending = {}
    for delivery in deliveries:
        known = landed.get(delivery.fingerprint, (delivery.name, {}))[1]
        # All rows of a day or none count as landed: a run that was killed may have left only those in quarantine.
        days = tuple(
            day
            for day, rows in delivery.days.items()
            if (known.get(day) != rows or not judged) and (wanted is None or day in wanted)
        )
        if days:
            pending[delivery.fingerprint] = (delivery, days)
    present = {delivery.name: delivery.fingerprint for delivery in deliveries}
    # A file that was only renamed is still there, whatever came under its old name.
    there = set(present.values())
    superseded = {
        fingerprint: tuple(day for day in days if wanted is None or day in wanted)
        for fingerprint, (name, days) in landed.items()
        if present.get(name, fingerprint) != fingerprint and fingerprint not in there
    }
    return Pending(pending, superseded)


def land(
    lake: Lakehouse,
    source: Source,
    *,
    run_id: str,
    asked: Sequence[date] | None = None,
    progress: Progress = lambda _: None,
) -> Landed:
    """Land what is pending on the `asked` days (None: on any): audit branch, audit, quarantine, publish.

    Raises DeliveryError for a bad file and AuditError for a draft that the contract refuses; then nothing changed.
    """

    @retry(retry=retry_if_exception_type(PublishConflictError), stop=stop_after_attempt(3), reraise=True)
    def attempt() -> Landed:
        pending = find_pending(lake, source, asked)
        if not pending.days:
            return _nothing_new(lake, source)
        return _land(lake, source, pending, run_id, progress)

    return attempt()


def _land(lake: Lakehouse, source: Source, pending: Pending, run_id: str, progress: Progress) -> Landed:
    contract = source.contract
    provenance = Provenance(run_id, contract.fingerprint(), {}, contract.version)
    delivered = _read_pending(lake, source, pending, progress)
    parted = sort_rows(contract, delivered.rows)
    verdicts = row_verdicts(contract, parted)
    shape = source.shape
    base = resolve(ensure_table(lake, shape))
    landing = {**pending.superseded, **{name: days for name, (_, days) in pending.deliveries.items()}}
    where = days_filter(source.event_time, pending.days)
    rows = _draft_rows(lake, source, delivered, parted, landing, where, base)
    draft = write_draft(lake, shape, rows, provenance, where, base)
    verdicts += _draft_verdicts(lake, source, draft, pending, parted.good, len(delivered.rows), len(parted.broken))
    require(source.name, verdicts, draft.branch)
    # The quarantine is published first: a crash in between repeats both, and the same rows are kept once.
    keep_in_quarantine(
        lake, quarantine_shape(shape), source.event_time, parted.broken, landing, provenance, source.possible
    )
    published = publish(lake, draft)
    cause = f"{len(pending.deliveries)} new deliveries with {in_words(pending.days)}"
    outcome = Outcome(
        source.name,
        published.snapshot_id,
        published.rows,
        len(parted.good),
        tuple(pending.days),
        (cause,),
        {},
        recomputed=True,
    )
    return Landed(outcome, verdicts, len(parted.broken))


def _without(rows: pa.Table, event_time: str, landing: Mapping[str, Sequence[date]]) -> pa.Table:
    """Rows of other deliveries, and of other days of these (fingerprint -> days): they stay as they are."""
    places = _places(landing)
    days = rows.append_column("day", rows.column(event_time).cast(pa.date32()))
    return days.join(places, keys=["_fingerprint", "day"], join_type="left anti")


def _places(landing: Mapping[str, Sequence[date]]) -> pa.Table:
    """One row for each delivery's fingerprint and day."""
    pairs = [(fingerprint, day) for fingerprint, days in landing.items() for day in days]
    return pa.table(
        {
            "_fingerprint": pa.array([fingerprint for fingerprint, _ in pairs], pa.string()),
            "day": pa.array([day for _, day in pairs], pa.date32()),
        }
    )


def _read_pending(lake: Lakehouse, source: Source, pending: Pending, progress: Progress) -> _Delivered:
    now = datetime.now(UTC).replace(tzinfo=None)
    if lake.settings.engine == "spark":
        from lakehouse.sources.on_spark import read_on_spark

        elsewhere = read_on_spark(lake, source, list(pending.deliveries.values()), now)
        rows = elsewhere.to_arrow()
        for delivery, _ in pending.deliveries.values():
            progress(delivery.name)
        return _Delivered(rows, elsewhere)
    tables = [source.shape.schema.empty_table()]
    for delivery, days in pending.deliveries.values():
        tables.append(landed_rows(source, delivery, days, now))
        progress(delivery.name)
    return _Delivered(pa.concat_tables(tables))


def _draft_rows(
    lake: Lakehouse,
    source: Source,
    delivered: _Delivered,
    parted: Sorted,
    landing: Mapping[str, Sequence[date]],
    where: str,
    base: int,
) -> Rows:
    """The rows of the landed days: what stays of the snapshot `base`, and the good ones that were delivered."""
    if delivered.elsewhere is not None:
        return delivered.elsewhere.draft_rows(parted.broken, base, where, _places(landing))
    schema = source.shape.schema
    staying = _without(read(lake, source.name, at=base, where=where), source.event_time, landing)
    together = pa.concat_tables([staying.select(schema.names).cast(schema), parted.good])
    return together.sort_by([(source.event_time, "ascending"), ("_file", "ascending"), ("_row", "ascending")])


def _draft_verdicts(
    lake: Lakehouse, source: Source, draft: Draft, pending: Pending, good: pa.Table, delivered: int, broken: int
) -> list[Verdict]:
    """The verdicts that need the whole draft: read from the audit branch, as a reader would after publishing."""
    contract = source.contract
    where = days_filter(source.event_time, pending.days)
    planned = plan(lake, source.name, at=draft.branch)
    delivered_days = sorted({day for _, days in pending.deliveries.values() for day in days})
    by_day = rows_by_day(planned)
    on_branch = plan(lake, source.name, at=draft.branch, where=where)
    arrived = rows_by_day(on_branch)
    verdicts = [
        Verdict("schema", passed=True, says="The delivered columns and types are those of the contract."),
        volume_verdict(contract, {day: arrived.get(day, 0) for day in delivered_days}, by_day),
    ]
    if len(good):
        newest = good.sort_by([(source.event_time, "ascending")]).slice(len(good) - 1)
        verdicts.append(freshness_verdict(contract, source.event_time, newest, delivered_days))
    unique = [column.name for column in contract.columns if column.unique]
    if len(good):
        verdicts += [_unique_across(lake, source, draft, name, good) for name in unique]
    counted = sum(arrived.values())
    with connect() as connection:
        attach(connection, on_branch, "draft")
        connection.register("chosen", _places({name: days for name, (_, days) in pending.deliveries.items()}))
        found = connection.execute(
            f"select count(*) from draft semi join chosen on draft._fingerprint = chosen._fingerprint "
            f"and {quoted(source.event_time)}::date = chosen.day"
        ).fetchone()
    written = int(found[0]) if found else 0
    verdicts.append(
        Verdict(
            "conservation",
            passed=written + broken == delivered,
            says=f"{delivered} rows delivered = {written} on the audit branch + {broken} in quarantine.",
            measured={"delivered": delivered, "written": written, "quarantined": broken, "rows_of_days": counted},
        )
    )
    return verdicts


def _unique_across(lake: Lakehouse, source: Source, draft: Draft, column: str, good: pa.Table) -> Verdict:
    """Whether the values of a unique column are new to the table. Column statistics spare reading most files."""
    bounds = pc.min_max(good.column(column)).as_py()
    name, where = quoted(column), None
    if isinstance(bounds["min"], int):
        where = f"{name} >= {bounds['min']} and {name} <= {bounds['max']}"
    with connect() as connection:
        draft_rows = attach(connection, plan(lake, source.name, at=draft.branch, where=where), "draft")
        found = connection.sql(
            f"select {name}, count(*) as times, list(distinct _file)[:3] as files from {draft_rows} "
            f"where {name} is not null group by {name} having count(*) > 1 order by {name} limit 100"
        ).to_arrow_table()
    says = f"Each {column} is new: no earlier delivery brought it."
    if len(found):
        says = f"{len(found)}{'+' if len(found) == 100 else ''} values of {column} were delivered before."  # noqa: PLR2004
    return Verdict(
        f"{column}_unique_across_deliveries",
        passed=not len(found),
        says=says,
        measured={"repeated": len(found)},
        sample=found.slice(0, SAMPLE_ROWS).to_pylist(),
    )


def check_names(source: Source) -> dict[str, tuple[str, bool]]:
    """Every verdict that landing can give: name -> (what it says, whether it blocks)."""
    names = {rule: (says, False) for rule, says in source.contract.row_rules().items()}
    names["quarantine_share"] = ("Few enough rows break a rule.", True)
    names["schema"] = ("The delivered columns and types are those of the contract.", True)
    names["volume"] = ("Each delivered day has about as many rows as others.", True)
    names["freshness"] = ("The newest event belongs to the newest delivered day.", True)
    for column in source.contract.columns:
        if column.unique:
            names[f"{column.name}_unique_across_deliveries"] = (f"No {column.name} was delivered before.", True)
    names["conservation"] = ("Every delivered row is either published or in quarantine.", True)
    return names


def _landed(lake: Lakehouse, source: Source) -> dict[str, tuple[str, dict[date, int]]]:
    """What was landed: fingerprint -> (file name, rows by day), quarantined rows included."""
    landed: dict[str, tuple[str, dict[date, int]]] = {}
    for name in (source.name, quarantine_name(source.name)):
        if last_made(lake, name) is None:
            continue
        with connect() as connection:
            table = attach(connection, plan(lake, name), "landed")
            found = connection.execute(
                f'select _fingerprint, _file, "{source.event_time}"::date as day, count(*) from {table} group by all'
            ).fetchall()
        for fingerprint, file, day, rows in found:
            days = landed.setdefault(fingerprint, (file, {}))[1]
            if day is not None and source.possible([day]):
                days[day] = days.get(day, 0) + rows
    return landed


def _nothing_new(lake: Lakehouse, source: Source) -> Landed:
    made = last_made(lake, source.name)
    table = ensure_table(lake, source.shape)
    return Landed(
        Outcome(source.name, resolve(table), made.rows if made else 0, 0, (), (), {}, recomputed=False), (), 0
    )


__all__ = ["AuditError", "Landed", "Pending", "check_names", "find_pending", "land"]
