"""Slipway's custom facets, for facts without a standard facet.

What belongs here: their fields. Not: filling them (facets.py, events.py). Their names begin with `slipway_`, as the
standard asks of custom facets.
"""

from typing import Any

import attr
from openlineage.client.generated.base import DatasetFacet, InputDatasetFacet, RunFacet

_SCHEMAS = "urn:slipway:lineage:facets:1:"


@attr.define
class ContractFacet(DatasetFacet):
    """The contract that a source's rows were judged by."""

    version: str
    fingerprint: str

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}contract"


@attr.define
class BreakerFacet(DatasetFacet):
    """The state of a source's circuit breaker: closed, open or half_open."""

    state: str
    since: str | None = None
    why: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}breaker"


@attr.define
class StaleFacet(DatasetFacet):
    """Whether an input of the table waits behind an open circuit breaker, and why."""

    stale: bool
    why: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}stale"


@attr.define
class SnapshotFacet(DatasetFacet):
    """The published snapshot: when it was created, by which Dagster run, definition and code version."""

    snapshotId: str  # noqa: N815  # the standard's spelling
    madeAt: str  # noqa: N815
    runId: str  # noqa: N815
    definition: str
    codeVersion: str  # noqa: N815
    operation: str
    rows: int

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}snapshot"


@attr.define
class DeliveryFacet(InputDatasetFacet):
    """What became of a delivered file."""

    status: str
    rows: int
    published: int
    quarantined: int

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}delivery"


@attr.define
class DagsterFacet(RunFacet):
    """The run and the step of Dagster that this is."""

    runId: str  # noqa: N815
    stepKey: str | None = None  # noqa: N815
    jobName: str | None = None  # noqa: N815
    assetKey: str | None = None  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}dagster"


@attr.define
class CodeFacet(RunFacet):
    """The version of the code that ran, and the fingerprint of the declaration."""

    version: str | None = None
    definition: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}code"


@attr.define
class WorkFacet(RunFacet):
    """What a step recomputed, and why; `seconds` are those of the making alone."""

    recomputed: bool
    extent: str | None = None
    because: str | None = None
    rowsWritten: int | None = None  # noqa: N815
    seconds: float | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}work"


@attr.define
class MetricsFacet(RunFacet):
    """What a training measured, by metric."""

    metrics: dict[str, Any]
    candidate: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}metrics"


@attr.define
class EnginesFacet(RunFacet):
    """The versions of what worked together, by name."""

    versions: dict[str, str]

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}engines"
