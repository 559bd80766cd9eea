"""How a domain stands: which of its tables and models are not in line with what they are made from, and why.

What belongs here: asking, for everything that a domain declares. Not: bringing anything up to date.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.engines.feature_tables import plan_feature_build
from lakehouse.errors import UnknownNameError
from lakehouse.models.predictions import plan_prediction_build
from lakehouse.models.registry import Registry
from lakehouse.models.retraining import model_input_snapshots
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.days import in_words
from lakehouse.training.assemble import plan_training_build
from lakehouse.transforms.project import TransformProject
from lakehouse.transforms.session import BuildSession


@dataclass(frozen=True)
class Standing:
    """One table or model that is out of line, and why."""

    name: str
    because: str


def stale_assets(
    lake: Lakehouse, domain: Domain, project: TransformProject, registry: Registry | None
) -> list[Standing]:
    """What would be recomputed now, inputs first. Deliveries that were not landed yet are not looked at.

    What is made from something out of line is out of line as well. Without a registry, models and their predictions
    are not asked about: opening one costs MLflow's seconds.
    """
    found: dict[str, Standing] = {}
    _tables(lake, domain, project, found)
    if registry is not None:
        _models(lake, domain, registry, found)
    return list(found.values())


def _tables(lake: Lakehouse, domain: Domain, project: TransformProject, found: dict[str, Standing]) -> None:
    """The tables that no model stands in front of."""
    session = BuildSession(lake, project, run_id="")
    for model in project.models:
        if model.table.split(".")[0] == domain.name:
            _ask(found, model.table, model.inputs, lambda model=model: session.plan_build(model))
    for one in domain.feature_sets:
        _ask(found, one.name, (one.spine, one.source), lambda one=one: plan_feature_build(lake, one))
    for one in domain.training_sets:
        _ask(found, one.name, one.inputs(), lambda one=one: plan_training_build(lake, one))


def _models(lake: Lakehouse, domain: Domain, registry: Registry, found: dict[str, Standing]) -> None:
    """Models and their predictions."""
    for model in domain.models:
        training_set = domain.training_set(model.training_set)
        if training_set.name in found:
            found[model.name] = Standing(model.name, f"{training_set.name} is out of line")
        else:
            input_snapshots = model_input_snapshots(lake, training_set)
            trained = registry.version_made_of(model.name, input_snapshots, model.fingerprint())
            if trained is None or not trained.aliases:
                found[model.name] = Standing(model.name, f"no version was trained from the present {training_set.name}")
        champion = registry.champion(model.name)
        inputs = (training_set.spine, *(one.name for one in training_set.feature_sets), model.name)
        if champion is not None:
            work = lambda one=model, sets=training_set, by=champion: plan_prediction_build(lake, one, sets, by)  # noqa: E731
            _ask(found, model.predictions, inputs, work)
        elif model.name in found:  # one that was trained and held back leaves nothing to score with
            found[model.predictions] = Standing(model.predictions, f"{model.name} has no champion")


def _ask(found: dict[str, Standing], name: str, inputs: Sequence[str], find: Callable[[], BuildPlan]) -> None:
    """Add the table to what was found, if it is out of line by itself or by one of its inputs."""
    behind = [one for one in inputs if one in found]
    try:
        work = find()
    except UnknownNameError as error:
        found[name] = Standing(name, error.what)
        return
    if work.needed:
        found[name] = Standing(name, f"{'; '.join(work.causes)} ({_extent(work)})")
    elif behind:
        found[name] = Standing(name, f"{behind[0]} is out of line")


def _extent(work: BuildPlan) -> str:
    return "all of it" if work.days is None else in_words(work.days)
