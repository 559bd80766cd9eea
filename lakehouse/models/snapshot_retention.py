"""Snapshot retention: Iceberg tags that keep the input snapshots of live models from expiry.

What belongs here: which snapshots a champion and a challenger need, and the tags on them. Not: expiring snapshots, and
deciding who is champion (promotion.py).

A version needs its training set's snapshot, those that it was made from, those that they were made from, and so on.
Each is tagged `model-<name>-<version>`; where a version needs several snapshots of one table, the further ones carry
their id behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.update import AssertTableUUID
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.models.registry import Registry, Version
from lakehouse.tables.provenance import read_provenance
from lakehouse.tables.references import is_at, tag_at, without


@dataclass(frozen=True)
class Protected:
    """The tags that keep a model's snapshots, by table (tag -> snapshot id), and the snapshots that are gone."""

    tags: Mapping[str, Mapping[str, int]]
    gone: Sequence[str]


def protect(lake: Lakehouse, registry: Registry, model: str) -> Protected:
    """Tag what the model's versions with an alias need, and drop the tags of those that have none any more.

    Can be killed anywhere and called again: it looks at what is there, and changes what differs.
    """
    wanted: dict[str, dict[str, int]] = {}
    gone: list[str] = []
    for version in registry.versions(model):
        if not version.aliases:
            continue
        for table, input_snapshots in needed(lake, version, gone).items():
            plain = f"{_prefix(model)}{version.version}"
            for number, pin in enumerate(input_snapshots):
                wanted.setdefault(table, {})[plain if not number else f"{plain}-{pin}"] = pin
    for name in lake.names():
        _keep(lake, name, model, wanted.get(name, {}))
    return Protected(wanted, gone)


def needed(lake: Lakehouse, version: Version, gone: list[str]) -> dict[str, list[int]]:
    """The snapshots by table that the version was made of, directly and indirectly, the nearest first.

    Those that are not there any more are added to `gone`.
    """
    found: dict[str, list[int]] = {}
    waiting = list(version.input_snapshots.items())
    while waiting:
        name, pin = waiting.pop(0)
        if pin in found.get(name, []):
            continue
        snapshot = lake.table(name).snapshot_by_id(pin) if lake.has(name) else None
        if snapshot is None:
            gone += [missing] if (missing := f"{name} at {pin}") not in gone else []
            continue
        found.setdefault(name, []).append(pin)
        waiting += read_provenance(snapshot).input_snapshots.items()
    return found


@retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(20),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)
def _keep(lake: Lakehouse, name: str, model: str, wanted: Mapping[str, int]) -> None:
    """Bring a table's tags for the model to what is wanted, in one commit; none when they are."""
    table = lake.table(name)
    have = _tags(table, model)
    made = {tag: pin for tag, pin in wanted.items() if have.get(tag) != pin}
    dropped = [tag for tag in have if tag not in wanted]
    if not made and not dropped:
        return
    requirements = [is_at(tag, have.get(tag)) for tag in [*made, *dropped]]
    updates = [*(tag_at(tag, pin) for tag, pin in made.items()), *(without(tag) for tag in dropped)]
    lake.commit(table, (AssertTableUUID(uuid=table.metadata.table_uuid), *requirements), tuple(updates))


def _tags(table: Table, model: str) -> dict[str, int]:
    """The table's tags for the model. A model may be called like another one with more behind it."""
    prefix = _prefix(model)
    return {
        name: reference.snapshot_id
        for name, reference in table.metadata.refs.items()
        if reference.snapshot_ref_type == SnapshotRefType.TAG
        and name.startswith(prefix)
        and name.removeprefix(prefix).replace("-", "").isdigit()
    }


def _prefix(model: str) -> str:
    return f"model-{model}-"
