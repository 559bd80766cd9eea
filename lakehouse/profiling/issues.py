"""Issues of a delivery, with message and numbers.

What belongs here: the result that all detectors share. Not: detecting (drift/, anomalies.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Issue:
    """One thing that is odd about a delivery.

    `kind` is a word such as `column_renamed`, `unit_changed`, `null_share`. `columns` are the columns it is about, the
    most concerned one first (contract names; a delivered name where the contract has none); empty for the delivery as
    a whole. `says` is a sentence with the numbers. `size` orders issues: about 1 where it begins to matter. `share`
    is the share of rows that are concerned. `proposal` is the line of Python that would declare a mapping for it, where
    there is one. `measured` holds the numbers by their usual names (psi, ks, ...), `series` what a plot
    needs, each at most 60 long: `history`, the number in each delivery, oldest first, the evaluated one last; `labels`
    with the shares `before` (the newest deliveries before, taken together) and `after` (the evaluated delivery); of
    numbers and times `shares` with `quantiles_before` and `quantiles_after`. Times are microseconds since 1970 in UTC.
    """

    kind: str
    columns: tuple[str, ...]
    message: str
    size: float = 1.0
    share: float | None = None
    proposal: str | None = None
    measured: Mapping[str, float | int | str] = field(default_factory=dict)
    series: Mapping[str, Sequence[Any]] = field(default_factory=dict)
