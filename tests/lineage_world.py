"""A small world of lineage events: the fraud domain over three days, with a failing check, a failed run and a breaker.

What belongs here: events as any producer sends them, for tests of whoever receives or shows them. Not: events of real
runs, which orchestration/lineage/emitter.py makes. The same `newest` gives the same events.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

PRODUCER = "https://example.org/lineage-world"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
NEWEST = datetime(2024, 3, 6, 6, tzinfo=UTC)
DAYS = 3
DAGSTER = "http://127.0.0.1:3000"

Fields = dict[str, dict[str, Any]]


WORLD = """
fraud.transactions SOURCE team:payments | Card payments as the bank delivers them.
  TRANSACTION_ID long | The bank's own number of a payment.
  TX_DATETIME timestamp | When it was paid, UTC.
  CUSTOMER_ID string | Who paid. Personal data.
  TERMINAL_ID string | Where it was paid.
  TX_AMOUNT double | How much, in the currency's units.
  TX_FRAUD long | 1 when it turned out to be fraud, known 7 days later.
  ! columns_present - error | 6 columns | 6 columns
  ! amount_not_negative TX_AMOUNT error | >= 0 | -12.5
  ! rows_a_day - warn | 9,000 to 10,000 | 9,412
fraud.stg_transactions TABLE team:payments | Payments with the names that everybody uses.
  transaction_id long < fraud.transactions.TRANSACTION_ID IDENTITY
  tx_datetime timestamp < fraud.transactions.TX_DATETIME IDENTITY | Event time.
  customer_id string < fraud.transactions.CUSTOMER_ID MASKED | Masked.
  terminal_id string < fraud.transactions.TERMINAL_ID IDENTITY
  amount double < fraud.transactions.TX_AMOUNT IDENTITY | In the currency's units.
  is_fraud boolean < fraud.transactions.TX_FRAUD TRANSFORMATION
  ! transaction_id_unique transaction_id error | 0 doubled | 0 doubled
fraud.fraud_reports TABLE team:risk | Payments that turned out to be fraud, when that became known.
  transaction_id long < fraud.stg_transactions.transaction_id IDENTITY
  terminal_id string < fraud.stg_transactions.terminal_id IDENTITY
  is_fraud boolean < fraud.stg_transactions.is_fraud IDENTITY
  reported_at timestamp < fraud.stg_transactions.tx_datetime TRANSFORMATION | 7 days after the payment.
  ! is_fraud_accepted_values is_fraud warn | 0.5% to 1.5% | 2.1%
fraud.daily_activity TABLE team:payments | Payments a day.
  day date < fraud.stg_transactions.tx_datetime TRANSFORMATION
  payments long < fraud.stg_transactions.transaction_id AGGREGATION
  amount double < fraud.stg_transactions.amount AGGREGATION
fraud.customer_spend FEATURE_SET team:payments | How often and how much a customer pays.
  customer_id string < fraud.stg_transactions.customer_id IDENTITY | Entity.
  event_time timestamp < fraud.stg_transactions.tx_datetime IDENTITY
  tx_count_1d long
    < fraud.stg_transactions.transaction_id AGGREGATION
    < fraud.stg_transactions.tx_datetime WINDOW | Payments in the last day.
  tx_count_7d long
    < fraud.stg_transactions.transaction_id AGGREGATION
    < fraud.stg_transactions.tx_datetime WINDOW | Payments in the last 7 days.
  amount_mean_7d double
    < fraud.stg_transactions.amount AGGREGATION
    < fraud.stg_transactions.tx_datetime WINDOW | Mean of amount in the last 7 days.
  amount_mean_30d double
    < fraud.stg_transactions.amount AGGREGATION
    < fraud.stg_transactions.tx_datetime WINDOW | Mean of amount in the last 30 days.
  ! examples_hold - error | all | all
fraud.terminal_risk FEATURE_SET team:risk | How busy a terminal is and what share of its payments was fraud.
  terminal_id string < fraud.fraud_reports.terminal_id IDENTITY | Entity.
  tx_count_7d long < fraud.fraud_reports.transaction_id AGGREGATION
  is_fraud_rate_7d double < fraud.fraud_reports.is_fraud AGGREGATION | Share of fraud, 7 days before.
  is_fraud_rate_30d double < fraud.fraud_reports.is_fraud AGGREGATION < fraud.fraud_reports.reported_at WINDOW
fraud.transaction_time FEATURE_SET team:payments | What the clock shows at a payment.
  transaction_id long < fraud.stg_transactions.transaction_id IDENTITY | Entity.
  is_weekend boolean < fraud.stg_transactions.tx_datetime TRANSFORMATION
  is_night boolean < fraud.stg_transactions.tx_datetime TRANSFORMATION
fraud.training TRAINING_SET team:models | Payments with features as they were known, and whether they were fraud.
  transaction_id long < fraud.stg_transactions.transaction_id IDENTITY
  is_fraud boolean < fraud.stg_transactions.is_fraud IDENTITY | Label.
  customer_spend__tx_count_7d long < fraud.customer_spend.tx_count_7d IDENTITY
  customer_spend__amount_mean_7d double < fraud.customer_spend.amount_mean_7d IDENTITY
  terminal_risk__is_fraud_rate_7d double < fraud.terminal_risk.is_fraud_rate_7d IDENTITY
  transaction_time__is_weekend boolean < fraud.transaction_time.is_weekend IDENTITY
  ! no_leak - error | 0 rows | 0 rows
fraud.scorer MODEL team:models | How likely a payment is fraud.
  score double
    < fraud.training.is_fraud TRANSFORMATION
    < fraud.training.customer_spend__tx_count_7d TRANSFORMATION
    < fraud.training.customer_spend__amount_mean_7d TRANSFORMATION
    < fraud.training.terminal_risk__is_fraud_rate_7d TRANSFORMATION
    < fraud.training.transaction_time__is_weekend TRANSFORMATION | 0 to 1.
  ! average_precision - error | >= 0.6 | 0.66
fraud.predictions PREDICTIONS team:models | The champion's scores of each payment.
  transaction_id long < fraud.stg_transactions.transaction_id IDENTITY
  score double
    < fraud.scorer.score IDENTITY
    < fraud.customer_spend.amount_mean_7d TRANSFORMATION
    < fraud.terminal_risk.is_fraud_rate_7d TRANSFORMATION | 0 to 1.
  scored_at timestamp
credit.loans SOURCE team:credit | Loans as the register delivers them.
  loan_id long
  customer_id string
  amount double
  ! loan_id_unique loan_id error | 0 doubled | 0 doubled
credit.exposure TABLE team:credit | What each customer owes.
  customer_id string < credit.loans.customer_id IDENTITY
  owed double < credit.loans.amount AGGREGATION
"""
"""A line is a thing: name, kind, owner and what it is; then its columns, each with what it is made from and how; then
its checks (!): name, column, severity, what is expected, and what there was on the newest day."""


@dataclass(frozen=True)
class Thing:
    """A dataset of the world. `columns`: name -> type and docs. `made`: column -> (source, column, how)."""

    name: str
    kind: str
    owner: str
    description: str
    columns: dict[str, tuple[str, str]] = field(default_factory=dict)
    made: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    checks: list[tuple[str, str | None, str, str, str]] = field(default_factory=list)

    @property
    def model(self) -> bool:
        """Whether it is in MLflow's registry."""
        return self.kind == "MODEL"

    @property
    def inputs(self) -> list[str]:
        """What it is made from."""
        return list(dict.fromkeys(source for sources in self.made.values() for source, _, _ in sources))


def things(text: str = WORLD) -> list[Thing]:
    """What the text says."""
    found: list[Thing] = []
    for line in text.strip().replace("\n    <", " <").splitlines():
        words, *details = line.split(" | ")
        if not line.startswith(" "):
            found.append(Thing(*words.split(), description=details[0]))
        elif words.startswith("  ! "):
            name, column, severity = words[4:].split()
            found[-1].checks.append((name, None if column == "-" else column, severity, *details))
        else:
            column, *sources = words.split(" < ")
            name, kind = column.split()
            found[-1].columns[name] = (kind, details[0] if details else "")
            for source in sources:
                whole, how = source.split()
                table, _, field_name = whole.rpartition(".")
                found[-1].made.setdefault(name, []).append((table, field_name, how))
    return found


THINGS = things()
FAILING = {"amount_not_negative", "is_fraud_accepted_values"}
INDIRECT = {"WINDOW", "FILTER", "JOIN", "GROUP_BY", "SORT"}
BY_NAME = {thing.name: thing for thing in THINGS}


def run_id(*words: object) -> str:
    """The same words, the same run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, " ".join(map(str, words))))


def facet(**details: Any) -> dict[str, Any]:
    """A facet with what every facet needs."""
    return {"_producer": PRODUCER, "_schemaURL": "https://example.org/facet.json", **details}


def placed(thing: Thing) -> dict[str, str]:
    """A dataset's namespace and physical name."""
    if thing.model:
        return {"namespace": "mlflow", "name": thing.name}
    return {"namespace": "file", "name": f"/lake/warehouse/{thing.name.replace('.', '/')}"}


def delivered(source: str, day: datetime) -> dict[str, Any]:
    """A delivered file."""
    stem = f"{source}/{source.rpartition('.')[2]}_{day.date()}.parquet"
    return {
        "namespace": "file",
        "name": f"/lake/drop/{stem}",
        "facets": {
            "symlinks": facet(identifiers=[{"namespace": "slipway", "name": stem, "type": "FILE"}]),
            "datasetType": facet(datasetType="FILE"),
        },
    }


def dataset(thing: Thing, day: int, *, wrote: bool) -> dict[str, Any]:
    """A dataset as an event of the day names it."""
    version = (
        str(day + 1) if thing.model else str(5_577_006_791_947_779_410 + 1_000_003 * (day * 31 + THINGS.index(thing)))
    )
    facets: dict[str, Any] = {
        "symlinks": facet(
            identifiers=[{"namespace": "slipway", "name": thing.name, "type": "MODEL" if thing.model else "TABLE"}]
        ),
        "version": facet(datasetVersion=version),
    }
    if wrote:
        facets |= {
            "datasetType": facet(datasetType=thing.kind),
            "schema": facet(
                fields=[
                    {"name": name, "type": kind, **({"description": description} if description else {})}
                    for name, (kind, description) in thing.columns.items()
                ]
            ),
            "ownership": facet(owners=[{"name": thing.owner, "type": "owner"}]),
            "documentation": facet(description=thing.description),
            "storage": facet(storageLayer="iceberg", fileFormat="parquet"),
            "tags": facet(tags=[{"key": "slipway/kind", "value": thing.kind.lower(), "source": "slipway"}]),
            "slipway_contract": facet(version=str(2 if day == DAYS - 1 else 1), fingerprint=f"c{day // 2}f0"),
        }
        if thing.made:
            facets["columnLineage"] = facet(fields=_column_lineage(thing))
        if thing.name == "fraud.transactions" and day == DAYS - 1:
            facets["slipway_breaker"] = facet(
                state="open",
                since="2024-03-06T05:02:00Z",
                why="3 deliveries in a row were rejected: amount_not_negative",
            )
    body: dict[str, Any] = {**placed(thing), "facets": facets}
    if wrote:
        body["outputFacets"] = {
            "outputStatistics": facet(rowCount=9_000 + 137 * day + 1_000 * len(thing.columns), size=120_000)
        }
        if thing.checks:
            facets["dataQualityAssertions"] = facet(assertions=[_assertion(*check, day=day) for check in thing.checks])
    return body


def _column_lineage(thing: Thing) -> Fields:
    return {
        column: {
            "inputFields": [
                {**placed(BY_NAME[source]), "field": name, "transformations": [_transformation(how)]}
                for source, name, how in sources
            ]
        }
        for column, sources in thing.made.items()
    }


def _transformation(how: str) -> dict[str, Any]:
    if how == "MASKED":
        return {"type": "DIRECT", "subtype": "TRANSFORMATION", "masking": True}
    return {"type": "INDIRECT" if how in INDIRECT else "DIRECT", "subtype": how, "masking": False}


def _assertion(name: str, column: str | None, severity: str, expected: str, actual: str, *, day: int) -> dict[str, Any]:
    good = day < DAYS - 1 or name not in FAILING
    return {
        "assertion": name,
        "name": name,
        "success": good,
        "severity": severity,
        "expected": expected,
        "actual": actual if day == DAYS - 1 or expected == actual else expected,
        **({"column": column} if column else {}),
    }


def event(state: str, at: datetime, job: str, run: str, root: str | None, **more: Any) -> dict[str, Any]:
    """An event of a run of a job in Slipway's namespace."""
    facets = dict(more.pop("run_facets", {}))
    if root:
        parent = {"job": {"namespace": "slipway", "name": "fraud_main"}, "run": {"runId": root}}
        facets["parent"] = facet(**parent, root=parent)
    return {
        "eventType": state,
        "eventTime": at.isoformat().replace("+00:00", "Z"),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run, "facets": facets},
        "job": {"namespace": "slipway", "name": job, "facets": more.pop("job_facets", {})},
        "inputs": more.get("inputs", []),
        "outputs": more.get("outputs", []),
    }


def events(newest: datetime = NEWEST) -> Iterator[dict[str, Any]]:
    """All events, oldest first."""
    for day in range(DAYS):
        begin = newest - timedelta(days=DAYS - 1 - day, hours=1)
        root = run_id("root", day)
        code = facet(version=["3f2c81a", "3f2c81a", "b7e90d4"][day], definition=f"d{day // 2}")
        dagster = facet(runId=root, url=f"{DAGSTER}/runs/{root}")
        yield event(
            "START", begin, "fraud_main", root, None, run_facets={"slipway_code": code, "slipway_dagster": dagster}
        )
        for number, thing in enumerate(THINGS):
            at = begin + timedelta(minutes=3 * number)
            yield from _step(thing, day, at, root, {"slipway_code": code, "slipway_dagster": dagster})
        yield event(
            "FAIL" if day == DAYS - 1 else "COMPLETE",
            begin + timedelta(minutes=3 * len(THINGS)),
            "fraud_main",
            root,
            None,
        )


def _step(thing: Thing, day: int, at: datetime, root: str, facets: dict[str, Any]) -> Iterator[dict[str, Any]]:
    run = run_id(thing.name, day)
    inputs = [dataset(BY_NAME[name], day, wrote=False) for name in thing.inputs]
    if not inputs:
        # The register brought its older files at once.
        older = range(3, 0, -1) if thing.name == "credit.loans" and day == 0 else ()
        inputs = [delivered(thing.name, at - timedelta(days=before)) for before in (*older, 0)]
    facets = {**facets, "nominalTime": facet(nominalStartTime=at.date().isoformat() + "T00:00:00Z")}
    yield event("START", at, thing.name, run, root, run_facets=facets, inputs=inputs)
    until = at + timedelta(seconds=20 + 7 * len(thing.columns))
    if thing.name == "fraud.daily_activity" and day == DAYS - 1:
        why = facet(
            message="Disk quota exceeded while writing part 3 of 12",
            programmingLanguage="PYTHON",
            stackTrace="Traceback (most recent call last):\n  ...\nOSError: [Errno 122] Disk quota exceeded",
        )
        yield event("FAIL", until, thing.name, run, root, run_facets={"errorMessage": why}, inputs=inputs)
        return
    yield event("COMPLETE", until, thing.name, run, root, inputs=inputs, outputs=[dataset(thing, day, wrote=True)])


HOSTILE = "evil.<script>document.title='broken out'</script>\"'&"


def hostile(at: datetime = NEWEST) -> dict[str, Any]:
    """An event whose names would break out of a page that does not escape them."""
    output = {
        "namespace": "slipway",
        "name": HOSTILE,
        "facets": {
            "schema": facet(
                fields=[{"name": "<img src=x onerror=alert(1)>", "type": "<b>text</b>", "description": "<i>no</i>"}]
            ),
            "ownership": facet(owners=[{"name": "<u>owner</u>", "type": "owner"}]),
            "documentation": facet(description="</title><script>document.title='broken out'</script>"),
        },
    }
    link = facet(externalRunId="1", source="javascript:alert(1)")
    return event(
        "COMPLETE", at, "<s>job</s>", run_id("hostile"), None, run_facets={"externalQuery": link}, outputs=[output]
    )
