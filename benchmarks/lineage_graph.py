"""A large company's graph, as events: what benchmarks.lineage_server sends and asks about.

What belongs here: making the events, always the same ones. Not: measuring.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PRODUCER = "https://127.0.0.1/benchmarks"
LAYERS = 20
COLUMNS = 11


def facet(**content: object) -> dict:
    return {"_producer": PRODUCER, "_schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json", **content}


def table_name(number: int) -> str:
    return f"domain{number % 25:02}.table_{number:05}"


def place(number: int) -> dict:
    return {"namespace": "file", "name": f"/warehouse/{table_name(number).replace('.', '/')}"}


def sources_of(number: int, tables: int) -> list[int]:
    """Some tables of the layer before; none for those of the first."""
    wide = tables // LAYERS
    layer = number // wide
    if layer == 0:
        return []
    picked = random.Random(number)
    return sorted({(layer - 1) * wide + picked.randrange(wide) for _ in range(1 + number % 3)})


def dataset(number: int, version: int, *, sources: list[int] | None = None) -> dict:
    """A dataset as a run tells it, with a schema, an owner and where its columns come from."""
    called = {"identifiers": [{"namespace": "slipway", "name": table_name(number), "type": "TABLE"}]}
    facets = {"symlinks": facet(**called), "version": facet(datasetVersion=str((1 << 62) + version))}
    if sources is not None:
        columns = [{"name": f"column_{one}", "type": "double", "description": "A number."} for one in range(COLUMNS)]
        facets |= {
            "schema": facet(fields=columns),
            "ownership": facet(owners=[{"name": f"team:{number % 40}", "type": "MAINTAINER"}]),
            "documentation": facet(description=f"What table {number} of many is about."),
            "datasetType": facet(datasetType="TABLE"),
        }
    if sources:
        direct = [{"type": "DIRECT", "subtype": "IDENTITY", "masking": False}]
        facets["columnLineage"] = facet(
            fields={
                f"column_{one}": {
                    "inputFields": [
                        {**place(sources[one % len(sources)]), "field": f"column_{one}", "transformations": direct}
                    ]
                }
                for one in range(COLUMNS)
            }
        )
    return {**place(number), "facets": facets}


def run_events(number: int, tables: int, turn: int) -> Iterator[bytes]:
    """START and COMPLETE of the run that makes a table for the `turn`-th time."""
    sources = sources_of(number, tables)
    at = BEGIN + timedelta(minutes=turn, milliseconds=number)
    parent = facet(run={"runId": str(UUID(int=(1 << 100) + turn))}, job={"namespace": "slipway", "name": "nightly"})
    common = {
        "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(UUID(int=turn * tables + number + 1)), "facets": {"parent": parent}},
        "job": {"namespace": "slipway", "name": table_name(number)},
        "inputs": [dataset(one, turn) for one in sources],
    }
    begin = {**common, "eventType": "START", "eventTime": at.isoformat(), "outputs": []}
    output = dataset(number, turn, sources=sources)
    output["outputFacets"] = {"outputStatistics": facet(rowCount=1_000 + turn, size=1 << 20)}
    end = {
        **common,
        "eventType": "COMPLETE",
        "eventTime": (at + timedelta(seconds=30)).isoformat(),
        "outputs": [output],
    }
    yield json.dumps(begin).encode()
    yield json.dumps(end).encode()


def events(tables: int, number: int) -> Iterator[bytes]:
    """So many events: all tables once, then all of them again, and so on."""
    given = 0
    turn = 0
    while True:
        for table in range(tables):
            for body in run_events(table, tables, turn):
                if given == number:
                    return
                given += 1
                yield body
        turn += 1
