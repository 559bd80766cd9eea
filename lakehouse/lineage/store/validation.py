"""What is let into the store: events of the standard's shape, of a bearable size, of this time.

What belongs here: reading an event's JSON, and refusing it with a reason. Not: its shape (shape.py), and what becomes
of it (derivation.py). Names are data: script tags and SQL in them are kept as they are, and nothing ever runs them.
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
"""Inputs times outputs, each of which is an edge."""
MOST_COLUMN_EDGES = 100_000
FUTURE = timedelta(days=1)
"""Clocks differ, and time zones get lost; what lies further ahead is no clock's fault."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

_SHOWN = 200
_FACETS = ("facets", "inputFacets", "outputFacets")
_HOLDERS = (dict, list)


class BadEventError(SlipwayError):
    """A lineage event that is not the standard's, or too much of it. Nothing of it was kept."""

    status: int = 422
    """What an HTTP server answers."""


class TooLargeError(BadEventError):
    """A lineage event that is larger than anything that is told in one."""

    status = 413


@dataclass(frozen=True)
class Checked:
    """An event that may go in. `identity` is the hash of its content: the same event again has the same."""

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
    """The event that the JSON text holds. Raises BadEventError."""
    return checked(read_json(body))


def read_json(body: bytes, largest: int = LARGEST_EVENT) -> object:
    """Any JSON value of a bearable size and depth. Raises BadEventError."""
    if len(body) > largest:
        raise TooLargeError(
            f"An event of {len(body):,} bytes is refused.",
            where="body",
            nearest=f"{largest:,} bytes",
            fix="Leave out what no one asks lineage for, or send it in several events.",
        )
    try:
        return from_json(body, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise BadEventError(
            f"This is no JSON: {_short(error)}.", where="body", fix="Send one JSON object, UTF-8."
        ) from None


def given_event(event: Mapping[str, Any]) -> Checked:
    """The same for an event that is in memory already."""
    try:
        body = json.dumps(event, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadEventError(f"This event has no JSON: {_short(error)}.", where="event") from None
    return read_event(body)


def checked(event: object) -> Checked:
    """The event, when it may go in. Raises BadEventError."""
    try:
        valid = EVENT.validate_python(event)
    except ValidationError as error:
        raise _misshapen(error, event) from None
    assert isinstance(event, dict)  # noqa: S101  # the shape says so; pyright wants to hear it
    _of_one_kind(event)
    _bearable(event)
    at = _moment(valid["eventTime"])
    # Half the price of the standard library's sorted JSON, and what facets say is in order from here on.
    ordered: dict[str, Any] = _in_order(event)
    text = to_json(ordered, inf_nan_mode="constants")
    if b"\\u0000" in text or b"Infinity" in text:
        _no_oddities(ordered, "event")
    return Checked(ordered, at, hashlib.sha256(text).hexdigest(), text)


def _in_order(value: Any) -> Any:  # noqa: ANN401  # an object or a list of JSON, and the same again
    """The value with the keys of all its objects in order."""
    if value.__class__ is dict:
        pairs = sorted(value.items())
        return {name: _in_order(one) if one.__class__ in _HOLDERS else one for name, one in pairs}
    return [_in_order(one) if one.__class__ in _HOLDERS else one for one in value]


def _of_one_kind(event: Mapping[str, Any]) -> None:
    kind = tuple(name for name in ("run", "job", "dataset") if event.get(name) is not None)
    if kind in {("run", "job"), ("job",), ("dataset",)}:
        return
    raise BadEventError(
        f"An event about {' and '.join(kind) or 'nothing'} is none of the standard's.",
        where="event",
        nearest="run and job" if "run" in kind else "job or dataset",
        fix="Send a run event (run and job), a job event (job alone) or a dataset event (dataset alone).",
    )


def _bearable(event: Mapping[str, Any]) -> None:
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
                f"An event with {number:,} {what} is refused.",
                where="event",
                nearest=f"{most:,} {what}",
                fix="Tell it in several events: what events of one run say adds up.",
            )


def _no_oddities(value: object, where: str) -> None:
    """No text with NUL, which databases do not store, and no number that JSON does not have.

    Half of a character is refused by the JSON reader.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise BadEventError(
                "A text holds a NUL.", where=where[:_SHOWN], fix="Send texts without control characters."
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BadEventError("A number is too large for JSON.", where=where[:_SHOWN], fix="Send it as a text.")
    elif isinstance(value, dict):
        for name, one in value.items():
            _no_oddities(name, f"a name in {where}")
            _no_oddities(one, f"{where}.{name}" if len(where) < _SHOWN else where)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            _no_oddities(one, f"{where}[{number}]")


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadEventError(
            f"{text!r} is no time with a time zone.",
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
            f"{text} is no time at which anything that is told now can have happened.",
            where="eventTime",
            nearest=clock.now().isoformat(timespec="milliseconds"),
            fix="Send the time of the event, not before 1970 and at most a day ahead; check the sender's clock.",
        )
    return (moment - EARLIEST) // timedelta(microseconds=1)


def _misshapen(error: ValidationError, event: object) -> BadEventError:
    first = error.errors(include_url=False, include_context=False)[0]
    where, kind = _place(first["loc"]), first["type"]
    if not isinstance(event, dict):
        return BadEventError("An event is a JSON object.", where="body", fix="Send one JSON object.")
    if kind == "missing":
        return BadEventError(f"{where} is required.", where=where, nearest=_instead(first), fix="Give it.")
    if first["loc"] == ("eventType",):
        nearest = nearest_name(str(first["input"])[:40], EVENT_TYPES)
        return BadEventError(f"{_short(first['input'])} is no type of event.", where=where, nearest=nearest)
    return BadEventError(f"{first['msg']}, and it is {_short(first['input'])}.", where=where)


def _instead(missing: Any) -> str | None:  # noqa: ANN401  # pydantic's description of an error
    """The name there is that looks like the missing one."""
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
