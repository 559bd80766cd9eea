"""What OpenLineage's Spark listener writes, made by hand: for tests without Spark.

What belongs here: its lines, in the form in which version 1.53.0 wrote them. Not: the listener itself
(with_listener.py).
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from lakehouse.spark.listener import events_file

PRODUCER = "https://127.0.0.1/spark"
SECRET = "value-of-a-row"  # noqa: S105  # it stands for one

Event = dict[str, Any]


def facet(**content: Any) -> Event:
    return {"_producer": PRODUCER, "_schemaURL": f"{PRODUCER}/facet", **content}


def run_id(number: int) -> str:
    return str(UUID(int=number))


def query(
    kind: str,
    number: int,
    at: float,
    *,
    name: str = "append_data",
    inputs: list[Event] | None = None,
    outputs: list[Event] | None = None,
) -> Event:
    """An event of a query (0: of the application), at seconds since 1970."""
    application = {"run": {"runId": run_id(0)}, "job": {"namespace": "slipway", "name": "slipway"}}
    facets = {
        "parent": facet(**application, root=application),
        "processing_engine": facet(version="4.1.4", name="spark"),
        "spark_applicationDetails": facet(applicationId="local-1", deployMode="client", userName=SECRET),
        "spark_properties": facet(properties={"spark.password": SECRET}),
        "spark.exception": facet(message=SECRET),
    }
    job = {
        "jobType": facet(integration="SPARK", jobType="SQL_JOB" if number else "APPLICATION"),
        "sql": facet(query=SECRET),
    }
    if not number:
        del facets["parent"]
    # Times without what is below a millisecond, as Java cuts it off.
    moment = datetime.fromtimestamp(int(at * 1_000) / 1_000, tz=UTC).isoformat(timespec="milliseconds")
    return {
        "eventType": kind,
        "eventTime": moment.replace("+00:00", "Z"),
        "producer": PRODUCER,
        "schemaURL": f"{PRODUCER}/event",
        "run": {"runId": run_id(number), "facets": facets},
        "job": {"namespace": "slipway", "name": f"slipway.{name}" if number else "slipway", "facets": job},
        "inputs": inputs or [],
        "outputs": outputs or [],
    }


def dataset(namespace: str, name: str, **more: Any) -> Event:
    """A dataset with what the listener says of it, which is main's, also when a query is about a draft."""
    facets = {"version": facet(datasetVersion="1"), "schema": facet(fields=[{"name": "a", "type": "int"}])}
    return {"namespace": namespace, "name": name, "facets": facets, **more}


def wrote(lineage: Path, *events: Event, raw: bytes = b"") -> None:
    """Append the events to the file of this process's listener, and `raw` after them."""
    path = events_file(lineage)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(json.dumps(one).encode() + b"\n" for one in events) + raw)


def age(lineage: Path) -> None:
    """As if nothing had been written there for a while: Spark is over."""
    for path in (lineage / "spark").iterdir():
        os.utime(path, (1_790_000_000, 1_790_000_000))
