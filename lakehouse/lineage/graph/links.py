"""Links from runs and nodes to Dagster's and MLflow's pages.

What belongs here: addresses. Not: details of runs and nodes (runs.py, details.py).
"""

from typing import Any
from urllib.parse import quote


class Pages:
    """The base addresses of Dagster's and MLflow's pages."""

    def __init__(self, dagster: str, mlflow: str) -> None:
        self.dagster = dagster
        self.mlflow = mlflow

    def of_run(self, run: str, facets: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
        """Return the links of a run."""
        links = []
        dagster = facets.get("slipway_dagster")
        if dagster and isinstance(dagster.get("runId"), str):
            links.append({"text": "Dagster: run", "url": f"{self.dagster}/runs/{_in_path(dagster['runId'])}"})
        external = facets.get("externalQuery")
        if external and str(external.get("source", "")).lower() == "mlflow":
            links.append({"text": "MLflow: run", "url": f"{self.mlflow}/#/runs/{_in_path(run.replace('-', ''))}"})
        return links

    def of_node(self, name: str, namespace: str, kind: str, versions: list[dict[str, Any]]) -> list[dict[str, str]]:
        """Return the links of a node: nodes in Slipway's namespaces are assets, models are in MLflow's registry."""
        links = []
        if namespace in {"slipway", "mlflow"} and kind != "FILE":
            links.append({"text": "Dagster: asset", "url": f"{self.dagster}/assets/{_in_path(name.replace('.', '/'))}"})
        if kind == "MODEL":
            page = f"{self.mlflow}/#/models/{_in_path(name)}"
            links.append({"text": "MLflow: model", "url": page})
            if versions:
                newest = versions[0]["snapshot"]
                links.append({"text": f"MLflow: version {newest}", "url": f"{page}/versions/{_in_path(newest)}"})
        return links


def _in_path(text: str) -> str:
    return quote(text, safe="/")
