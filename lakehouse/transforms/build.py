"""Building models: dbt runs and tests them on audit branches, and those that passed are published, inputs first.

What belongs here: one build from the first model to the last publish. Not: reading the project (project.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.audit import SAMPLE_ROWS
from lakehouse.errors import PublishConflictError, SlipwayError
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.duck import connect
from lakehouse.tables.incremental import Outcome, unchanged
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import attach, plan
from lakehouse.tables.write_audit_publish import publish_staged
from lakehouse.transforms.project import TransformModel, TransformProject, run_dbt
from lakehouse.transforms.session import BuildSession, active


@dataclass(frozen=True)
class ModelResult:
    """The result of one dbt model: its outcome when it is published and up to date, else the reason for the failure."""

    table: str
    outcome: Outcome | None
    check_results: Sequence[CheckResult]
    failure: str | None = None


def build(
    lake: Lakehouse, project: TransformProject, tables: Sequence[str], *, run_id: str, rebuild: bool = False
) -> list[ModelResult]:
    """Bring the models of `tables` up to date, inputs first.

    A model whose SQL or test failed stays at its last good snapshot, and so does everything that depends on it; their
    audit branches stay for inspection. Models without work are left alone, and dbt is not even started for none.
    """
    chosen = [model for model in project.models if model.table in tables]
    results: dict[str, ModelResult] = {}
    while chosen:
        session = BuildSession(lake, project, run_id, rebuild)
        later = _build_once(session, chosen, results)
        chosen = [model for model in chosen if model.table in later]
    return list(results.values())


def _build_once(session: BuildSession, chosen: Sequence[TransformModel], results: dict[str, ModelResult]) -> set[str]:
    """One run of dbt; adds to `results` and returns the tables that have to wait for another one."""
    lake, project = session.lake, session.project
    if not _anything_to_do(session, chosen):
        results.update(
            {model.table: ModelResult(model.table, unchanged(lake, session.plan_build(model)), ()) for model in chosen}
        )
        return set()
    with active(session):
        names = project.qualified_names(chosen)
        result = run_dbt(project, ["build", "--select", *names, "--exclude-resource-type", "unit_test"])
    if result.exception:
        raise SlipwayError(f"dbt could not build the models: {result.exception}", where=str(project.folder))
    dbt_results: Any = result.result  # for `build`, dbt's run results
    runs = {run.node.unique_id: run for run in dbt_results.results}
    later: set[str] = set()
    for model in chosen:
        if model.table in session.deferred or any(name in later for name in model.inputs):
            later.add(model.table)
        else:
            results[model.table] = _settle(session, model, runs, results)
    return later


def _anything_to_do(session: BuildSession, chosen: Sequence[TransformModel]) -> bool:
    for model in chosen:
        if any(last_published(session.lake, name) is None for name in model.inputs):
            return True  # an input is made in this build, or its absence is about to be said
        if session.plan_build(model).needed:
            return True
    return False


def _settle(
    session: BuildSession, model: TransformModel, runs: dict[str, Any], before: dict[str, ModelResult]
) -> ModelResult:
    check_results = [
        _check_result(session, model, runs.get(test.unique_id), test.name, test.description, test.blocking)
        for test in model.tests
    ]
    known = [check_result for check_result in check_results if check_result is not None]
    run = runs.get(model.unique_id)
    status = str(run.status) if run else "skipped"
    if status != "success":
        reason = f"{run.message if run and run.message else status}".strip()
        return ModelResult(model.table, None, known, f"{model.table} was not built: {reason}")
    failed = [check_result for check_result in known if check_result.blocking and not check_result.passed]
    if failed:
        return ModelResult(model.table, None, known, f"{model.table} failed its tests: {failed[0].message}")
    blocked = [name for name in model.inputs if name in before and before[name].failure]
    if blocked:
        return ModelResult(model.table, None, known, f"{model.table} waits for {', '.join(blocked)}.")
    work = session.works[model.table]
    staged = session.staged.get(model.table)
    if staged is None:
        return ModelResult(model.table, unchanged(session.lake, work), known)
    try:
        written = publish_staged(session.lake, staged, known)
    except PublishConflictError as conflict:
        return ModelResult(model.table, None, known, str(conflict))
    outcome = Outcome(
        model.table,
        written.published.snapshot_id,
        written.published.rows,
        len(staged.rows),
        work.days,
        work.causes,
        work.input_snapshots,
        recomputed=True,
        check_results=written.check_results,
    )
    return ModelResult(model.table, outcome, known)


def _check_result(
    session: BuildSession,
    model: TransformModel,
    run: Any,  # noqa: ANN401  # dbt has no public type for it
    name: str,
    message: str,
    blocking: bool,  # noqa: FBT001
) -> CheckResult | None:
    """What a dbt test found; None when it did not run."""
    if run is None or str(run.status) == "skipped":
        return None
    passed = str(run.status) in {"pass", "success"}
    failures = int(run.failures or 0)
    sample = _failing_rows(session, model, run.node.compiled_code) if failures else []
    words = message if passed else f"{message} {failures} rows failed." if failures else f"{message} {run.message}"
    return CheckResult(name, passed, words, blocking, {"failures": failures}, sample)


def _failing_rows(session: BuildSession, model: TransformModel, sql: str) -> list[dict[str, Any]]:
    # One of its own: the SQL that dbt compiled names the database, and that is `memory`.
    with connect() as connection:
        for name in dict.fromkeys([*model.inputs, *session.staged, model.table]):
            staged = session.staged.get(name)
            if staged is not None:
                attach(connection, plan(session.lake, staged.draft.name, at=staged.draft.snapshot_id), name)
            elif session.lake.has(name):
                attach(connection, plan(session.lake, name), name)
        return connection.sql(f"select * from ({sql}) limit {SAMPLE_ROWS}").to_arrow_table().to_pylist()
