"""A domain's tables up to the training set, and a small model, built by the product's own path in a home of their own.

What belongs here: the set-up that several benchmarks share. Not: measuring.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.domain import Domain
from lakehouse.engines.choice import engine_of
from lakehouse.feature_tables.build import build_feature_set
from lakehouse.ingestion.landing import land
from lakehouse.loading import load_domain
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.retraining import Retraining, retrain
from lakehouse.settings import Settings
from lakehouse.training.training_tables import build_training_set
from lakehouse.transforms.build import build
from lakehouse.transforms.project import load_project

RUN = "benchmark"


@contextmanager
def home_with(deliveries: Path, environment: Mapping[str, str] | None = None) -> Iterator[tuple[Lakehouse, Domain]]:
    """A lakehouse in a folder that is deleted afterwards, which looks for fraud's deliveries at a path.

    Of the settings that the environment could give, it has those of `environment` only.
    """
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        settings = Settings.from_environment(environment or {}, home=Path(folder, "home"))
        settings.export()
        lake = open_lakehouse(settings)
        lake.home.remember_source("fraud.transactions", deliveries)
        yield lake, load_domain("fraud")


def land_and_transform(lake: Lakehouse, domain: Domain) -> None:
    """Land the domain's sources and build its dbt models."""
    for source in domain.sources:
        land(lake, source, run_id=RUN).raise_if_nothing_passed()
    project = load_project(lake.settings, lake.home)
    models = [model.table for model in project.models if model.table.startswith(f"{domain.name}.")]
    for result in build(lake, project, models, run_id=RUN):
        if result.failure:
            raise SystemExit(result.failure)


def build_features(lake: Lakehouse, domain: Domain) -> None:
    """Feature sets and training sets."""
    for feature_set in domain.feature_sets:
        build_feature_set(lake, engine_of(lake, feature_set.engine), feature_set, run_id=RUN)
    for training_set in domain.training_sets:
        build_training_set(lake, training_set, run_id=RUN)


def train_small(lake: Lakehouse, domain: Domain) -> Retraining:
    """Train the first candidate alone of the domain's model, for `--quick`."""
    (model,), (training_set,) = domain.models, domain.training_sets
    small = replace(model, candidates=model.candidates[:1])
    return retrain(lake, open_registry(lake.home), small, training_set, run_id=RUN)
