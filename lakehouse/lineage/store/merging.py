"""Merging derived rows into the store's tables.

What belongs here: all tables but that of the events. Not: deriving rows (derivation.py), receiving events (store.py),
statements (upsert.py).
"""

from sqlalchemy import Connection, select

from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import READ, WRITTEN, Facts
from lakehouse.lineage.store.run_state import RunDataset, RunState
from lakehouse.lineage.store.upsert import add_missing, in_groups, upsert
from lakehouse.lineage.store.validation import MOST_PAIRS


def add_facts(connection: Connection, facts: Facts, generation: int) -> None:
    """Write the facts into their tables, merged with the stored state of the same runs."""
    _merge_with_known_runs(connection, facts)
    mark = {"generation": generation}
    upsert(
        connection,
        tables.runs,
        [
            {
                **{name: getattr(one, name) for name in RunState.__dataclass_fields__},
                **mark,
            }
            for one in facts.runs.values()
        ],
    )
    upsert(
        connection,
        tables.run_datasets,
        [
            {
                "run": run,
                "role": role,
                "dataset": dataset,
                **{name: getattr(one, name) for name in RunDataset.__dataclass_fields__},
                **mark,
            }
            for (run, role, dataset), one in facts.run_datasets.items()
        ],
    )
    upsert(
        connection,
        tables.datasets,
        [
            {"id": owner, "namespace": namespace, "name": name, "first": first, **mark}
            for owner, (namespace, name, first) in facts.datasets.items()
        ],
        smallest=("first",),
    )
    upsert(
        connection,
        tables.symlinks,
        [
            {"dataset": dataset, "other": other, "at": at, "kind": kind, **mark}
            for (dataset, other), (at, kind) in facts.symlinks.items()
        ],
        newest=("at", "kind"),
    )
    upsert(
        connection,
        tables.versions,
        [
            {"dataset": dataset, "version": version, "at": at, "run": run, **mark}
            for (dataset, version), (at, run) in facts.versions.items()
        ],
        oldest=("at", "run"),
    )
    upsert(
        connection,
        tables.edges,
        [
            {"source": source, "target": target, "job": job, "first": first, "last": last, **mark}
            for (source, target, job), (first, last) in facts.edges.items()
        ],
        smallest=("first",),
        largest=("last",),
    )
    add_missing(
        connection,
        tables.jobs,
        [
            {"id": owner, "namespace": namespace, "name": name, **mark}
            for owner, (namespace, name) in facts.jobs.items()
        ],
    )
    add_missing(connection, tables.contents, [{"id": key, "body": body} for key, body in facts.contents.items()])
    names = ("owner", "name", "scope", "role", "at", "content")
    add_missing(connection, tables.facets, [{**dict(zip(names, row, strict=True)), **mark} for row in facts.facets])
    names = ("run", "name", "at", "content")
    add_missing(connection, tables.run_facets, [dict(zip(names, row, strict=True)) for row in facts.run_facets])


def _merge_with_known_runs(connection: Connection, facts: Facts) -> None:
    """Merge the stored state of the same runs into the facts, and add the edges that follow."""
    touched = list(facts.runs)
    for group in in_groups(touched):
        for row in connection.execute(select(tables.runs).where(tables.runs.c.id.in_(group))).mappings():
            known = RunState(**{name: row[name] for name in RunState.__dataclass_fields__})
            facts.runs[known.id] = known.merged(facts.runs[known.id])
        found = connection.execute(select(tables.run_datasets).where(tables.run_datasets.c.run.in_(group)))
        for row in found.mappings():
            key = (row["run"], row["role"], row["dataset"])
            known = RunDataset(**{name: row[name] for name in RunDataset.__dataclass_fields__})
            facts.run_datasets[key] = known.merged(facts.run_datasets.get(key, known))
    sides: dict[tuple[str, str], list[int]] = {}
    for run, role, dataset in facts.run_datasets:
        sides.setdefault((run, role), []).append(dataset)
    for run in touched:
        one, sources, targets = facts.runs[run], sides.get((run, READ), ()), sides.get((run, WRITTEN), ())
        if len(sources) * len(targets) <= MOST_PAIRS:
            for source in sources:
                for target in targets:
                    for job in one.jobs.split(","):
                        facts.add_edge(source, target, int(job), one.first, one.last)
