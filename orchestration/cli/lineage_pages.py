"""The output of `slipway lineage`.

What belongs here: words and tables. Not: finding anything (lakehouse/lineage/).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestration.cli.output import console, lines, print_facts, print_table

_PARTS = {
    "inputs": "Read",
    "outputs": "Written",
    "contracts": "Contracts",
    "schemas": "Columns",
    "parameters": "Parameters",
}
_MOST_FILES = 3
_STALENESS = {True: "up to date", False: "stale", None: None}


def show_paths(node: Mapping[str, Any], found: Mapping[str, Sequence[Mapping[str, Any]]], *, up: str) -> None:
    """Print what is upstream and downstream of a node or column."""
    place = ".".join(filter(None, (node["name"], node["column"])))
    for direction, nodes in found.items():
        title = f"Upstream of {place}" if direction == up else f"Downstream of {place}"
        if not nodes:
            console.print(f"{title}: none.", markup=False, highlight=False)
            continue
        heads = ["steps", "node", *(["columns", "via"] if node["column"] else ["via", "state"])]
        print_table(title, heads, [_row(one, columns=bool(node["column"])) for one in _without_crowds(nodes)])


def _without_crowds(nodes: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The nodes; of many files that came the same way, which only --json lists, the last and how many there are."""
    by_path: dict[Any, list[Mapping[str, Any]]] = {}
    for number, one in enumerate(nodes):
        by_path.setdefault((one["distance"], *one["path"][1:-1]) if one["kind"] == "FILE" else number, []).append(one)
    for alike in by_path.values():
        if len(alike) <= _MOST_FILES:
            yield from alike
        else:
            yield {**alike[-1], "name": f"{alike[-1]['name']} and {len(alike) - 1:,} more"}


def _row(one: Mapping[str, Any], *, columns: bool) -> list[Any]:
    checks = {"ok": "checks pass", "warn": "checks warn", "fail": "checks fail"}.get(one["health"])
    moment = one["updated"] and f"{one['updated'][:16].replace('T', ' ')} UTC"
    what = lines(one["name"], ", ".join(filter(None, (in_words(one["kind"]), one["owner"]))))
    via = lines(*one["path"][1:-1])
    if columns:
        how = f"({', '.join(one['transformations']).lower()})" if one["transformations"] else None
        return [one["distance"], what, lines(*(one["columns"] or ["all"]), how), via]
    return [one["distance"], what, via, lines(checks, _STALENESS[one["up_to_date"]], moment)]


def in_words(kind: str) -> str:
    """A kind of node in lower-case words."""
    return kind.lower().replace("_", " ")


def show_impact(found: Mapping[str, Any]) -> None:
    """Print the downstream impact of a change."""
    place = ".".join(filter(None, (found["of"]["name"], found["column"])))
    if not found["affected"]:
        console.print(f"Nothing is downstream of {place}.", markup=False, highlight=False)
        return
    rows = [
        [
            one["distance"],
            lines(one["name"], in_words(one["kind"])),
            lines(*(one["columns"] or ["all"])),
            one["owner"],
        ]
        for one in found["affected"]
    ]
    print_table(f"Downstream impact of {place}", ["steps", "affected", "columns", "owner"], rows)
    owners = [f"{name} ({number})" for name, number in found["owners"].items()]
    console.print(f"Owners to ask: {', '.join(owners)}.", markup=False, highlight=False)


def show_difference(found: Mapping[str, Any]) -> None:
    """Print the differences between two runs."""
    for name in ("a", "b"):
        run = found[name]
        print_facts({name: f"{run['id']}  {run['job']}  {run['state']}  {(run['started'] or '')[:19]}"})
    changed = False
    for name, title in {"code": "Code", "definition": "Definition", **_PARTS}.items():
        part = found[name] if isinstance(found[name], list) else [found[name]]
        rows = [[one["name"], one["a"], one["b"]] for one in part if one["changed"]]
        if rows:
            changed = True
            print_table(title, ["", "a", "b"], rows)
    if not changed:
        console.print("No differences.")


def show_reconciled(found: Mapping[str, Any]) -> None:
    """Print the result of a reconciliation."""
    waiting = {f"wait for {receiver}": number for receiver, number in (found["waiting"] or {}).items() if number}
    print_facts(
        {
            "runs checked": found["runs"],
            "missing events emitted": found["events"],
            "killed runs ended": found["aborted"],
            "corrupt rows or files": found["corrupt"] or None,
            "rejected by a receiver": found["rejected"] or None,
            "too old to be sent to a new store": found["expired"] or None,
            "runs with an unreadable log": ", ".join(found["unreadable"]),
            **waiting,
        }
    )
