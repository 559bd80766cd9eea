"""Scoring rows with a registered version of a model.

What belongs here: from a pinned version and rows to probabilities. Not: choosing the version (registry.py).
"""

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from lakehouse.errors import HomeError
from lakehouse.models.model import Classifier
from lakehouse.models.model_files import MODEL_FILE, file_digest, trusted_types
from lakehouse.models.registry import Registry, Tag, Version
from lakehouse.models.training import design, probabilities


def score(registry: Registry, version: Version, frame: pl.DataFrame) -> pl.Series:
    """The probability of label 1 for each row of `frame`, in its order: a Float64 series named `score`.

    `frame` needs the version's input columns; others are ignored. The same version gives the same numbers everywhere.
    Raises UnknownNameError for a missing column, SlipwayError for a value that is none, HomeError for files that are
    missing or not those that were registered.
    """
    inputs = design(frame, version.inputs, f"rows to score with {version.uri}")
    if not frame.height:
        return pl.Series("score", [], pl.Float64)
    return pl.Series("score", probabilities(_pipeline(registry, version), inputs))


def _pipeline(registry: Registry, version: Version) -> Classifier:
    digest = version.tags.get(Tag.DIGEST, "")
    if version.folder is not None:
        return _load(version.folder / MODEL_FILE, version.uri, digest)
    from mlflow.artifacts import download_artifacts

    with TemporaryDirectory(prefix="slipway-") as scratch:
        fetched = download_artifacts(
            artifact_uri=f"{version.address}/{MODEL_FILE}", dst_path=scratch, tracking_uri=registry.tracking_uri
        )
        return _load(Path(fetched), version.uri, digest)


@lru_cache(maxsize=4)
def _load(model_file: Path, uri: str, digest: str) -> Classifier:
    import skops.io

    if not model_file.is_file():
        raise HomeError(
            f"The files of {uri} do not exist.",
            where=str(model_file),
            fix="Restore the folder, or train the model again.",
        )
    if file_digest(model_file) != digest:
        raise HomeError(
            f"The file of {uri} is not the one that was registered.",
            where=str(model_file),
            fix="Restore it from a copy, or train the model again.",
        )
    return skops.io.load(model_file, trusted=trusted_types(model_file))
