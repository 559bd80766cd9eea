"""No leak by declaration: every way from a feature to what is known too late is found, shown and rejected.

What belongs here: small declared worlds, no tables. Not: what really arrived when (integration/test_arrival_delay.py).
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from assets.fraud.features import terminal_risk
from assets.fraud.sources import transactions
from assets.fraud.training import training
from lakehouse.errors import DeclarationError
from lakehouse.features.feature_set import Entity, Events, FeatureSet, attribute, count, derived, mean, rate, top
from lakehouse.sources.source import Source
from lakehouse.training.leaks import check_leaks
from lakehouse.training.training_set import Label, TrainingSet
from lakehouse.transforms.lineage import Followed, follow, follow_all
from lakehouse.transforms.project import TransformModel

KEYS = 'cast("TRANSACTION_ID" as bigint) as transaction_id, "TX_DATETIME" as tx_datetime, "TERMINAL_ID" as terminal_id'
STAGING = f'select {KEYS}, "TX_AMOUNT" as amount from {{{{ source("fraud", "transactions") }}}}'
REPORTS = (
    f'select {KEYS}, "TX_FRAUD" as is_fraud, "TX_DATETIME" + interval 7 days as reported_at '
    'from {{ source("fraud", "transactions") }}'
)
TIME = "tx_datetime"


def model(short: str, sql: str, columns: str, inputs: Sequence[str] = ("fraud.transactions",)) -> TransformModel:
    """A dbt model of the domain."""
    named = dict.fromkeys(columns.split(), "")
    return TransformModel(f"model.{short}", f"fraud.{short}", tuple(inputs), sql, (), "", "", named, {}, None, 0, ())


staging = model("stg_transactions", STAGING, "transaction_id tx_datetime terminal_id amount")
reports = model("fraud_reports", REPORTS, "transaction_id tx_datetime terminal_id is_fraud reported_at")
# A source that says nothing of when its columns are known: only the label does.
silent = replace(
    transactions,
    contract=replace(
        transactions.contract, columns=[replace(one, known_after="") for one in transactions.contract.columns]
    ),
)


def features(*declared, name: str = "fraud.risk", source: str = "fraud.fraud_reports", **more) -> FeatureSet:
    """Features of terminals, a row for each payment."""
    given = {"spine": "fraud.stg_transactions", "event_time": TIME, "row_key": "transaction_id", **more}
    return FeatureSet(
        name, Entity("terminal_id"), source, features=declared, description="Risk.", owner="team:payments", **given
    )


def training_of(*sets: FeatureSet, **more) -> TrainingSet:
    """A training set with the fraud domain's label."""
    given = {"carry": ["terminal_id", "amount"], "feature_sets": sets, **more}
    return replace(training, **given)


def check(
    *sets: FeatureSet,
    models: Sequence[TransformModel] = (staging, reports),
    source: Source = transactions,
    known_by: TrainingSet | None = None,
) -> None:
    """Check the sets in a domain with the label."""
    columns = {source.name: source.shape.schema.names, **{one.table: list(one.columns) for one in models}}
    followed = {one.table: (one, follow(one, {name: columns[name] for name in one.inputs})) for one in models}
    check_leaks([source], followed, sets, [known_by or training_of(*sets)])


def rejected(*sets: FeatureSet, **more) -> DeclarationError:
    """The error that rejects the sets."""
    with pytest.raises(DeclarationError) as caught:
        check(*sets, **more)
    return caught.value


RATE = rate("is_fraud").over("7d")


def test_a_label_seen_too_early_is_rejected_with_the_way_to_it():
    error = rejected(features(RATE, name="fraud.terminal_risk"))
    assert error.what == (
        "A feature uses values not available at serving time: "
        "terminal_risk.is_fraud_rate_7d <- fraud_reports.is_fraud <- known 7 days later; delay is 0."
    )
    assert (error.where, error.nearest) == ("feature set fraud.terminal_risk", 'delay="7d"')
    assert "delay of 7d or more" in error.fix
    assert "available_at" in error.fix


@pytest.mark.parametrize(("delay", "message"), [("6d", "delay is 6 days"), ("167h", "delay is 167 hours")])
def test_a_delay_that_is_too_short_is_rejected(delay, message):
    assert message in rejected(features(RATE, delay=delay)).what


@pytest.mark.parametrize("delay", ["7d", "168h", "30d"])
def test_enough_delay_is_enough(delay):
    check(features(RATE, delay=delay))


def test_the_declared_domain_has_no_leak():
    check(terminal_risk, features(mean("amount").over("1d"), name="fraud.spend", source="fraud.stg_transactions"))


def test_what_a_label_is_made_from_is_known_as_late_as_it():
    outcomes = model("outcomes", f'select {KEYS}, "TX_FRAUD" * 100 as loss from fraud.transactions', "tx_datetime loss")
    early = features(mean("loss").over("1d"), source="fraud.outcomes")
    error = rejected(early, models=(staging, reports, outcomes), source=silent)
    assert (
        "risk.loss_mean_1d <- outcomes.loss <- transactions.TX_FRAUD <- known 7 days later; delay is 0." in error.what
    )
    check(replace(early, delay="7d"), models=(staging, reports, outcomes), source=silent)


def test_columns_that_a_contract_declares_as_known_late_need_no_label():
    scenarios = model(
        "scenarios", f'select {KEYS}, "TX_FRAUD_SCENARIO" as how from fraud.transactions', "tx_datetime how"
    )
    sets, models = features(top("how").over("1d"), source="fraud.scenarios"), (staging, reports, scenarios)
    assert "scenarios.how <- transactions.TX_FRAUD_SCENARIO <- known 7 days later" in rejected(sets, models=models).what
    check(sets, models=models, source=silent)


FRAUD_ONLY = "is_fraud = 1"


@pytest.mark.parametrize(
    "declared",
    [
        count("tx", where=FRAUD_ONLY).over("1d"),
        mean("transaction_id", by="is_fraud", values=(0, 1)).over("1d"),
        attribute("is_fraud"),
        attribute("transaction_id", named="newest", until="is_fraud"),
    ],
    ids=["where", "by", "attribute", "until"],
)
def test_every_column_that_decides_a_value_counts(declared):
    assert "<- fraud_reports.is_fraud <- known 7 days later" in rejected(features(declared)).what


def test_a_key_can_be_known_late():
    own = Events("fraud.fraud_reports", TIME, keys=("is_fraud",))
    assert "fraud_reports.is_fraud" in rejected(features(count("tx").over("1d").of(own))).what


def test_events_of_another_table_have_a_delay_of_their_own():
    late = Events("fraud.fraud_reports", TIME, delay="7d")
    check(features(RATE.of(late), source="fraud.stg_transactions"))
    early = replace(late, delay="0d")
    assert "delay is 0" in rejected(features(RATE.of(early), source="fraud.stg_transactions", delay="7d")).what


@pytest.mark.parametrize(
    "sql",
    [
        f'select {KEYS} from fraud.transactions where "TX_FRAUD" = 1',
        f'with f as (select * from fraud.transactions where "TX_FRAUD" = 1) select {KEYS} from f',
        f"""select {KEYS} from fraud.transactions t where exists (
            select 1 from fraud.transactions o where o."TERMINAL_ID" = t."TERMINAL_ID" and o."TX_FRAUD" = 1)""",
        f'select {KEYS} from fraud.transactions qualify row_number() over (partition by "TX_FRAUD") = 1',
        f'select {KEYS} from fraud.transactions group by all having max("TX_FRAUD") = 1',
        f"""select {KEYS} from fraud.transactions semi join (
            select "TERMINAL_ID" from fraud.transactions where "TX_FRAUD" = 1) using ("TERMINAL_ID")""",
    ],
    ids=["where", "common_table", "exists", "qualify", "having", "semi_join"],
)
def test_rows_that_are_there_because_of_a_label_cannot_even_be_counted(sql):
    chosen = model("chosen", sql, "transaction_id tx_datetime terminal_id")
    models = (staging, reports, chosen)
    error = rejected(features(count("tx").over("1d"), source="fraud.chosen"), models=models)
    assert "<- chosen" not in error.what.replace("<- chosen.terminal_id", "")
    assert "transactions.TX_FRAUD <- known 7 days later" in error.what
    check(features(count("tx").over("1d"), source="fraud.chosen", delay="7d"), models=models)


@pytest.mark.parametrize(
    "sql",
    [
        f'select {KEYS}, (select max("TX_FRAUD") from fraud.transactions) as x from fraud.transactions',
        f'select {KEYS}, 0 as x from fraud.transactions union all select {KEYS}, "TX_FRAUD" from fraud.transactions',
        f'select {KEYS}, sum("TX_AMOUNT") over (partition by "TX_FRAUD") as x from fraud.transactions',
        f'select {KEYS}, case when "TX_FRAUD" = 1 then "TX_AMOUNT" end as x from fraud.transactions',
        """select t."TX_DATETIME" as tx_datetime, t."TERMINAL_ID" as terminal_id, o."TX_AMOUNT" as x
            from fraud.transactions t left join fraud.transactions o on o."TX_FRAUD" = t."TERMINAL_ID" """,
    ],
    ids=["scalar_subquery", "union", "window", "case", "left_join"],
)
def test_the_label_is_found_wherever_sql_hides_it(sql):
    hidden = model("hidden", sql, "tx_datetime terminal_id x")
    sets = features(mean("x").over("1d"), source="fraud.hidden")
    assert (
        "<- hidden.x <- transactions.TX_FRAUD <- known 7 days" in rejected(sets, models=(staging, reports, hidden)).what
    )


def test_a_way_through_several_models_is_shown_whole():
    second = model(
        "second",
        "select *, is_fraud + 1 as risk from fraud.fraud_reports",
        "tx_datetime terminal_id risk",
        ["fraud.fraud_reports"],
    )
    sets = features(mean("risk").over("1d"), source="fraud.second")
    way = "risk.risk_mean_1d <- second.risk <- fraud_reports.is_fraud <- known 7 days later"
    assert way in rejected(sets, models=(staging, reports, second)).what


def test_rows_that_a_label_chose_stay_chosen_in_models_behind():
    """What decides the rows of one model decides those of the next, though none of its columns tells."""
    keys = "transaction_id tx_datetime terminal_id"
    chosen = model("chosen", f'select {KEYS} from fraud.transactions where "TX_FRAUD" = 1', keys)
    behind = model("behind", f"select {keys.replace(' ', ', ')} from fraud.chosen", keys, ["fraud.chosen"])
    sets, models = features(count("tx").over("1d"), source="fraud.behind"), (staging, reports, chosen, behind)
    way = "risk.tx_count_1d <- behind.terminal_id <- chosen.terminal_id <- transactions.TX_FRAUD <- known 7 days later"
    assert way in rejected(sets, models=models).what
    check(replace(sets, delay="7d"), models=models)


def test_a_day_is_not_known_before_it_is_over():
    """A table with a row a day says at midnight what only the day will bring."""
    daily = model(
        "daily",
        'select date_trunc(\'day\', "TX_DATETIME") as day, "TERMINAL_ID" as terminal_id, sum("TX_AMOUNT") as paid, '
        'max("TX_FRAUD") as fraud from fraud.transactions group by all',
        "day terminal_id paid fraud",
    )
    models = (staging, reports, daily)
    paid = mean("paid").over("7d").of(Events("fraud.daily", "day"))
    assert "daily.paid <- transactions.TX_AMOUNT <- known 1 day later" in rejected(features(paid), models=models).what
    check(features(paid.of(Events("fraud.daily", "day", "1d"))), models=models)
    fraud = mean("fraud").over("7d")
    assert (
        "known 8 days later; delay is 7 days"
        in rejected(features(fraud.of(Events("fraud.daily", "day", "7d"))), models=models).what
    )
    check(features(fraud.of(Events("fraud.daily", "day", "8d"))), models=models)


def test_events_that_happen_when_they_are_known_need_no_delay():
    check(features(RATE.of(Events("fraud.fraud_reports", "reported_at"))))


def test_a_column_with_the_time_of_arrival_is_enough_unless_it_is_known_to_be_early():
    check(features(RATE.of(Events("fraud.fraud_reports", TIME, available_at="reported_at"))))
    early = features(RATE.of(Events("fraud.fraud_reports", TIME, available_at=TIME)))
    assert "known 7 days later; available_at is tx_datetime" in rejected(early).what


def test_derived_features_may_not_read_the_label_from_the_spine():
    sets = features(
        count("tx").over("1d"),
        derived("peek", "is_fraud * 2"),
        source="fraud.stg_transactions",
        spine="fraud.fraud_reports",
    )
    assert (
        "risk.peek <- fraud_reports.is_fraud <- known 7 days later; a derived feature has no delay"
        in rejected(sets).what
    )


def test_features_on_features_are_followed():
    early = features(RATE, name="fraud.early")
    on_it = features(derived("double", "early__is_fraud_rate_7d * 2"), name="fraud.on_it", uses=[early])
    assert "early.is_fraud_rate_7d <- fraud_reports.is_fraud" in rejected(on_it).what, "though only the other is listed"
    sound = replace(early, delay="7d")
    check(replace(on_it, uses=[sound]))
    as_events = features(mean("is_fraud_rate_7d").over("1d"), name="fraud.again", source="fraud.early")
    check(sound, as_events)
    assert rejected(early, as_events).where == "feature set fraud.early"


def test_what_a_training_set_carries_is_known_at_its_rows_times():
    error = rejected(
        terminal_risk,
        known_by=training_of(
            terminal_risk,
            spine="fraud.fraud_reports",
            carry=["terminal_id", "is_fraud"],
            label=replace(training.label, column="reported_at"),
        ),
    )
    assert error.where == "training set fraud.training, carry"
    assert "training.is_fraud <- transactions" not in error.what
    assert "training.is_fraud <- fraud_reports.is_fraud <- transactions.TX_FRAUD <- known 7 days later" in error.what


def test_a_label_declares_its_delay_where_sql_does_not():
    looked_up = model(
        "fraud_reports",
        f'select {KEYS}, "TX_FRAUD" as is_fraud, "TX_TIME_SECONDS" as reported_at from fraud.transactions',
        "transaction_id tx_datetime terminal_id is_fraud reported_at",
    )
    models = (staging, looked_up)
    sets = features(RATE, delay="30d")
    error = rejected(sets, models=models, source=silent)
    assert "known time is not declared: risk.is_fraud_rate_7d <- fraud_reports.is_fraud." in error.what
    assert error.nearest == 'Label(..., known_after="7d")'
    given = training_of(sets, label=replace(training.label, known_after="7d"))
    check(sets, models=models, source=silent, known_by=given)
    short = replace(sets, delay="6d")
    assert "known 7 days later; delay is 6 days" in rejected(short, models=models, source=silent, known_by=given).what


def test_a_label_that_contradicts_its_sql_is_rejected():
    error = rejected(
        terminal_risk, known_by=training_of(terminal_risk, label=replace(training.label, known_after="3d"))
    )
    assert error.what == "known_after is 3d, but reported_at is 7 days after tx_datetime."
    assert error.nearest == 'known_after="7d"'


def test_what_a_label_is_computed_from_may_be_known_at_once():
    large = model(
        "fraud_reports",
        REPORTS.replace('"TX_FRAUD" as', '"TX_AMOUNT" > 500 and "TX_FRAUD" = 1 as'),
        "transaction_id tx_datetime terminal_id is_fraud reported_at",
    )
    spend = features(mean("amount").over("1d"), name="fraud.spend", source="fraud.stg_transactions")
    bare = training_of(spend, carry=["terminal_id"])
    error = rejected(spend, models=(staging, large), source=silent, known_by=bare)
    assert "spend.amount_mean_1d <- stg_transactions.amount <- transactions.TX_AMOUNT <- known 7 days" in error.what
    assert 'known_after="0d"' in error.fix
    reported = [replace(one, known_after="0d" if one.name == "TX_AMOUNT" else "") for one in silent.contract.columns]
    check(
        spend,
        models=(staging, large),
        source=replace(silent, contract=replace(silent.contract, columns=reported)),
        known_by=bare,
    )
    check(spend, models=(staging, large))  # what the contract calls late is late, and the rest is not


def test_sql_that_cannot_be_followed_may_come_from_anywhere():
    strange = model(
        "strange", "select {{ a_package.columns() }} from {{ source('fraud', 'transactions') }}", "tx_datetime x"
    )
    error = rejected(features(mean("x").over("1d"), source="fraud.strange"), models=(staging, reports, strange))
    assert "known 7 days later (possibly: its SQL cannot be traced)" in error.what
    check(features(mean("x").over("1d"), source="fraud.strange", delay="7d"), models=(staging, reports, strange))


def test_all_features_with_the_leak_are_named():
    error = rejected(features(RATE, rate("is_fraud").over("1d"), count("tx").over("1d")))
    assert error.what.endswith("Also: is_fraud_rate_1d.")


@pytest.mark.parametrize("length", ["7", "-1d", "soon"])
def test_lateness_has_a_unit(length):
    with pytest.raises(DeclarationError, match="is not a duration"):
        Label("fraud.fraud_reports", "is_fraud", "transaction_id", "reported_at", known_after=length)
    with pytest.raises(DeclarationError, match="is not a duration"):
        replace(transactions.contract.columns[0], known_after=length)


def test_saying_when_columns_are_known_changes_no_table():
    assert silent.contract.fingerprint() == transactions.contract.fingerprint()
    late = replace(training, label=replace(training.label, known_after="7d"))
    assert late.fingerprint() == training.fingerprint()
    assert replace(training, late_tolerance=0.1).fingerprint() == training.fingerprint()


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_tolerance_is_a_share(share):
    with pytest.raises(DeclarationError, match="is not a share"):
        replace(training, late_tolerance=share)


def test_what_was_read_off_sql_is_kept_and_read_again_after_a_change(tmp_path):
    delivered = {transactions.name: transactions.shape.schema.names}
    first = follow_all([staging, reports], delivered, tmp_path)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    assert follow_all([staging, reports], delivered, tmp_path) == first
    assert first[reports.table][1].times["reported_at"] == (("fraud.transactions", "TX_DATETIME"), 7 * 86_400_000_000)
    changed = replace(reports, sql=reports.sql.replace("7 days", "9 days"))
    again = follow_all([staging, changed], delivered, tmp_path)
    assert again[reports.table][1].times["reported_at"][1] == 9 * 86_400_000_000
    for file in kept:
        file.write_text("{")  # a process was killed
    assert follow_all([staging, reports], delivered, tmp_path) == first
    assert isinstance(first[staging.table][1], Followed)


def test_months_differ_so_their_length_is_to_be_declared():
    monthly = replace(reports, sql=reports.sql.replace("7 days", "1 month"))
    sets = features(RATE, delay="31d")
    assert "known time is not declared" in rejected(sets, models=(staging, monthly), source=silent).what
