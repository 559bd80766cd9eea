"""A drift case: what was read of a delivery, the profiles of those before it, and trying mappings on it.

What belongs here: what all detectors of format changes work with. Not: the detectors (columns.py,
values.py, times.py, deliveries.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa

from lakehouse.contracts.contract import Column
from lakehouse.errors import DeclarationError
from lakehouse.profiling.column_profile import ColumnProfile
from lakehouse.profiling.distribution_fit import FEW_ROWS, ColumnHistory
from lakehouse.profiling.profile import DeliveryProfile, profile_table
from lakehouse.sources.mapping_types import ColumnMapping
from lakehouse.sources.reading import Read, recast
from lakehouse.sources.source import Source

_HABIT, _TIMES = 0.02, 5
"""What is rarer is a slip, and no change of format."""
TRIED = 20_000
"""Rows that mappings are tried on at most, spread evenly over the delivery."""


@dataclass(frozen=True)
class Tried:
    """What columns would be with other mappings: profiles, and the share of rows whose given value stays unreadable."""

    columns: Mapping[str, ColumnProfile]
    unreadable: Mapping[str, float]
    rows: pa.Table


@dataclass(frozen=True)
class Case:
    """One delivery of a source, its profile, and the profiles of those before it, oldest first."""

    source: Source
    read: Read
    profile: DeliveryProfile
    history: Sequence[DeliveryProfile]

    @property
    def rows(self) -> int:
        """Rows of the delivery."""
        return len(self.read.delivered)

    @cached_property
    def before(self) -> dict[str, ColumnHistory]:
        """What each column of the contract looked like, where it had values."""
        found = {}
        for column in self.source.contract.columns:
            back = (one.columns[column.name] for one in reversed(self.history) if column.name in one.columns)
            known = ColumnHistory.of(back)
            if known:
                found[column.name] = known
        return found

    @cached_property
    def missing(self) -> list[str]:
        """The contract's columns that were not delivered, by name or mapping."""
        return [name for one in self.read.structure if one.kind == "column_removed" for name in one.columns]

    @cached_property
    def present(self) -> list[Column]:
        """The contract's columns that were delivered, and whose deliveries before are known."""
        return [one for one in self.source.contract.columns if one.name in self.before and one.name not in self.missing]

    @cached_property
    def in_order(self) -> bool:
        """Whether it is of later days than all before it: only then a value that moves on is known to be odd."""
        last = max((one.day for one in self.history if one.day), default=None)
        return last is None or self.profile.day is None or self.profile.day > last

    def enough(self, name: str) -> bool:
        """Whether a column has enough values to tell that they changed."""
        return self.profile.columns[name].given >= FEW_ROWS

    def unreadable(self, name: str) -> float:
        """The share of rows whose value was given and could not be read."""
        mask = self.read.unreadable.get(name)
        return float(mask.mean()) if mask is not None else 0.0

    def column(self, name: str) -> Column:
        """The contract's column."""
        return self.source.contract.column(name)

    @cached_property
    def since(self) -> date | None:
        """The first day of the delivery, but for rows of days that were delivered before it."""
        last = max((one.last_day for one in self.history if one.last_day), default=None)
        if self.profile.day and last and self.profile.first_day and self.profile.first_day <= last < self.profile.day:
            return last + timedelta(days=1)
        return self.profile.first_day

    def tried(self, mappings: Sequence[ColumnMapping], columns: Sequence[str]) -> Tried | None:
        """What the columns would be with these mappings as well; None when the mappings mean nothing together."""
        try:
            source = replace(self.source, mappings=(*self.source.mappings, *mappings))
        except DeclarationError:
            return None
        read = recast(source, self._sample, columns)
        profile = profile_table(read.rows, "tried", event_time=None)
        return Tried(profile.columns, {name: float(mask.mean()) for name, mask in read.unreadable.items()}, read.rows)

    @cached_property
    def _sample(self) -> Read:
        if self.rows <= TRIED:
            return self.read
        places = pa.array(np.linspace(0, self.rows - 1, TRIED).astype(np.int64))
        return replace(
            self.read,
            rows=self.read.rows.take(places),
            delivered=self.read.delivered.take(places),
            unreadable={name: mask[places.to_numpy()] for name, mask in self.read.unreadable.items()},
        )


def few_unreadable(case: Case, name: str) -> bool:
    """Whether so few values could not be read that it is no matter of format: their rows go to quarantine."""
    share = case.unreadable(name)
    return share <= max(case.source.contract.quarantine_share, _HABIT) or share * case.rows < _TIMES


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{share:.0%}" if share >= 0.995 or share == 0 else f"{share:.1%}"  # noqa: PLR2004  # nearly all is all
