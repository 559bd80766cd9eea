"""The name of a node, chosen among all names that events use for it.

What belongs here: name, domain, id. Not: which names denote one node (index.py).
"""

from dataclasses import dataclass

from lakehouse.lineage.graph.index import Index
from lakehouse.lineage.store.derivation import hashed

OURS = "slipway"
_WITH_DOMAINS = {OURS, "mlflow"}
"""Namespaces whose names begin with a domain."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A node's name, its location, and the kind that its symlinks report."""

    id: str
    name: str
    namespace: str
    physical: str
    domain: str
    kind: str


def node_id(dataset: int) -> str:
    """A dataset's id in addresses."""
    return format(dataset & (1 << 64) - 1, "016x")


def dataset_of(node: str) -> int | None:
    """The dataset of an id in an address; None if it is not an id."""
    try:
        number = int(node, 16)
    except ValueError:
        return None
    return None if len(node) != 16 else number - (1 << 64) if number >> 63 else number  # noqa: PLR2004  # 64 bits


def naming(index: Index, node: int) -> Naming:
    """Choose a name: in Slipway's namespace (the newest, if a table was renamed), else a symlink, else its own."""
    members = index.members[node]
    symlinked: dict[int, tuple[int, str]] = {}
    for member in members:
        for other, reported in index.symlinks.get(member, {}).items():
            symlinked[other] = max(symlinked.get(other, reported), reported)

    def rank(dataset: int) -> tuple[bool, bool, int, tuple[str, str]]:
        namespace, _ = index.names[dataset]
        ours = namespace == OURS
        newest = symlinked[dataset][0] if ours and dataset in symlinked else 0
        return ours, dataset in symlinked, newest, index.names[dataset]

    chosen = max(members, key=rank)
    namespace, name = index.names[chosen]
    places = sorted(index.names[one] for one in members if one != chosen and one not in symlinked) or sorted(
        index.names[one] for one in members if one != chosen
    )
    where = places[0] if places else (namespace, name)
    kind = symlinked[chosen][1].upper() if chosen in symlinked else "DATASET"
    first = name.partition(".")[0]
    return Naming(
        id=node_id(hashed("dataset", namespace, name)),
        name=name,
        namespace=namespace,
        physical=where[1] if where[0] in {"file", OURS} else f"{where[0].rstrip('/')}/{where[1].lstrip('/')}",
        domain=first if namespace in _WITH_DOMAINS and "." in name else namespace,
        kind=kind,
    )
