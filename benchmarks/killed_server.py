"""A lineage server that is killed at random moments: no acknowledged event may be lost or stored twice.

What belongs here: killing the server while it receives events. Not: kills of runs, and the figures (kills.py).
"""

import argparse
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def kill_server(home: Path, given: argparse.Namespace, dice: random.Random) -> dict[str, Any]:
    """Send events to the lineage server over HTTP while it is killed again and again.

    Acknowledged events must be stored after a restart, and events that are sent again must not be stored twice. Each
    event is sent until it is acknowledged, as the outbox does.
    """
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = given.server_command.format(home=home, port=port).split()
    address = f"http://127.0.0.1:{port}"
    sent: list[str] = []
    kills = 0
    server = _start(words, address)
    number = 0
    while kills < given.server:
        until = time.monotonic() + dice.uniform(0.01, 0.4)
        while time.monotonic() < until:
            sent.append(_send(address, _event(number)))
            number += 1
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        kills += 1
        server = _start(words, address)
        for again in range(max(0, number - 3), number):  # as a sender without an acknowledgement does
            _send(address, _event(again))
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    from lakehouse.catalog.lakehouse import open_lakehouse
    from lakehouse.settings import Settings

    known = Counter(_of_store(open_lakehouse(Settings.from_environment(home=home))))
    return {
        "kills": kills,
        "lost": len([one for one in sent if one not in known]),
        "doubled": len([one for one in set(sent) if known[one] > 1]),
    }


def _of_store(lake: Any) -> list[str]:
    from sqlalchemy import select

    from lakehouse.lineage.store import schema as store_schema
    from lakehouse.lineage.store.store import open_store

    store = open_store(lake)
    with store.engine.connect() as connection:
        return list(connection.execute(select(store_schema.events.c.run)).scalars())


def _event(number: int) -> Mapping[str, Any]:
    from lakehouse.lineage.emit.names import as_run

    return {
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "producer": "urn:slipway:benchmark",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "eventType": "COMPLETE",
        "run": {"runId": as_run(f"kills-{number}")},
        "job": {"namespace": "benchmark", "name": f"job-{number % 50}"},
        "inputs": [{"namespace": "benchmark", "name": f"table-{number % 50}"}],
        "outputs": [{"namespace": "benchmark", "name": f"table-{number % 50 + 1}"}],
    }


def _send(address: str, event: Mapping[str, Any]) -> str:
    """Send an event until it is acknowledged; return its run id."""
    _until(lambda: _post(f"{address}/api/v1/lineage", event))
    return event["run"]["runId"]


def _post(address: str, event: Mapping[str, Any]) -> bool:
    from urllib.request import Request, urlopen

    request = Request(address, json.dumps(event).encode(), {"content-type": "application/json"})  # noqa: S310  # ours
    with urlopen(request, timeout=5) as answer:  # noqa: S310
        return answer.status < 300


def _start(words: list[str], address: str) -> subprocess.Popen:
    from urllib.request import urlopen

    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def answers() -> bool:
        with urlopen(f"{address}/api/v1/overview", timeout=5) as answer:  # noqa: S310  # our own server
            return answer.status == 200

    _until(answers)
    return server


def _until(done: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            if done():
                return
        time.sleep(0.02)
    raise SystemExit("The lineage server does not answer.")
