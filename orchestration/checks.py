"""Check results as Dagster asset checks.

What belongs here: check specs and results, and failing the step on a blocking one. Not: the checks themselves.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

from lakehouse.errors import SlipwayError
from lakehouse.tables.check_result import CheckResult


def asset_key(table: str) -> dg.AssetKey:
    """The asset key of a table: the same name, in parts."""
    return dg.AssetKey(table.split("."))


def check_specs(table: str, checks: Mapping[str, tuple[str, bool] | str]) -> list[dg.AssetCheckSpec]:
    """The checks of a table: name -> what it says (blocking), or (what it says, whether it blocks)."""
    specs = []
    for name, content in checks.items():
        description, blocking = content if isinstance(content, tuple) else (content, True)
        specs.append(dg.AssetCheckSpec(name=name, asset=asset_key(table), description=description, blocking=blocking))
    return specs


def asset_check_results(table: str, check_results: Sequence[CheckResult]) -> list[dg.AssetCheckResult]:
    """The check results of a table, with measurements and sample rows."""
    return [
        dg.AssetCheckResult(
            asset_key=asset_key(table),
            check_name=check_result.name,
            passed=check_result.passed,
            severity=dg.AssetCheckSeverity.ERROR if check_result.blocking else dg.AssetCheckSeverity.WARN,
            description=check_result.message,
            metadata={
                **check_result.measured,
                **({"sample": sample_table(check_result.sample)} if check_result.sample else {}),
            },
        )
        for check_result in check_results
    ]


def repeated_results(instance: dg.DagsterInstance, table: str, names: Iterable[str]) -> Iterator[dg.AssetCheckResult]:
    """Yield the checks' last results again, for a step that found nothing to do.

    A published table passed its audit, so a check without a recorded result did, too. A failure that is repeated is
    about rows that were not published: it stays visible as a warning and fails no step.
    """
    for name in names:
        key = dg.AssetCheckKey(asset_key(table), name)
        last = last_evaluation(instance, table, name)
        if last is None:
            message = "Unchanged since its last audit, which passed."
            yield dg.AssetCheckResult(asset_key=key.asset_key, check_name=name, passed=True, description=message)
        else:
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=name,
                passed=last.passed,
                severity=last.severity if last.passed else dg.AssetCheckSeverity.WARN,
                description=last.description,
                metadata=last.metadata,
            )


def last_evaluation(instance: dg.DagsterInstance, table: str, name: str) -> dg.AssetCheckEvaluation | None:
    """The newest result of a check; None when it never ran."""
    # The newest record may be a running run's plan; the one before it may have been evaluated.
    key = dg.AssetCheckKey(asset_key(table), name)
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=5):
        event = record.event.dagster_event if record.event else None
        if event is not None and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            return event.asset_check_evaluation_data
    return None


def sample_table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """Sample rows as a table that the UI shows."""
    records = [dg.TableRecord({name: _shown(value) for name, value in row.items()}) for row in rows]
    schema = dg.TableSchema([dg.TableColumn(name) for name in rows[0]])
    return dg.MetadataValue.table(records, schema=schema)


@contextmanager
def clear_failures() -> Iterator[None]:
    """A SlipwayError becomes a failed step that shows the error's words and no traceback; trying again is no use."""
    try:
        yield
    except SlipwayError as error:
        parts = {"error": dg.MetadataValue.json(error.as_dict())}
        raise dg.Failure(description=str(error), metadata=parts, allow_retries=False) from None


def _shown(value: Any) -> str | int | float | bool | None:  # noqa: ANN401  # whatever a column holds
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
