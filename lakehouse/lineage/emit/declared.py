"""What is declared under each name: what it is, whose, what it means, what it is made from, and where that stands.

What belongs here: declarations of every kind in one form. Not: what is said of them in events (facets.py), and the
edges between columns (columns.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.contracts.quarantine import quarantine_shape
from lakehouse.domain import Domain
from lakehouse.engines.choice import engine_named
from lakehouse.feature_tables import equal_values
from lakehouse.feature_tables.build import CHECKS as FEATURE_CHECKS
from lakehouse.features.feature_set import FeatureSet
from lakehouse.ingestion.check_results import check_names
from lakehouse.lineage.emit import column_lineage, names
from lakehouse.lineage.emit.column_lineage import Columns
from lakehouse.models.input_contract import expected_checks
from lakehouse.models.leakage_check import input_check
from lakehouse.models.model import Model
from lakehouse.models.predictions import CHECKS as PREDICTION_CHECKS
from lakehouse.sources.source import Source
from lakehouse.training.lateness import checks_of
from lakehouse.training.training_set import TrainingSet
from lakehouse.training.training_tables import CHECKS as TRAINING_CHECKS
from lakehouse.transforms.lineage import Followed, follow_all
from lakehouse.transforms.project import TransformModel, TransformProject

NOTHING = Columns({})


@dataclass(frozen=True)
class Declared:
    """What is declared under a name. `checks` says what each check checks, `code` is the declaring file in the project.

    `parts` are names that belong to it: a model's candidates.
    """

    name: str
    kind: str
    owner: str = ""
    description: str = ""
    inputs: Sequence[str] = ()
    columns: Columns = NOTHING
    docs: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    sql: str = ""
    engine: str = ""
    contract: str = ""
    fingerprint: str = ""
    parts: Sequence[str] = ()

    @property
    def domain(self) -> str:
        """The business domain that it belongs to."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Declarations:
    """All that is declared, by name. `engine` computes tables that name none themselves."""

    by_name: Mapping[str, Declared]
    sources: Mapping[str, Source]
    models: Mapping[str, Model]
    project: Path
    engine: str = "embedded"

    def of(self, name: str) -> Declared:
        """What is declared under the name; of a name that nobody declares any more, only the name."""
        return self.by_name.get(name) or Declared(name, names.TABLE)

    def names(self) -> set[str]:
        """Every name that may be told in an error: tables, columns, checks, candidates."""
        found = set(self.by_name)
        for one in self.by_name.values():
            found |= {*one.columns.columns, *one.docs, *one.checks, *one.parts}
        return found


def declarations(domains: Iterable[Domain], project: TransformProject, engine: str = "embedded") -> Declarations:
    """Everything that the domains and the dbt project declare."""
    domains = list(domains)
    delivered = {source.name: source.shape.schema.names for domain in domains for source in domain.sources}
    followed = follow_all(project.models, delivered, project.work)
    files = {path.stem: path for path in sorted((project.folder / "models").rglob("*.sql"))}
    found: list[Declared] = []
    for table, (model, told) in followed.items():
        path = files.get(table.rpartition(".")[2])
        found.append(_sql_model(model, told, str(path.relative_to(project.folder.parent)) if path else "", engine))
    for domain in domains:
        for source in domain.sources:
            found += [_source(source), _quarantine(source)]
        found += [_feature_set(one, engine) for one in domain.feature_sets]
        found += [_training_set(one, engine) for one in domain.training_sets]
        for model in domain.models:
            found += [_model(model), _predictions(model, domain.training_set(model.training_set))]
    return Declarations(
        {one.name: one for one in found},
        {source.name: source for domain in domains for source in domain.sources},
        {model.name: model for domain in domains for model in domain.models},
        project.folder.parent,
        engine,
    )


def _says(checks: Mapping[str, str | tuple[str, bool]]) -> dict[str, str]:
    return {name: text if isinstance(text, str) else text[0] for name, text in checks.items()}


def _source(source: Source) -> Declared:
    return Declared(
        source.name,
        names.SOURCE,
        source.owner,
        source.description,
        columns=column_lineage.of_source(source),
        docs=source.shape.column_docs,
        checks=_says(check_names(source)),
        code=f"assets/{source.name.partition('.')[0]}/sources.py",
        contract=source.contract.version,
        fingerprint=source.contract.fingerprint(),
    )


def _quarantine(source: Source) -> Declared:
    shape = quarantine_shape(source.shape)
    return Declared(
        shape.name,
        names.QUARANTINE,
        source.owner,
        shape.description,
        columns=column_lineage.of_source(source),
        docs=shape.column_docs,
        code=f"assets/{source.name.partition('.')[0]}/sources.py",
        contract=source.contract.version,
    )


def _sql_model(model: TransformModel, followed: Followed, code: str, engine: str) -> Declared:
    return Declared(
        model.table,
        names.TABLE,
        model.owner,
        model.description,
        model.inputs,
        column_lineage.of_sql(followed, model.columns),
        model.columns,
        {test.name: test.description for test in model.tests},
        code or "dbt_project",
        model.sql.strip(),
        f"dbt-{engine_named(engine).sql_engine}",
        fingerprint=model.fingerprint(),
    )


def _feature_set(one: FeatureSet, engine: str) -> Declared:
    return Declared(
        one.name,
        names.FEATURE_SET,
        one.owner,
        one.description,
        one.inputs(),
        column_lineage.of_feature_set(one),
        {feature.column: feature.says for feature in one.described()},
        {**FEATURE_CHECKS, equal_values.CHECK: equal_values.SAYS},
        f"assets/{one.name.partition('.')[0]}/features.py",
        engine=one.engine or engine,
        fingerprint=one.fingerprint(),
    )


def _training_set(one: TrainingSet, engine: str) -> Declared:
    return Declared(
        one.name,
        names.TRAINING_SET,
        one.owner,
        one.description,
        one.inputs(),
        column_lineage.of_training_set(one),
        {},
        {**TRAINING_CHECKS, **checks_of(one)},
        f"assets/{one.name.partition('.')[0]}/training.py",
        engine=engine,
        fingerprint=one.fingerprint(),
    )


def _model(model: Model) -> Declared:
    return Declared(
        model.name,
        names.MODEL,
        model.owner,
        model.description,
        (model.training_set,),
        column_lineage.of_model(model),
        {column_lineage.SCORE: f"The probability that {model.label} is 1."},
        {**expected_checks(model.expects), **{one.name: one.description for one in model.gates}, **input_check(model)},
        f"assets/{model.name.partition('.')[0]}/model.py",
        engine="sklearn",
        fingerprint=model.fingerprint(),
        parts=[candidate.name for candidate in model.candidates],
    )


def _predictions(model: Model, training_set: TrainingSet) -> Declared:
    return Declared(
        model.predictions,
        names.PREDICTIONS,
        model.owner,
        f"The champion's scores of the newest day. {model.description}",
        (training_set.spine, *(one.name for one in training_set.feature_sets), model.name),
        column_lineage.of_predictions(model, training_set),
        {},
        _says({**expected_checks(model.expects), **PREDICTION_CHECKS}),
        f"assets/{model.name.partition('.')[0]}/model.py",
        engine="sklearn",
        fingerprint=model.fingerprint(),
    )
