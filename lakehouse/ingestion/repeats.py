"""Repeated keys: keys that an earlier delivery already has.

What belongs here: finding them over published and delivered rows together. Not: repetition within one delivery (a row
rule of the contract).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.audit import SAMPLE_ROWS
from lakehouse.contracts.contract import Contract, across
from lakehouse.ingestion.evaluation import DeliveryEvaluation
from lakehouse.ingestion.retained_rows import retained_rows
from lakehouse.sources.source import Source
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import days_filter
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.publish import needs_schema_change
from lakehouse.tables.read import attach, plan

_PUBLISHED = -1


@dataclass(frozen=True)
class Repeat:
    """A key that came more than once: the places of the deliveries that bring it (-1: it is published), some files."""

    value: tuple
    places: frozenset[int]
    files: Sequence[str]


@dataclass(frozen=True)
class Repeats:
    """The repeated values of each key."""

    found: Mapping[tuple[str, ...], Sequence["Repeat"]]

    def check_results(self, contract: Contract, place: int, accepted: frozenset[int]) -> list[CheckResult]:
        """Check results of the delivery at `place`, where those at the places `accepted` are published before it."""
        before = accepted | {_PUBLISHED}
        checks = contract.checks()
        check_results = []
        for key, repeated in self.found.items():
            mine = [one for one in repeated if place in one.places and one.places & before]
            name, columns = across(key), " and ".join(key)
            message = f"Each {columns} is new: no earlier delivery brought it."
            if mine:
                message = f"{len(mine)} values of {columns} were delivered before."
            check_results.append(
                CheckResult(
                    name,
                    passed=not mine,
                    message=message,
                    blocking=checks[name][1] if name in checks else True,
                    measured={"repeated": len(mine)},
                    sample=[
                        {**dict(zip(key, one.value, strict=True)), "files": list(one.files)}
                        for one in mine[:SAMPLE_ROWS]
                    ],
                )
            )
        return check_results


def find_repeats(
    lake: Lakehouse, source: Source, evaluations: Sequence[DeliveryEvaluation], leaving: pa.Table, base: int
) -> Repeats:
    """The keys that more than one of the deliveries and the snapshot `base` bring, without the rows that are `leaving`.

    `leaving` has the columns `_fingerprint` and `day`. Column statistics and days spare reading most files.
    """
    found = {}
    for key in source.contract.unique_keys():
        parts = [
            one.good.select([*key, "_file"]).append_column("_place", pa.repeat(pa.scalar(place), len(one.good)))
            for place, one in enumerate(evaluations)
            if len(one.good)
        ]
        if parts:
            found[key] = _repeated(lake, source, key, pa.concat_tables(parts), leaving, base)
    return Repeats(found)


def _repeated(
    lake: Lakehouse, source: Source, key: tuple[str, ...], arriving: pa.Table, leaving: pa.Table, base: int
) -> list[Repeat]:
    columns = ", ".join(quoted(name) for name in key)
    given = " and ".join(f"{quoted(name)} is not null" for name in key)
    with borrow() as connection:
        connection.register("arriving", arriving)
        if needs_schema_change(lake, source.shape):
            connection.register("retained", retained_rows(lake, source, base, None, leaving))
            retained = "retained"
        else:
            where = _where(source, key, arriving)
            published = attach(connection, plan(lake, source.name, at=base, where=where), "published")
            connection.register("leaving", leaving)
            retained = f"{published} as p anti join leaving on p._fingerprint = leaving._fingerprint "
            retained += f"and {quoted(source.event_time)}::date = leaving.day"
        connection.execute(
            f"create temp view everything as select {columns}, _file, _place from arriving union all "
            f"select {columns}, _file, {_PUBLISHED} from {retained}"
        )
        # Which keys come twice is found first: lists of places are only made for those.
        rows = connection.execute(
            f"select {columns}, list(distinct _place), list(distinct _file order by _file)[:3] "
            "from everything semi join "
            f"(select {columns} from everything where {given} group by all having count(*) > 1) using ({columns}) "
            f"group by {columns} having count(distinct _place) > 1 order by {columns}"
        ).fetchall()
    return [Repeat(tuple(row[:-2]), frozenset(row[-2]), row[-1]) for row in rows]


def _where(source: Source, key: tuple[str, ...], arriving: pa.Table) -> str | None:
    parts = []
    for name in key:
        bounds = pc.min_max(arriving.column(name)).as_py()
        if isinstance(bounds["min"], int) and not isinstance(bounds["min"], bool):
            parts.append(f"{quoted(name)} >= {bounds['min']} and {quoted(name)} <= {bounds['max']}")
        if name == source.event_time:
            parts.append(days_filter(name, pc.unique(arriving.column(name).drop_null().cast(pa.date32())).to_pylist()))
    return " and ".join(f"({part})" for part in parts) or None
