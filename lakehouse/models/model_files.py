"""The files of a trained model, in MLflow's format, which store no code.

What belongs here: writing them, and what may be in them. Not: logging them to a run (recording.py).
"""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from lakehouse.errors import DeclarationError
from lakehouse.models.model import Model
from lakehouse.models.protocol import Split
from lakehouse.models.training import Trained

MODEL_FILE = "model.skops"
TRUSTED_PACKAGES = ("sklearn", "xgboost", "lightgbm", "catboost")
"""Whose classes a model file may be made of. The format (skops) stores no code, only names of classes and numbers."""


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def trusted_types(model_file: Path) -> list[str]:
    """Return the classes beyond skops' own list that `model_file` needs, all of them of TRUSTED_PACKAGES.

    Raises DeclarationError that names classes of other packages.
    """
    from skops.io import get_untrusted_types

    needed = get_untrusted_types(file=model_file)
    strange = [name for name in needed if name.split(".")[0] not in TRUSTED_PACKAGES]
    if strange:
        raise DeclarationError(
            f"A model file may not hold: {', '.join(strange)}.",
            where=str(model_file),
            nearest=", ".join(TRUSTED_PACKAGES),
            fix="Build the candidate from estimators of these packages.",
        )
    return needed


def save_model_files(folder: Path, model: Model, split: Split, winner: Trained, run: str) -> str:
    """Write the winner's MLflow model into `folder`, and return the digest of the file with its parameters."""
    import numpy as np
    import skops
    import skops.io
    from mlflow.models import Model as Format
    from mlflow.models import ModelSignature
    from mlflow.sklearn import SERIALIZATION_FORMAT_SKOPS, save_model
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    with TemporaryDirectory(prefix="slipway-") as scratch:
        trial = Path(scratch, MODEL_FILE)
        skops.io.dump(winner.pipeline, trial)
        trusted = trusted_types(trial)
    save_model(
        winner.pipeline,
        str(folder),
        mlflow_model=Format(run_id=run),
        serialization_format=SERIALIZATION_FORMAT_SKOPS,
        skops_trusted_types=trusted,
        signature=ModelSignature(
            inputs=Schema([ColSpec(DataType.double, name) for name in model.inputs]),
            outputs=Schema([TensorSpec(np.dtype(np.float64), (-1, 2))]),
        ),
        input_example=split.test.head(5).select(pl.col(name).cast(pl.Float64) for name in model.inputs).to_pandas(),
        pyfunc_predict_fn="predict_proba",
        # Given, so that MLflow does not start a process to find them out.
        pip_requirements=_requirements(winner),
    )
    return file_digest(folder / MODEL_FILE)


def _requirements(winner: Trained) -> list[str]:
    import sys
    from importlib.metadata import version

    package = type(winner.candidate.build()).__module__.split(".", maxsplit=1)[0]
    needed = {"scikit-learn": version("scikit-learn"), "skops": version("skops"), "numpy": version("numpy")}
    if package != "sklearn":
        needed[package] = sys.modules[package].__version__
    return [f"{name}=={number}" for name, number in needed.items()]
