"""How a domain stands: which of its tables and models are not in line with what they are made from, and why.

What belongs here: asking, for everything that a domain declares. Not: bringing anything up to date.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lakehouse.catalog import Lakehouse
from lakehouse.domain import Domain
from lakehouse.engines.feature_tables import feature_work
from lakehouse.errors import UnknownNameError
from lakehouse.models.predictions import prediction_work
from lakehouse.models.registry import Registry
from lakehouse.models.retraining import model_pins
from lakehouse.tables.days import in_words
from lakehouse.tables.upkeep import Work
from lakehouse.training.assemble import training_work
from lakehouse.transforms.project import TransformProject
from lakehouse.transforms.session import BuildSession


@dataclass(frozen=True)
class Standing:
    """One table or model that is out of line, and why."""

    name: str
    because: str


def out_of_line(
    lake: Lakehouse, domain: Domain, project: TransformProject, registry: Registry | None
) -> list[Standing]:
    """What would be recomputed now, inputs first. Deliveries that were not landed yet are not looked at.

    Without a registry, models and their predictions are not asked about: opening one costs MLflow's seconds.
    """
    found = _tables(lake, domain, project)
    return found if registry is None else found + _models(lake, domain, registry)


def _tables(lake: Lakehouse, domain: Domain, project: TransformProject) -> list[Standing]:
    """The tables that no model stands in front of."""
    session = BuildSession(lake, project, run_id="")
    found: list[Standing] = []
    for model in project.models:
        if model.table.split(".")[0] == domain.name:
            found += _ask(model.table, lambda model=model: session.find_work(model))
    for feature_set in domain.feature_sets:
        found += _ask(feature_set.name, lambda one=feature_set: feature_work(lake, one))
    for training_set in domain.training_sets:
        found += _ask(training_set.name, lambda one=training_set: training_work(lake, one))
    return found


def _models(lake: Lakehouse, domain: Domain, registry: Registry) -> list[Standing]:
    """Models and their predictions."""
    found: list[Standing] = []
    for model in domain.models:
        training_set = domain.training_set(model.training_set)
        try:
            pins = model_pins(lake, training_set)
        except UnknownNameError as error:
            found.append(Standing(model.name, error.what))
            continue
        trained = registry.version_made_of(model.name, pins, model.fingerprint())
        if trained is None or not trained.aliases:
            found.append(Standing(model.name, f"no version was trained from the present {training_set.name}"))
        champion = registry.champion(model.name)
        if champion is None:
            found.append(Standing(model.predictions, f"{model.name} has no champion"))
        else:
            work = lambda one=model, sets=training_set, by=champion: prediction_work(lake, one, sets, by)  # noqa: E731
            found += _ask(model.predictions, work)
    return found


def _ask(name: str, find: Callable[[], Work]) -> list[Standing]:
    try:
        work = find()
    except UnknownNameError as error:
        return [Standing(name, error.what)]
    return [Standing(name, f"{'; '.join(work.causes)} ({_extent(work)})")] if work.needed else []


def _extent(work: Work) -> str:
    return "all of it" if work.days is None else in_words(work.days)
