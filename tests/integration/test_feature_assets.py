"""Feature sets as Dagster assets: what a run reports, measures and checks, and the warnings when the graph loads.

What belongs here: assets over a small table of bookings. Not: the whole main job (test_main_job.py) and
computing (conformance/).
"""

from collections.abc import Sequence
from dataclasses import replace

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.errors import SlipwayWarning
from lakehouse.feature_tables.build import build_feature_set
from lakehouse.feature_tables.equal_values import CHECK
from lakehouse.features.feature_set import Entity, Example, FeatureSet, attribute, count, derived, last, total
from lakehouse.kinds.feature_set import FeatureSetAsset
from lakehouse.kinds.graph import AssetGraph
from lakehouse.loading import load_domains
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.check_result import AuditError
from lakehouse.tables.provenance import last_published
from lakehouse.tables.publish import publish
from lakehouse.tables.rows import Rows
from lakehouse.tables.write import write_draft
from lakehouse.training.training_frame import training_frame
from lakehouse.transforms.project import load_project
from orchestration.factories import Declared
from orchestration.kinds.feature_set import feature_asset, feature_assets
from orchestration.progress import Progress
from tests.scenario import EVERY_DAY, ledger_rows, ledger_shape, provenance

DAYS = EVERY_DAY[:9]


def features(name: str = "books.habits", *more, **more_arguments) -> FeatureSet:
    """Features of the bookings' notes."""
    return FeatureSet(
        name,
        Entity("note"),
        "books.ledger",
        "at",
        more or [count("booking").over("2d"), total("amount").over("12h")],
        row_key="number",
        description="Habits.",
        owner="team:books",
        **more_arguments,
    )


@pytest.fixture
def bookings_lake(lake: Lakehouse) -> Lakehouse:
    publish(lake, write_draft(lake, ledger_shape(), ledger_rows(DAYS), provenance()))
    return lake


def run(
    lake: Lakehouse, one: FeatureSet, others: Sequence[FeatureSet] = (), **config
) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    """One run of the set's asset, and its progress messages."""
    messages: list[str] = []
    resources = {"lake": lake, "progress": Progress(lambda step, text: messages.append(f"{step}: {text}"))}
    asset = feature_asset(FeatureSetAsset(one, "embedded"), others)
    op = {"ops": {asset.op.name: {"config": config}}} if config else {}
    done = dg.materialize([asset], resources=resources, run_config=op, raise_on_error=False)
    return done, messages


def declared(lake: Lakehouse, domain: Domain) -> Declared:
    """What the factory of feature sets is given for a domain."""
    graph = AssetGraph([], load_project(lake.settings, lake.home))
    return Declared(lake, graph, domain, [FeatureSetAsset(one, "embedded") for one in domain.feature_sets])


def metadata(done: dg.ExecuteInProcessResult) -> dict:
    (made,) = done.asset_materializations_for_node(next(iter(done.job_def.nodes)).name)
    return {name: value.value for name, value in made.metadata.items()}


def checks(done: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, dg.AssetCheckSeverity]]:
    return {one.check_name: (one.passed, one.severity) for one in done.get_asset_check_evaluations()}


def test_a_run_reports_its_progress_its_cost_and_its_checks(bookings_lake):
    done, messages = run(bookings_lake, features())
    assert messages == [
        "books.habits: looking for changes",
        "books.habits: computing 2 features of all days",
        "books.habits: writing and auditing 90 rows",
    ]
    shown = metadata(done)
    assert (shown["dagster/row_count"], shown["rows_written"]) == (90, 90)
    assert shown["seconds"] > 0
    assert shown["peak_memory_mb"] > 1
    assert "data:image/png" in shown["distributions"]
    assert {name: passed for name, (passed, _) in checks(done).items()} == dict.fromkeys(
        ("one_row_per_spine_row", "values_are_numbers", "examples_hold", CHECK), True
    )


def test_a_range_of_days_is_computed_again_in_one_run_and_nothing_new_is_not(bookings_lake):
    run(bookings_lake, features())
    done, messages = run(bookings_lake, features(), days=f"{DAYS[2]}:{DAYS[4]}")
    assert messages[1] == f"books.habits: computing 2 features of 3 days ({DAYS[2]} to {DAYS[4]})"
    assert (metadata(done)["dagster/row_count"], metadata(done)["rows_written"]) == (90, 30)
    again, messages = run(bookings_lake, features())
    assert messages == ["books.habits: looking for changes"]
    assert metadata(again)["snapshot"] == metadata(done)["snapshot"]


def test_a_failed_example_keeps_the_table_from_being_published(bookings_lake):
    at = {"note": "first", "at": "2018-04-02 09:00"}
    wrong = features(examples=[Example(given={}, at=at, expected={"booking_count_2d": 1})])
    done, _ = run(bookings_lake, wrong)
    assert not done.success
    assert checks(done)["examples_hold"] == (False, dg.AssetCheckSeverity.ERROR)
    assert last_published(bookings_lake, "books.habits") is None


def infinite(rows: pa.Table) -> pa.Table:
    """The rows with a sum that no number is."""
    place = rows.schema.get_field_index("amount_sum_12h")
    sums = [float("inf"), *rows.column(place).to_pylist()[1:]]
    return rows.set_column(place, rows.schema.field(place), pa.array(sums, pa.float64()))


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (infinite, "values_are_numbers"),
        (lambda rows: rows.slice(1), "one_row_per_spine_row"),
        (lambda rows: pa.concat_tables([rows.slice(0, 1), rows.slice(0, 1), rows.slice(2)]), "one_row_per_spine_row"),
    ],
    ids=["infinite", "a row is missing", "a row comes twice"],
)
def test_rows_that_an_engine_got_wrong_are_not_published(bookings_lake, spoil, check):
    class Wrong(EmbeddedEngine):
        def feature_rows(self, lake: Lakehouse, feature_set: FeatureSet, work: BuildPlan) -> Rows:
            rows = super().feature_rows(lake, feature_set, work)
            assert isinstance(rows, pa.Table)
            return spoil(rows)

    with pytest.raises(AuditError) as rejected:
        build_feature_set(bookings_lake, Wrong(), features(), run_id="feature-run")
    assert [one.name for one in rejected.value.check_results if not one.passed] == [check]
    assert last_published(bookings_lake, "books.habits") is None


@pytest.mark.parametrize(("own", "kind"), [("", "numpy"), ("spark", "spark"), ("embedded", "numpy")])
def test_an_asset_shows_the_engine_that_computes_it(own, kind):
    (spec,) = feature_asset(FeatureSetAsset(features(engine=own), "embedded")).specs
    assert spec.kinds == {"iceberg", kind}


def test_a_changed_definition_is_another_code_version_and_a_changed_description_is_not():
    def version(one: FeatureSet) -> str | None:
        (spec,) = feature_asset(FeatureSetAsset(one, "embedded")).specs
        return spec.code_version

    one = features()
    assert version(replace(one, description="Other words.", owner="team:other", engine="spark")) == version(one)
    assert version(replace(one, features=[*one.features[:1], total("amount").over("3d")])) != version(one)


def test_features_of_equal_values_are_reported_by_a_check_and_when_the_graph_loads(bookings_lake):
    """The sum of amounts and the sum of all amounts above 0 are equal: no amount is below."""
    one = features()
    twice = features("books.again", total("amount", named="positive", where="amount > 0").over("12h"))
    run(bookings_lake, one, [one, twice])
    done, _ = run(bookings_lake, twice, [one, twice])
    assert done.success, "it is a warning"
    assert checks(done)[CHECK] == (False, dg.AssetCheckSeverity.WARN)
    domain = Domain("books", [one, twice], ["team:books"])
    with pytest.warns(SlipwayWarning) as warned:
        feature_assets(declared(bookings_lake, domain))
    assert [str(each.message) for each in warned] == [
        "books.again.positive_sum_12h had the same values as books.habits.amount_sum_12h in each of 70 rows."
    ]


def test_the_use_of_a_deprecated_set_is_reported_when_the_graph_loads_and_by_the_training_frame(bookings_lake):
    old = features("books.old", deprecated="books.habits")
    on_it = features("books.on_it", derived("double", "old__booking_count_2d * 2"), uses=[old])
    run(bookings_lake, old)
    domain = load_domains(["fraud"])[0]
    (training,) = domain.training_sets
    training = replace(training, carry=[*training.carry, "note"], feature_sets=[old])
    with pytest.warns(SlipwayWarning) as warned:
        feature_assets(declared(bookings_lake, Domain("books", [old, on_it, training], ["team:books"])))
    assert [str(each.message) for each in warned] == [
        "fraud.training uses books.old, which is deprecated: use books.habits.",
        "books.on_it uses books.old, which is deprecated: use books.habits.",
    ]
    spine = pl.DataFrame(ledger_rows(DAYS[:1])).select("at", "note")
    with pytest.warns(SlipwayWarning, match=r"The frame uses books.old, which is deprecated: use books.habits."):
        training_frame(spine, old, lake=bookings_lake)


def test_text_time_and_null_features_are_plotted_as_far_as_they_are_numbers(bookings_lake):
    one = features("books.kinds", attribute("note", named="newest"), last("at").over("1d"), count("booking").over("1d"))
    done, _ = run(bookings_lake, one)
    assert done.success
    assert "data:image/png" in metadata(done)["distributions"]
    words = features("books.words", attribute("note", named="newest"))
    done, _ = run(bookings_lake, words)
    assert done.success
    assert "distributions" not in metadata(done)
