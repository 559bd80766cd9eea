"""Validation of events: JSON, schema, size, time.

What belongs here: accepting or rejecting an event with a reason. Not: its schema (event_shape.py), deriving rows
(derivation.py). Names are data: script tags and SQL in them are stored as they are, and never executed.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from lakehouse import clock
from lakehouse.errors import SlipwayError, nearest_name
from lakehouse.lineage.store.event_shape import EVENT, EVENT_TYPES

LARGEST_EVENT = 10 << 20
"""Bytes of JSON."""
MOST_FACETS = 2_000
MOST_DATASETS = 2_000
MOST_PAIRS = 100_000
"""Inputs times outputs: the number of edges."""
MOST_COLUMN_EDGES = 100_000
FUTURE = timedelta(days=1)
"""Tolerance for clocks that differ and lost time zones."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

_SHOWN = 200
_FACETS = ("facets", "inputFacets", "outputFacets")
_HOLDERS = (dict, list)


class BadEventError(SlipwayError):
    """An invalid lineage event. Nothing of it was stored."""

    status: int = 422
    """The HTTP status of the answer."""


class TooLargeError(BadEventError):
    """A lineage event or batch that is too large."""

    status = 413


@dataclass(frozen=True)
class Checked:
    """A valid event. `identity` is the hash of its content, by which duplicates are recognized."""

    event: Mapping[str, Any]
    at: int
    """Microseconds since 1970, UTC."""
    identity: str
    text: bytes
    """Its JSON, with the keys in order."""

    @property
    def run(self) -> str | None:
        """The run's id, for events of runs."""
        run = self.event.get("run")
        return run["runId"].lower() if run else None


def read_event(body: bytes) -> Checked:
    """Read and validate an event from JSON. Raises BadEventError."""
    return checked(read_json(body))


def read_json(body: bytes, largest: int = LARGEST_EVENT) -> object:
    """Read a JSON value of a limited size and depth. Raises BadEventError."""
    if len(body) > largest:
        raise TooLargeError(
            f"An event of {len(body):,} bytes is too large.",
            where="body",
            nearest=f"{largest:,} bytes",
            fix="Leave out facets that lineage does not need, or split it into several events.",
        )
    try:
        return from_json(body, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise BadEventError(
            f"Invalid JSON: {_short(error)}.", where="body", fix="Send one JSON object in UTF-8."
        ) from None


def given_event(event: Mapping[str, Any]) -> Checked:
    """Validate an event given as a mapping. Raises BadEventError."""
    try:
        body = json.dumps(event, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadEventError(f"The event cannot be written as JSON: {_short(error)}.", where="event") from None
    return read_event(body)


def checked(event: object) -> Checked:
    """Validate an event. Raises BadEventError."""
    try:
        valid = EVENT.validate_python(event)
    except ValidationError as error:
        raise _misshapen(error, event) from None
    assert isinstance(event, dict)  # noqa: S101  # the shape says so; pyright wants to hear it
    _check_kind(event)
    _check_size(event)
    at = _moment(valid["eventTime"])
    # Twice as fast as the standard library's sorted JSON; the contents of facets are sorted from here on.
    ordered: dict[str, Any] = _in_order(event)
    text = to_json(ordered, inf_nan_mode="constants")
    if b"\\u0000" in text or b"Infinity" in text:
        _check_values(ordered, "event")
    return Checked(ordered, at, hashlib.sha256(text).hexdigest(), text)


def _in_order(value: Any) -> Any:  # noqa: ANN401  # an object or a list of JSON, and the same again
    """The value with the keys of all its objects in order."""
    if value.__class__ is dict:
        pairs = sorted(value.items())
        return {name: _in_order(one) if one.__class__ in _HOLDERS else one for name, one in pairs}
    return [_in_order(one) if one.__class__ in _HOLDERS else one for one in value]


def _check_kind(event: Mapping[str, Any]) -> None:
    kind = tuple(name for name in ("run", "job", "dataset") if event.get(name) is not None)
    if kind in {("run", "job"), ("job",), ("dataset",)}:
        return
    raise BadEventError(
        f"Invalid event: it has {' and '.join(kind) or 'neither run nor job nor dataset'}.",
        where="event",
        nearest="run and job" if "run" in kind else "job or dataset",
        fix="Send a run event (run and job), a job event (job alone) or a dataset event (dataset alone).",
    )


def _check_size(event: Mapping[str, Any]) -> None:
    sides = [event.get("inputs") or [], event.get("outputs") or []]
    datasets = [*sides[0], *sides[1], *([event["dataset"]] if event.get("dataset") else [])]
    holders = [*datasets, *(event[one] for one in ("run", "job") if event.get(one))]
    facets = sum(len(holder.get(name) or ()) for holder in holders for name in _FACETS)
    edges = 0
    for one in datasets:
        lineage = (one.get("facets") or {}).get("columnLineage")
        if lineage:
            edges += sum(len(column["inputFields"]) for column in lineage["fields"].values())
            edges += len(lineage.get("dataset") or ()) * max(len(lineage["fields"]), 1)
    for what, number, most in (
        ("facets", facets, MOST_FACETS),
        ("datasets", len(datasets), MOST_DATASETS),
        ("edges between inputs and outputs", len(sides[0]) * len(sides[1]), MOST_PAIRS),
        ("edges between columns", edges, MOST_COLUMN_EDGES),
    ):
        if number > most:
            raise BadEventError(
                f"An event with {number:,} {what} is too large.",
                where="event",
                nearest=f"{most:,} {what}",
                fix="Split it into several events of the same run; they are merged.",
            )


def _check_values(value: object, where: str) -> None:
    """Reject NUL in texts, which databases cannot store, and numbers that JSON does not have.

    The JSON reader rejects unpaired surrogates.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise BadEventError(
                "A text contains a NUL character.", where=where[:_SHOWN], fix="Send texts without control characters."
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BadEventError("A number is too large for JSON.", where=where[:_SHOWN], fix="Send it as a string.")
    elif isinstance(value, dict):
        for name, one in value.items():
            _check_values(name, f"a name in {where}")
            _check_values(one, f"{where}.{name}" if len(where) < _SHOWN else where)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            _check_values(one, f"{where}[{number}]")


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadEventError(
            f"Invalid time {text!r}: it needs a time zone.",
            where="eventTime",
            nearest=clock.now().isoformat(timespec="milliseconds"),
            fix="Send ISO 8601 with a time zone, or Z.",
        )
    latest = clock.now() + FUTURE
    try:
        inside = EARLIEST <= moment <= latest
    except OverflowError:
        inside = False
    if not inside:
        raise BadEventError(
            f"The time {text} is out of range.",
            where="eventTime",
            nearest=clock.now().isoformat(timespec="milliseconds"),
            fix="Send the time of the event, from 1970 to one day ahead; check the sender's clock.",
        )
    return (moment - EARLIEST) // timedelta(microseconds=1)


def _misshapen(error: ValidationError, event: object) -> BadEventError:
    first = error.errors(include_url=False, include_context=False)[0]
    where, kind = _place(first["loc"]), first["type"]
    if not isinstance(event, dict):
        return BadEventError("An event must be a JSON object.", where="body", fix="Send one JSON object.")
    if kind == "missing":
        return BadEventError(f"{where} is required.", where=where, nearest=_instead(first), fix="Add it.")
    if first["loc"] == ("eventType",):
        nearest = nearest_name(str(first["input"])[:40], EVENT_TYPES)
        return BadEventError(f"Unknown event type {_short(first['input'])}.", where=where, nearest=nearest)
    return BadEventError(f"{first['msg']}, got {_short(first['input'])}.", where=where)


def _instead(missing: Any) -> str | None:  # noqa: ANN401  # pydantic's description of an error
    """The existing field whose name is nearest to the missing one."""
    there = missing["input"]
    return nearest_name(str(missing["loc"][-1]), there) if isinstance(there, dict) else None


def _place(parts: Sequence[int | str]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text[:_SHOWN] or "event"


def _short(value: object) -> str:
    text = str(value) if isinstance(value, Exception) else repr(value)
    return text if len(text) <= _SHOWN // 2 else text[: _SHOWN // 2] + "..."
