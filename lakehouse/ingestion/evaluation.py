"""Delivery evaluation: pending deliveries are read, profiled and checked one by one, before anything is decided.

What belongs here: all that is known of one delivery by itself. Not: what only shows beside others (repeats.py),
deciding (decisions.py) and publishing (publication.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakehouse.contracts.audit import (
    SAMPLE_ROWS,
    Sorted,
    freshness_check_result,
    row_check_results,
    rule_check_result,
    volume_check_result,
)
from lakehouse.contracts.contract import ANOMALIES, CHANGES, Contract
from lakehouse.contracts.distributions import distribution_check_results, like_reference
from lakehouse.contracts.quarantine import DELIVERED, none_broken
from lakehouse.contracts.row_checks import sort_writes
from lakehouse.drift.detection import find_changes
from lakehouse.errors import DeliveryError
from lakehouse.profiling.anomalies import find_anomalies
from lakehouse.profiling.issues import Issue
from lakehouse.profiling.profile import DeliveryProfile, profile_rows, profile_table
from lakehouse.sources.delivered_rows import LandedRows, landed_rows
from lakehouse.sources.deliveries import ChangedFileError, Delivery
from lakehouse.sources.file_formats import EncodingError
from lakehouse.sources.reading import read_leniently
from lakehouse.sources.remediation import of_nulls, recipe
from lakehouse.sources.source import Source
from lakehouse.tables.check_result import CheckResult

READABLE = "readable"
READABLE_DESCRIPTION = "Every value can be read as its column's type."
DROPPED_RULE = "dropped"
"""What stands in place of a rule for a row that somebody dropped from the quarantine earlier."""

Dropped = Mapping[str, Mapping[int, str]]
_AT_ONCE = 32
"""Deliveries that are held in memory as they were delivered."""
_SHOWN_ISSUES = 3
"""Issues that an error message has room for."""


@dataclass(frozen=True)
class DeliveryEvaluation:
    """A delivery and all that is known of it by itself.

    `good` and `failed_rows` are the rows of `days` that passed and failed; there are none for a file with a `fault`.
    `delivered` is the number of rows that the file has, as far as it can be read at all; `remedy` says how to declare
    the mappings that are proposed, if any are.
    """

    delivery: Delivery
    days: tuple[date, ...]
    good: pa.Table
    failed_rows: pa.Table
    check_results: tuple[CheckResult, ...] = ()
    issues: tuple[Issue, ...] = ()
    fault: DeliveryError | None = None
    profile: DeliveryProfile | None = None
    delivered: int = 0
    remedy: str = ""

    @property
    def rows(self) -> int:
        """How many rows it brings."""
        return len(self.good) + len(self.failed_rows)

    @property
    def good_by_itself(self) -> bool:
        """Whether nothing but what others bring can keep it from being published."""
        return self.fault is None and all(one.passed or not one.blocking for one in self.check_results)


@dataclass(frozen=True)
class EvaluationContext:
    """What deliveries are evaluated beside.

    `known_days` are the rows by day that stay of other deliveries, `dropped` the rows that somebody dropped from the
    quarantine, `history` the profiles of published deliveries in order of their days. `referenced` are the tables that
    the contract refers to, `trained_on` the rows that the champion was trained on, if the contract asks. `now` is
    when they are taken in.
    """

    source: Source
    known_days: Mapping[date, int]
    dropped: Dropped
    history: tuple[DeliveryProfile, ...]
    now: datetime
    referenced: Mapping[str, pa.Table] = field(default_factory=dict)
    trained_on: pa.Table | None = None

    def with_profile(self, profile: DeliveryProfile) -> "EvaluationContext":
        """The context of those that come after this delivery, if it is good by itself."""
        together = sorted((*self.history, profile), key=lambda one: (one.first_day or date.max, one.delivery))
        return replace(self, history=tuple(together))

    def before(self, first_day: date | None) -> list[DeliveryProfile]:
        """The profiles of deliveries before this day (None: of all)."""
        if first_day is None:
            return list(self.history)
        return [one for one in self.history if one.first_day is not None and one.first_day < first_day]


def evaluate(
    context: EvaluationContext,
    deliveries: Sequence[tuple[Delivery, tuple[date, ...]]],
    faulty: Sequence[Delivery],
    progress: Callable[[str], None],
) -> list[DeliveryEvaluation]:
    """Read and evaluate the deliveries, in order; those whose days are not known come last."""
    arriving = dict(context.known_days)
    for delivery, days in deliveries:
        for day in days:
            arriving[day] = arriving.get(day, 0) + delivery.days.get(day, 0)
    evaluations: list[DeliveryEvaluation] = []
    for first in range(0, len(deliveries), _AT_ONCE):
        some = deliveries[first : first + _AT_ONCE]
        for (delivery, days), checked in zip(some, _read_and_check(context, some, progress), strict=True):
            if isinstance(checked, DeliveryError):
                evaluations.append(faulty_evaluation(context, delivery, checked))
                continue
            evaluation = _evaluated(context, delivery, days, arriving, checked)
            evaluations.append(evaluation)
            if evaluation.good_by_itself:
                context = context.with_profile(checked.profile)
    return evaluations + [faulty_evaluation(context, one, one.error()) for one in faulty]


@dataclass(frozen=True)
class _Checked:
    """A delivery's rows, parted by the row rules, and their profile."""

    landed: LandedRows
    parted: Sorted
    profile: DeliveryProfile


def _read_and_check(
    context: EvaluationContext,
    deliveries: Sequence[tuple[Delivery, tuple[date, ...]]],
    progress: Callable[[str], None],
) -> list[_Checked | DeliveryError]:
    """Read several deliveries, and check and profile their rows in one pass."""
    source = context.source
    read: list[LandedRows | DeliveryError] = []
    for delivery, days in deliveries:
        try:
            read.append(landed_rows(source, delivery, days, context.now))
        except DeliveryError as error:
            read.append(error)
        progress(delivery.name)
    landed = [one for one in read if isinstance(one, LandedRows)]
    flags = [
        _flags(one, context.dropped.get(delivery.fingerprint, {}))
        for one, (delivery, _) in zip(read, deliveries, strict=True)
        if isinstance(one, LandedRows)
    ]
    parted = iter(sort_writes(source.contract, [one.rows for one in landed], context.referenced, flags))
    together = pa.concat_tables([source.shape.schema.empty_table(), *(one.rows for one in landed)])
    profiles = profile_rows(together, source.contract.columns, event_time=source.event_time)
    return [
        one
        if isinstance(one, DeliveryError)
        else _Checked(one, next(parted), profiles[delivery.fingerprint].named(source.name, delivery.name))
        for one, (delivery, _) in zip(read, deliveries, strict=True)
    ]


def _evaluated(
    context: EvaluationContext,
    delivery: Delivery,
    days: tuple[date, ...],
    arriving: Mapping[date, int],
    checked: _Checked,
) -> DeliveryEvaluation:
    source, landed, parted, profile = context.source, checked.landed, checked.parted, checked.profile
    contract = source.contract
    check_results = [
        _readable(landed),
        *row_check_results(contract, parted),
        *distribution_check_results(contract, parted.good),
    ]
    if context.trained_on is not None:
        check_results += like_reference(contract, parted.good, context.trained_on)
    # All that comes for a day counts, in however many files.
    check_results.append(volume_check_result(contract, {day: arriving[day] for day in days}, arriving))
    if len(parted.good):
        check_results.append(freshness_check_result(contract, source.event_time, parted.good, days))
    before = context.before(profile.first_day)
    changes = find_changes(source, landed.read, before, profile)
    anomalies = find_anomalies(profile, before, contract)
    check_results.append(_found(contract, CHANGES, "The format is the one of the deliveries before.", changes))
    check_results.append(_found(contract, ANOMALIES, "The values lie as those of the deliveries before.", anomalies))
    delivered = landed.as_delivered(parted.failed_rows.column("_row").to_pylist())
    failed_rows = parted.failed_rows.append_column(DELIVERED, pa.array(delivered, pa.string()))
    proposals = [one.proposal for one in changes if one.proposal]
    remedy = recipe(source, proposals) if proposals and contract.action(CHANGES) == "block" else ""
    return DeliveryEvaluation(
        delivery,
        days,
        parted.good,
        failed_rows,
        tuple(check_results),
        (*changes, *anomalies),
        profile=profile,
        delivered=len(landed.read.rows),
        remedy=remedy,
    )


def faulty_evaluation(context: EvaluationContext, delivery: Delivery, error: DeliveryError) -> DeliveryEvaluation:
    """Evaluate a file that is not in the contract's columns, or cannot be read: what changed in it is named."""
    source = context.source
    landed = source.shape.schema
    evaluation = DeliveryEvaluation(delivery, (), landed.empty_table(), none_broken(landed), fault=error)
    if isinstance(error, ChangedFileError):
        return evaluation
    try:
        read = read_leniently(source, delivery.path)
    except EncodingError as other:
        proposal = f"file_encoding({other.encoding!r})"
        return replace(evaluation, issues=(Issue("encoding_changed", (), error.what, 2.0, 1.0, proposal),))
    except DeliveryError:
        return evaluation
    profile = profile_table(read.rows, delivery.fingerprint, event_time=source.event_time)
    profile = profile.named(source.name, delivery.name)
    issues = find_changes(source, read, context.before(profile.first_day), profile)
    if issues:
        proposals = [one.proposal for one in issues if one.proposal]
        fix = recipe(source, proposals) if proposals else error.fix
        text = " ".join(one.message for one in issues[:_SHOWN_ISSUES])
        error = DeliveryError(text, where=error.where, nearest=error.nearest, fix=fix)
    return replace(evaluation, fault=error, issues=tuple(issues), profile=profile, delivered=len(read.rows))


def _found(contract: Contract, name: str, message: str, issues: Sequence[Issue]) -> CheckResult:
    """Whether a detector found nothing."""
    blocking = contract.action(name) == "block"
    if not issues:
        return CheckResult(name, passed=True, message=message, blocking=blocking)
    text = " ".join(one.message for one in issues[:_SHOWN_ISSUES])
    lines = [one.proposal for one in issues if one.proposal]
    proposals = ", ".join(lines)
    if proposals:
        text += f" Proposed mapping: {proposals}.{of_nulls(contract, lines)}"
    measured: dict[str, float | int | str] = {
        "issues": len(issues),
        "kind": issues[0].kind,
        "columns": ", ".join(issues[0].columns),
        "size": round(issues[0].size, 3),
    }
    measured |= issues[0].measured
    if proposals:
        measured["proposal"] = proposals
    return CheckResult(name, passed=False, message=text, blocking=blocking, measured=measured)


def _flags(landed: LandedRows, dropped: Mapping[int, str]) -> dict[str, NDArray[np.bool_]]:
    """What is known before the rules run: a row with an unreadable value fails, and a dropped row stays out."""
    flags = {f"{column}_readable": mask for column, mask in landed.unreadable.items() if mask.any()}
    if dropped:
        flags[DROPPED_RULE] = np.isin(landed.rows.column("_row").to_numpy(), list(dropped))
    return flags


def _readable(landed: LandedRows) -> CheckResult:
    """Whether every value could be read as its column's type. Rows with one that could not go to quarantine."""
    odd = np.zeros(len(landed.rows), dtype=bool)
    for mask in landed.unreadable.values():
        odd |= mask
    message = READABLE_DESCRIPTION
    if odd.any():
        message = f"{message[:-1]}: {', '.join(name for name, mask in landed.unreadable.items() if mask.any())}."
    sample = landed.rows.filter(pa.array(odd)).slice(0, SAMPLE_ROWS).select(["_file", "_row"]).to_pylist()
    return rule_check_result(READABLE, message, "quarantine", int(odd.sum()), len(odd), sample)
