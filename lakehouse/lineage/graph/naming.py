"""What a node is called: of all its names the one that people know.

What belongs here: choosing a name, a domain, an id. Not: which names belong together (index.py).
"""

from dataclasses import dataclass

from lakehouse.lineage.graph.index import Index
from lakehouse.lineage.store.derivation import hashed

OURS = "slipway"
_WITH_DOMAINS = {OURS, "mlflow"}
"""Namespaces in which a name begins with its domain."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A node's name, where it lies, and what its names say of its kind."""

    id: str
    name: str
    namespace: str
    physical: str
    domain: str
    kind: str


def node_id(dataset: int) -> str:
    """A dataset's id as addresses have it."""
    return format(dataset & (1 << 64) - 1, "016x")


def dataset_of(node: str) -> int | None:
    """The dataset with that id in an address."""
    try:
        number = int(node, 16)
    except ValueError:
        return None
    return None if len(node) != 16 else number - (1 << 64) if number >> 63 else number  # noqa: PLR2004  # 64 bits


def naming(index: Index, node: int) -> Naming:
    """A name in Slipway's own namespace (the newest, when a table was renamed), else a symlink's, else its own."""
    members = index.members[node]
    said: dict[int, tuple[int, str]] = {}
    for member in members:
        for other, told in index.symlinks.get(member, {}).items():
            said[other] = max(said.get(other, told), told)

    def rank(dataset: int) -> tuple[bool, bool, int, tuple[str, str]]:
        namespace, _ = index.names[dataset]
        ours = namespace == OURS
        newest = said[dataset][0] if ours and dataset in said else 0
        return ours, dataset in said, newest, index.names[dataset]

    chosen = max(members, key=rank)
    namespace, name = index.names[chosen]
    places = sorted(index.names[one] for one in members if one != chosen and one not in said) or sorted(
        index.names[one] for one in members if one != chosen
    )
    where = places[0] if places else (namespace, name)
    kind = said[chosen][1].upper() if chosen in said else "DATASET"
    first = name.partition(".")[0]
    return Naming(
        id=node_id(hashed("dataset", namespace, name)),
        name=name,
        namespace=namespace,
        physical=where[1] if where[0] in {"file", OURS} else f"{where[0].rstrip('/')}/{where[1].lstrip('/')}",
        domain=first if namespace in _WITH_DOMAINS and "." in name else namespace,
        kind=kind,
    )
