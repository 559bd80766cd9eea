"""OpenLineage events of a small world, for the tests of the store, the graph and the server.

What belongs here: making events by hand. Not: what Slipway itself emits, which has tests of its own.

    delivery (file) -> fraud.transactions -> fraud.customer_spend -> fraud.training -> fraud.scorer (model)
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
DIRECT = {"type": "DIRECT", "subtype": "IDENTITY", "masking": False}
AGGREGATED = {"type": "DIRECT", "subtype": "AGGREGATION", "masking": False}

Event = dict[str, Any]


def facet(**content: Any) -> Event:
    return {"_producer": "https://127.0.0.1/tests", "_schemaURL": SPEC, **content}


def run_id(number: int) -> str:
    return str(UUID(int=number))


def at(minutes: float) -> str:
    return (BEGIN + timedelta(minutes=minutes)).isoformat()


def place(name: str) -> Event:
    """Where a table lies, as physical names go."""
    return {"namespace": "file", "name": f"/lake/{name.replace('.', '/')}"}


def dataset(
    name: str,
    *,
    version: object = None,
    columns: dict[str, str] | None = None,
    built_from: dict[str, list[tuple[str, str]]] | None = None,
    owner: str | None = None,
    kind: str | None = None,
    checks: dict[str, bool] | None = None,
    rows: int | None = None,
    more: Event | None = None,
) -> Event:
    """A dataset with the facets that are given. `made_from`: column -> (table, column) of its sources."""
    facets: Event = {"symlinks": facet(identifiers=[{"namespace": "slipway", "name": name, "type": "TABLE"}])}
    if version is not None:
        facets["version"] = facet(datasetVersion=str(version))
    if columns is not None:
        facets["schema"] = facet(fields=[{"name": one, "type": type_} for one, type_ in columns.items()])
    if built_from is not None:
        fields = {
            column: {
                "inputFields": [
                    {**place(table), "field": field, "transformations": [DIRECT]} for table, field in sources
                ]
            }
            for column, sources in built_from.items()
        }
        facets["columnLineage"] = facet(fields=fields)
    if owner is not None:
        facets["ownership"] = facet(owners=[{"name": owner, "type": "MAINTAINER"}])
    if kind is not None:
        facets["datasetType"] = facet(datasetType=kind)
    details: Event = {**place(name), "facets": {**facets, **(more or {})}}
    if checks is not None:
        assertions = [
            {"assertion": "custom", "name": one, "success": passed, "severity": "error"}
            for one, passed in checks.items()
        ]
        details["inputFacets"] = {"dataQualityAssertions": facet(assertions=assertions)}
    if rows is not None:
        details["outputFacets"] = {"outputStatistics": facet(rowCount=rows, size=rows * 8)}
    return details


def event(
    kind: str,
    job: str,
    number: int,
    minutes: float,
    inputs: list[Event] | None = None,
    outputs: list[Event] | None = None,
    **run_facets: Event,
) -> Event:
    """A run's event."""
    return {
        "eventType": kind,
        "eventTime": at(minutes),
        "producer": "https://127.0.0.1/tests",
        "schemaURL": f"{SPEC}#/$defs/RunEvent",
        "run": {"runId": run_id(number), "facets": run_facets},
        "job": {"namespace": "slipway", "name": job},
        "inputs": inputs or [],
        "outputs": outputs or [],
    }


def parent(number: int, job: str = "fraud_main") -> Event:
    return facet(
        run={"runId": run_id(number)},
        job={"namespace": "slipway", "name": job},
        root={"run": {"runId": run_id(number)}, "job": {"namespace": "slipway", "name": job}},
    )


def made(
    name: str, number: int, minutes: float, inputs: list[Event], *, lasts: float = 1, code: str = "c1", **details: Any
) -> list[Event]:
    """START and COMPLETE of a run that makes a dataset."""
    facets = {"parent": parent(1_000 + int(minutes) // 100), "slipway_code": facet(version=code, definition="d1")}
    return [
        event("START", name, number, minutes, inputs, [], **facets),
        event("COMPLETE", name, number, minutes + lasts, inputs, [dataset(name, **details)], **facets),
    ]


def world(turn: int = 0) -> list[Event]:
    """All of the small world once; `turn` makes it again, a hundred minutes later, with a delivery more."""
    minutes, number, version = turn * 100, 100 + turn * 10, turn + 1
    delivery = dataset(
        f"fraud.transactions/day{turn}.parquet", kind="FILE", columns={"TX_AMOUNT": "double", "CUSTOMER_ID": "long"}
    )
    payments = dataset("fraud.transactions", version=version)
    spend = dataset("fraud.customer_spend", version=version)
    training = dataset("fraud.training", version=version)
    amount = [("fraud.transactions", "TX_AMOUNT")]
    return [
        event("START", "fraud_main", 1_000 + turn, minutes),
        *made(
            "fraud.transactions",
            number,
            minutes + 1,
            [delivery],
            version=version,
            kind="SOURCE",
            columns={"TX_AMOUNT": "double", "CUSTOMER_ID": "long"},
            built_from={"TX_AMOUNT": [(f"fraud.transactions/day{turn}.parquet", "TX_AMOUNT")]},
            owner="team:payments",
            rows=1_000 * version,
            more={
                "slipway_contract": facet(version=f"1.{turn}.0"),
                "slipway_breaker": facet(state="closed", since=at(0), why=""),
                "documentation": facet(description="Card payments as delivered."),
            },
        ),
        *made(
            "fraud.customer_spend",
            number + 1,
            minutes + 4,
            [payments],
            version=version,
            kind="FEATURE_SET",
            columns={"customer_id": "long", "amount_mean_7d": "double"},
            built_from={"amount_mean_7d": amount, "customer_id": [("fraud.transactions", "CUSTOMER_ID")]},
            owner="team:features",
        ),
        *made(
            "fraud.training",
            number + 2,
            minutes + 7,
            [spend],
            version=version,
            kind="TRAINING_SET",
            columns={"customer_spend__amount_mean_7d": "double"},
            built_from={"customer_spend__amount_mean_7d": [("fraud.customer_spend", "amount_mean_7d")]},
            owner="team:models",
        ),
        *made("fraud.scorer", number + 3, minutes + 10, [training], version=version, kind="MODEL", owner="team:models"),
        event(
            "COMPLETE",
            "fraud.transactions.amount_is_positive",
            number + 4,
            minutes + 12,
            [dataset("fraud.transactions", version=version, checks={"amount_is_positive": turn == 0})],
        ),
        event("COMPLETE", "fraud_main", 1_000 + turn, minutes + 15),
    ]
