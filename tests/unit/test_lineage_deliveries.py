"""Delivered files as inputs of a landing.

What belongs here: what is said of files. Not: whole landings (integration/test_lineage.py).
"""

import pyarrow as pa
from openlineage.client.serde import Serde

from assets.fraud.sources import transactions
from lakehouse.ingestion.ingestion_log import Status
from lakehouse.lineage.emit.conversion import MOST_FILES
from lakehouse.lineage.emit.deliveries import Delivered, as_input
from lakehouse.lineage.emit.names import FILES, Named
from lakehouse.lineage.store.validation import given_event
from lakehouse.profiling.profile import profile_table
from tests import sample_events as sample

COLUMNS = 500


def test_a_store_takes_an_event_with_as_many_files_as_one_lists() -> None:
    profile = profile_table(pa.table({"TX_AMOUNT": [1.5, 2.5], "CUSTOMER_ID": ["a", None]}), "f")
    line = {"fingerprint": "f", "rows": 2, "published": 2, "quarantined": 0}
    files = [Named(FILES, f"/drop/{number}.parquet") for number in range(MOST_FILES)]
    inputs = [
        Serde.to_dict(as_input(transactions, Delivered(one, one.name, Status.PUBLISHED, line), profile))
        for one in files
    ]
    assert "dataQualityMetrics" in inputs[0]["inputFacets"]
    sources = [{"namespace": one.namespace, "name": one.name, "field": "x"} for one in files]
    wide = {f"column_{number}": {"inputFields": sources} for number in range(COLUMNS)}
    table = sample.dataset("fraud.transactions", more={"columnLineage": sample.facet(fields=wide)})
    more = {f"slipway_{number}": sample.facet() for number in range(100)}
    assert given_event(sample.event("COMPLETE", "fraud.transactions", 1, 1, inputs, [table], **more)).event
