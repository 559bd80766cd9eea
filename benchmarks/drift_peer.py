"""What Evidently's default data drift preset says of deliveries. It has a Python of its own, made when first needed.

What belongs here: handing deliveries over and reading the answers. Not: what Evidently's user writes
(peers/evidently_drift.py), and judging (deliveries.py).
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.delivered import DataSet

EVIDENTLY = ("evidently==0.7.23", "pandas<3")  # with pandas 3 it cannot be imported
PEER = "Evidently 0.7.23"
CACHE = Path.home() / ".cache" / "slipway" / "benchmarks" / "evidently-0.7.23"
SCRIPT = Path(__file__).with_name("peers") / "evidently_drift.py"
REFERENCE = 30
"""Deliveries before that a delivery is compared with."""


def drifted(tried: Sequence[tuple[int, pa.Table | None]], data: DataSet, folder: Path) -> dict[str, list[bool]]:
    """Whether each delivery (its place, its rows) drifted, by criterion: the data set's as preset, and any column's.

    What could not be read counts as noticed.
    """
    numbers = [*data.amounts]
    categories = [
        one.name for one in data.source.contract.columns if one.type != "timestamp" and one.name not in numbers
    ]
    jobs = []
    for number, (place, rows) in enumerate(tried):
        if rows is None:
            continue
        pq.write_table(rows.select([*numbers, *categories]), folder / f"now_{number}.parquet")
        before = folder / f"before_{place}.parquet"
        if not before.exists():
            pl.concat(data.deliveries[max(place - REFERENCE, 0) : place]).select(*numbers, *categories).write_parquet(
                before
            )
        jobs.append({"number": number, "now": f"now_{number}.parquet", "before": before.name})
    (folder / "jobs.json").write_text(json.dumps({"numbers": numbers, "categories": categories, "jobs": jobs}))
    done = subprocess.run([_python(), str(SCRIPT), str(folder)], stdout=subprocess.PIPE, text=True, check=True)
    answered = {one["number"]: one for one in json.loads(done.stdout.splitlines()[-1])}
    nothing = {"data_set": True, "any_column": True}
    answers = [answered.get(number, nothing) for number in range(len(tried))]
    return {
        "data set drifts": [one["data_set"] for one in answers],
        "any column drifts": [one["any_column"] for one in answers],
    }


def _python() -> str:
    """The Python that has Evidently; it is made when it is not there."""
    python = CACHE / "bin" / "python"
    if not (CACHE / "complete").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, CACHE], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *EVIDENTLY], check=True)
        (CACHE / "complete").touch()
    return str(python)
