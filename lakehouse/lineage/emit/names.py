"""Names in lineage: tables, delivered files, models, jobs and runs.

What belongs here: names alone. Not: what is said of the things (facets.py).
A table is known by where its files lie, as Spark's own integration calls it, and carries its Slipway name as a symlink:
what Spark reports of the table by itself and what Slipway reports meet in one node.
"""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

NAMESPACE = "slipway"
"""Of jobs, and of the names that people see."""
MODELS = "mlflow"
FILES = "file"
PRODUCER = "urn:slipway:lineage"
"""Who says it. A name and no address: nothing is to be fetched there."""

FILE = "FILE"
"""The dataset type of delivered files; those of assets are facts of their kinds (lakehouse/kinds)."""

_RUNS = uuid5(NAMESPACE_URL, "slipway/lineage/runs")


class Named(NamedTuple):
    """A dataset's namespace and name in events."""

    namespace: str
    name: str


def place_of(location: str) -> Named:
    """What a table is called whose files lie at `location`: `file:///a/b`, `s3://bucket/b`, or a plain path."""
    parts = urlsplit(location)
    if parts.scheme in {"", "file"}:
        path = location.removeprefix("file://") if parts.scheme else location
        return Named(FILES, path.rstrip("/") or "/")
    host = parts.hostname or ""
    # Never a user or a key: an address may carry both.
    return Named(f"{parts.scheme}://{host}", unquote(parts.path).strip("/") or "/")


def step_run(run_id: str, step: str, table: str = "", part: str = "") -> str:
    """The id of the run that makes `table` in a step of Dagster's run `run_id`; the same whenever it is asked.

    Without a table: the step's own. `part` tells apart what belongs to one table, such as its tests.
    """
    return str(uuid5(_RUNS, f"{run_id}\n{step}\n{table}\n{part}"))


def as_run(run_id: str) -> str:
    """The run id of another system (Dagster's, MLflow's 32 digits) as a UUID, or a UUID derived from it."""
    try:
        return str(UUID(run_id))
    except ValueError:
        return str(uuid5(_RUNS, run_id))
