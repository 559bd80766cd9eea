"""The summary of domains after a run: tables, models, gates, steps.

What belongs here: collecting what is there. Not: printing it (cli/).
"""

from collections.abc import Sequence
from typing import Any

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.tables.provenance import last_published
from orchestration.checks import last_evaluation
from orchestration.instance import open_instance
from orchestration.main_job import JobReport
from orchestration.memory import MemoryWatch


def summarize(
    lake: Lakehouse, domains: Sequence[Domain], reports: Sequence[JobReport], *, seconds: float, watch: MemoryWatch
) -> dict[str, Any]:
    """Everything that `slipway demo` tells, ready for JSON. Snapshot ids are texts: they exceed 2**53."""
    registry = open_registry(lake.home)
    tables = {}
    for name in lake.names():
        made = last_published(lake, name)
        if made is not None and name.split(".")[0] in {domain.name for domain in domains}:
            tables[name] = {"rows": made.rows, "snapshot_id": str(made.snapshot_id)}
    models = {}
    declared = [model for domain in domains for model in domain.models]
    for model in declared:
        champion = registry.champion(model.name)
        if champion is not None:
            models[model.name] = {
                "version": champion.version,
                "alias": "champion",
                "candidate": champion.candidate,
                "metrics": champion.metrics,
            }
    instance = open_instance(lake)
    gates = []
    for model in declared:
        for gate in model.gates:
            last = last_evaluation(instance, model.name, gate.name)
            if last is not None:
                gates.append(
                    {"name": gate.name, "model": model.name, "passed": last.passed, "message": last.description or ""}
                )
    return {
        "seconds": round(seconds, 2),
        "peak_memory_mb": watch.peak_mb(),
        "tables": tables,
        "models": models,
        "gates": gates,
        "steps": [
            {"name": step.name, "seconds": step.seconds, "rows": step.rows, "peak_memory_mb": step.peak_memory_mb}
            for report in reports
            for step in report.steps
        ],
        "recomputed": [name for report in reports for name in report.recomputed],
        "because": [cause for report in reports for cause in report.because],
        "runs": [run for report in reports for run in report.runs],
        "home": str(lake.home.root),
    }
