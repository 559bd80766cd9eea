"""Evidently's data drift preset, as it comes, on pairs of deliveries. Run by Evidently's own Python, not by ours.

What belongs here: what a user of Evidently would write. Not: choosing deliveries and judging them
(benchmarks/deliveries.py).

Usage: evidently_drift.py FOLDER. FOLDER holds jobs.json and the Parquet files that it names. Prints, as JSON, of each
job whether the data set drifted (half of its columns, the preset's own limit) and whether any column did.
"""

import json
import sys
import warnings
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

DRIFTED_SHARE = 0.5


def main(folder: Path) -> None:
    """Judge every job."""
    warnings.simplefilter("ignore")
    asked = json.loads((folder / "jobs.json").read_text())
    definition = DataDefinition(numerical_columns=asked["numbers"], categorical_columns=asked["categories"])
    results = []
    for job in asked["jobs"]:
        before, now = (
            Dataset.from_pandas(_read(folder / job[name], asked), data_definition=definition)
            for name in ("before", "now")
        )
        try:
            result = Report([DataDriftPreset()]).run(now, before).dict()
        except Exception as error:  # noqa: BLE001  # it ends on a column without values, and whoever runs it notices
            results.append({"number": job["number"], "data_set": True, "any_column": True, "error": str(error)[:200]})
            continue
        counted = next(one["value"] for one in result["metrics"] if "DriftedColumnsCount" in one["metric_name"])
        results.append(
            {"number": job["number"], "data_set": counted["share"] >= DRIFTED_SHARE, "any_column": counted["count"] > 0}
        )
    sys.stdout.write(json.dumps(results) + "\n")


def _read(path: Path, asked: dict) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    frame[asked["categories"]] = frame[asked["categories"]].astype("string").astype(object)
    return frame


if __name__ == "__main__":
    main(Path(sys.argv[1]))
