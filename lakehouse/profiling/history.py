"""Profile history: the system table slipway.profiles, and the part of it that the next delivery is compared with.

What belongs here: writing profiles down and reading them. Not: which deliveries were published (the caller knows), nor
evaluating (anomalies.py, drift/).
"""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.profiling.profile import DeliveryProfile
from lakehouse.tables.duck import literal
from lakehouse.tables.system_table import SystemTable, append, entries

MOST = 60
"""The newest deliveries, which the next one is compared with: the cost does not grow with all that ever came."""

PROFILES = SystemTable(
    "slipway.profiles",
    pa.schema(
        [
            ("source", pa.string()),
            ("delivery", pa.string()),
            ("fingerprint", pa.string()),
            ("first_day", pa.date32()),
            ("last_day", pa.date32()),
            ("rows", pa.int64()),
            ("content", pa.string()),
        ]
    ),
    "What each delivery looked like: counts, quantiles, categories and shapes of its columns.",
    {
        "source": "The source that it was delivered for.",
        "delivery": "The file's name.",
        "fingerprint": "The hash of the file's content.",
        "first_day": "The day (UTC) of its first event.",
        "last_day": "The day (UTC) of its last event.",
        "rows": "How many rows it has.",
        "content": "The profile itself, as JSON.",
    },
)


def remember(lake: Lakehouse, profiles: Iterable[DeliveryProfile], run_id: str) -> int | None:
    """Write profiles down; returns the snapshot id, None where there are none."""
    rows = [one.as_row() for one in profiles]
    return append(lake, PROFILES, pa.Table.from_pylist(rows, PROFILES.schema), run_id) if rows else None


def published_history(
    lake: Lakehouse, source: str, published: Sequence[str], most: int = MOST
) -> list[DeliveryProfile]:
    """The profiles of a source's published deliveries, of the newest `most`.

    `published`: their fingerprints, oldest first, which is the order of the result. One whose profile was never written
    down, or by a version that this one cannot read, is left out.
    """
    wanted = list(dict.fromkeys(reversed(published)))[:most][::-1]
    if not wanted:
        return []
    names = ", ".join(literal(one) for one in wanted)
    rows = entries(lake, PROFILES, where=f"source = {literal(source)} and fingerprint in ({names})")
    found = {row["fingerprint"]: profile for row in rows.to_pylist() if (profile := _read(row)) is not None}
    return [found[one] for one in wanted if one in found]


def _read(row: dict[str, object]) -> DeliveryProfile | None:
    try:
        return DeliveryProfile.from_row(row)
    except ValueError:
        return None
