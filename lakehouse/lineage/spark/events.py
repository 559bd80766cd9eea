"""Events of Spark's OpenLineage listener, attached to the step that ran the query.

What belongs here: one event. Not: the files that they come from (files.py).
The listener knows neither steps nor that tables have drafts. So the parent is put in, and of the rest only that is
taken which Python does not know: that a query ran, when, how it ended, with which Spark, what it read and how much of
it. By name, so that nothing else of an event gets through: SQL, properties and errors can hold values and secrets.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openlineage.client.facet_v2 import parent_run
from openlineage.client.serde import Serde

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.masking import Masking
from lakehouse.lineage.emit.outbox import Event
from lakehouse.spark.listener import APPLICATION

ENDS = ("COMPLETE", "FAIL", "ABORT")
_DETAILS = ("_producer", "_schemaURL", "applicationId", "deployMode")
"""Not: the user, and the machine's name."""


@dataclass(frozen=True)
class Places:
    """Where tables lie, by the same names as in all other events; and folders of Slipway's own beside them."""

    tables: tuple[names.Named, ...] = ()
    own: tuple[names.Named, ...] = ()

    def table_at(self, place: names.Named) -> names.Named | None:
        """The table whose files lie there, or the one below which it lies: a query may name a folder of data files."""
        return next((one for one in self.tables if _inside(place, one)), None)

    def is_own(self, place: names.Named) -> bool:
        """Whether that is scratch space, a draft or a delivery: no dataset, or one that Python tells of by file."""
        return any(_inside(place, one) for one in self.own)


def places_of(lake: Lakehouse) -> Places:
    """The places of a lakehouse as they are now."""
    there = (lake.find(name) for name in lake.names())  # one may be dropped meanwhile
    tables = tuple(names.place_of(table.location()) for table in there if table is not None)
    own = [str(lake.home.root), str(lake.home.warehouse)]
    if lake.settings.warehouse:
        own.append(lake.settings.warehouse)
    return Places(tables, tuple(names.place_of(one) for one in own))


def is_query(event: Mapping[str, Any]) -> bool:
    """Whether an event is about a query: the application itself serves many steps, and belongs to none."""
    facets = event["job"].get("facets") or {}
    kind = (facets.get("jobType") or {}).get("jobType")
    return "run" in event and kind != "APPLICATION" and "parent" in (event["run"].get("facets") or {})


def events_of(
    event: Mapping[str, Any], parent: parent_run.ParentRunFacet, places: Callable[[], Places], masking: Masking
) -> Event | None:
    """The event as it is told below `parent`; None for a query that goes on, of which there is nothing to say.

    A query that failed ends twice by the listener: first in failing, then completely. Both have one key, and the first
    counts.
    """
    state = event["eventType"]
    if state != "START" and state not in ENDS:
        return None
    run, job = event["run"], event["job"]
    given = run.get("facets") or {}
    facets: dict[str, Any] = {"parent": Serde.to_dict(parent)}
    if "processing_engine" in given:
        facets["processing_engine"] = given["processing_engine"]
    if "spark_applicationDetails" in given:
        found = given["spark_applicationDetails"]
        facets["spark_applicationDetails"] = {name: found[name] for name in _DETAILS if name in found}
    kind = (job.get("facets") or {}).get("jobType")
    body = {
        **{name: event[name] for name in ("eventType", "eventTime", "producer", "schemaURL") if name in event},
        "run": {"runId": run["runId"], "facets": facets},
        "job": {
            "namespace": names.NAMESPACE,
            "name": f"{parent.job.name}.{_operation(job['name'])}",
            "facets": {"jobType": kind} if kind else {},
        },
        "inputs": list(_datasets(event.get("inputs") or (), "inputFacets", "inputStatistics", places, masking)),
        # What it wrote to a table is a draft, which an audit may refuse: Python tells what was published.
        "outputs": list(
            _datasets(event.get("outputs") or (), "outputFacets", "outputStatistics", places, masking, tables=False)
        ),
    }
    return Event(f"{run['runId']}/{'START' if state == 'START' else 'END'}", run["runId"], body)


def _operation(name: str) -> str:
    """`slipway.append_data` without the application, and without tables, whose drafts have random names."""
    return name.removeprefix(f"{APPLICATION}.").partition(".")[0] or "query"


def _datasets(
    listened: Iterable[Mapping[str, Any]],
    side: str,
    kept: str,
    places: Callable[[], Places],
    masking: Masking,
    *,
    tables: bool = True,
) -> Iterator[dict[str, Any]]:
    """Datasets by the names that all others use, without what the listener says of them but for how much it was.

    Its columns and snapshots are those of the table, not those of the draft that a query is about.
    """
    seen: set[names.Named] = set()
    for one in listened:
        place = names.Named(masking.plain(one["namespace"]).replace("s3a://", "s3://"), masking.plain(one["name"]))
        table = places().table_at(place)
        if table is None and places().is_own(place):
            continue
        if table is not None and not tables:
            continue
        place = table or place
        if place in seen:
            continue
        seen.add(place)
        facets = one.get(side) or {}
        yield {**place._asdict(), side: {kept: facets[kept]}} if kept in facets else place._asdict()


def _inside(place: names.Named, other: names.Named) -> bool:
    if place.namespace.rstrip("/") != other.namespace.rstrip("/"):
        return False
    below, above = place.name.strip("/"), other.name.strip("/")
    return below == above or below.startswith(f"{above}/")
