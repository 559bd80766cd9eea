"""Receivers of events: the home's own store, and whatever the standard's own configuration names.

What belongs here: handing events over, and telling what will never be taken from what cannot be taken now. Not: when
(relay.py). The standard's configuration is that of its own client: openlineage.yml, OPENLINEAGE_URL,
OPENLINEAGE_CONFIG, OPENLINEAGE__TRANSPORT__...; without any of it there is only the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient

    from lakehouse.lineage.store.store import Store

STORE, STANDARD = "store", "standard"
_REJECTIONS = (400, 413, 415, 422)
"""What HTTP servers answer to an event that they will not take at any time."""


class Rejected(Exception):  # noqa: N818  # an answer, not a fault
    """An event that a receiver will never take. `place` is its place in what was sent: those before it were taken."""

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place = place
        self.why = why


class Receiver(Protocol):
    """Where events go. `name` is under which it is known how far it has come."""

    name: str

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Send the events, in order. Raises Rejected for an invalid event, other errors when out of reach."""
        ...


@dataclass
class StoreReceiver:
    """The lineage store of the home, or of the settings."""

    lake: Lakehouse
    name: str = STORE
    _store: "Store | None" = field(default=None, repr=False)

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Store the events in one transaction; if one is rejected, store them one by one."""
        from lakehouse.lineage.store.store import BadEventError, open_store

        if self._store is None:
            self._store = open_store(self.lake)
        try:
            self._store.receive_many(events)
        except BadEventError:
            for place, one in enumerate(events):
                try:
                    self._store.receive(one)
                except BadEventError as error:
                    raise Rejected(place, error.what) from None


@dataclass
class StandardReceiver:
    """What the standard's own client is configured to send to.

    The client is made when there is something to send: a configuration that it cannot read is a receiver that is down,
    whose events wait, and keeps nothing from the store.
    """

    settings: Settings
    name: str = STANDARD
    _client: "OpenLineageClient | None" = field(default=None, repr=False)

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Emit them one after the other, and wait until a client that sends later has sent them."""
        if self._client is None:
            self._client = _client(self.settings)
        for place, one in enumerate(events):
            try:
                event = _as_event(one)
            except (KeyError, TypeError, ValueError) as error:
                raise Rejected(place, type(error).__name__) from None
            try:
                self._client.emit(event)
            except Exception as error:
                # Not every ValueError: an address that is none is one, too, and somebody will mend it.
                status = getattr(getattr(error, "response", None), "status_code", None)
                if status in _REJECTIONS:
                    raise Rejected(place, f"{type(error).__name__} {status}") from None
                raise
        wait = getattr(self._client.transport, "wait_for_completion", None)
        if wait is not None and wait(30.0) is False:
            raise TimeoutError


def receivers_of(lake: Lakehouse) -> list[Receiver]:
    """The receivers of a lakehouse: its store, and that of the standard's configuration where there is one."""
    found: list[Receiver] = [StoreReceiver(lake)]
    if is_configured(lake.settings):
        found.append(StandardReceiver(lake.settings))
    return found


def is_configured(settings: Settings) -> bool:
    """Whether the standard's own configuration names a transport; its client would print to the console otherwise."""
    if settings.openlineage.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    body = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG")
    if any(name in body or name.startswith("OPENLINEAGE__TRANSPORT") for name in settings.openlineage):
        return True
    places = (Path.cwd(), Path.home() / ".openlineage")
    return any((place / "openlineage.yml").is_file() for place in places)


def _client(settings: Settings) -> "OpenLineageClient":
    from openlineage.client import OpenLineageClient

    # The client reads its variables from the environment alone.
    settings.hand_over(settings.openlineage)
    return OpenLineageClient()


def _as_event(body: Mapping[str, Any]) -> Any:  # noqa: ANN401  # one of the standard's two classes of events
    """The event in the client's classes; its facets stay as they are written."""
    from openlineage.client.event_v2 import (
        DatasetEvent,
        InputDataset,
        Job,
        OutputDataset,
        Run,
        RunEvent,
        RunState,
        StaticDataset,
    )

    if "dataset" in body:
        dataset = body["dataset"]
        return DatasetEvent(
            eventTime=body["eventTime"],
            producer=body["producer"],
            dataset=StaticDataset(dataset["namespace"], dataset["name"], facets=dataset.get("facets", {})),
        )
    inputs = [
        InputDataset(
            one["namespace"], one["name"], facets=one.get("facets", {}), inputFacets=one.get("inputFacets", {})
        )
        for one in body.get("inputs", ())
    ]
    outputs = [
        OutputDataset(
            one["namespace"], one["name"], facets=one.get("facets", {}), outputFacets=one.get("outputFacets", {})
        )
        for one in body.get("outputs", ())
    ]
    return RunEvent(
        eventTime=body["eventTime"],
        producer=body["producer"],
        eventType=RunState[body["eventType"]],
        run=Run(body["run"]["runId"], body["run"].get("facets", {})),
        job=Job(body["job"]["namespace"], body["job"]["name"], body["job"].get("facets", {})),
        inputs=inputs,
        outputs=outputs,
    )
