"""The lineage server: how fast it takes events in, and how soon it answers over a large graph.

What belongs here: a real server on this machine, its senders, and the pages' questions. Not: the events
(lineage_graph.py), what emitting costs a pipeline (lineage.py).

100,000 events of runs over 5,000 tables with about 52,000 edges between columns are posted one by one, each as a
request of its own by plain HTTP/1.1 over kept connections; each 201 is durable. Then every kind of question is asked
over HTTP, and the pages are drawn in Chromium where it is installed. The reference for receiving is the standard's own
Python client, one after another; for answers and drawing it is what a person does not notice.
"""

import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, report
from benchmarks.lineage_graph import BEGIN, events, table_name
from serving.lineage.app import STATIC

PER_SECOND = 1_000
MILLISECONDS = 200
DRAWN_SECONDS = 2.0
CONNECTIONS = 64
CLIENT_EVENTS = 300
_TIMES = 5
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def main() -> int:
    parser = Arguments(__doc__ or "")
    parser.size("--events", 100_000, quick=400, about="events to post")
    parser.size("--tables", 5_000, quick=60, about="tables in the graph")
    given = parser.given()
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "home") as address:
        seconds = asyncio.run(send(address, given.tables, given.events))
        received = ask(f"{address}/api/v1/overview")["events"]
        client = by_client(address, given.tables, CLIENT_EVENTS)
        answers = measure_answers(address, given.tables)
        size = ask(f"{address}/api/v1/graph?limit=5000")
        drawn = draw_seconds(address, given.tables)
    rate = given.events / seconds
    figures = [
        Figure("events received", received, "", given.events, "all of them", holds=received == given.events),
        Figure("received", rate, "events/s", client, f"at least {PER_SECOND:,}", holds=rate >= PER_SECOND),
        Figure("tables", len(size["nodes"]), "", None, "", holds=True),
        Figure("edges between columns", size["column_edge_count"], "", None, "", holds=True),
    ]
    figures += [
        Figure(f"{name}, slowest of {_TIMES}", slowest, "ms", None, f"under {MILLISECONDS}", slowest < MILLISECONDS)
        for name, slowest in answers.items()
    ]
    if isinstance(drawn, float):
        figures.append(Figure("drawn", drawn, "s", None, f"under {DRAWN_SECONDS}", holds=drawn < DRAWN_SECONDS))
    elif not given.json:
        sys.stdout.write(f"Not drawn: {drawn}.\n")
    return report(figures, given, drawn=drawn)


@contextmanager
def server(home: Path) -> Iterator[str]:
    """A server of its own on a free port."""
    words = [sys.executable, "-m", "orchestration.cli", "lineage", "--home", str(home), "--port", "0", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        text = ""
        assert process.stdout
        while "}" not in text:
            line = process.stdout.readline()
            assert line, "the server did not start"
            text += line
        yield json.loads(text)["address"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def send(address: str, tables: int, number: int) -> float:
    """Post so many events over several connections; returns the seconds that it took."""
    host, port = address.removeprefix("http://").split(":")
    bodies = events(tables, number)
    head = f"POST /api/v1/lineage HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: "

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for body in bodies:
            writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b" 201 " in answer[:20], answer
            length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return time.perf_counter() - began


def by_client(address: str, tables: int, number: int) -> float:
    """Events per second that openlineage-python's client gets through, one after another."""
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    transport = HttpTransport(HttpConfig.from_dict({"url": address, "endpoint": "api/v1/lineage"}))
    bodies = [json.loads(body) for body in events(tables, number)]
    began = time.perf_counter()
    for body in bodies:
        transport.emit(body)  # known events: what is measured is the way
    return number / (time.perf_counter() - began)


def measure_answers(address: str, tables: int) -> dict[str, float]:
    """Milliseconds of the slowest of some answers to each kind of question."""
    then = quote((BEGIN + timedelta(seconds=150)).isoformat())
    middle, first = table_name(tables // 2), table_name(3)
    ids = {name: ask(f"{address}/api/v1/nodes/by-name?name={name}")["id"] for name in (middle, first)}
    run = ask(f"{address}/api/v1/runs?limit=2")["runs"]
    questions = {
        "overview": "overview",
        "search": "search?q=column_3+table_004",
        "graph, two steps": f"graph?id={ids[middle]}&depth=2",
        "graph, 400 nodes": "graph?limit=400",
        "graph, all nodes": "graph?limit=5000&column_edges=false",
        "graph, two steps, as of": f"graph?id={ids[middle]}&depth=2&at={then}",
        "graph of a column": f"graph?id={ids[middle]}&column=column_3&depth=20",
        "node": f"nodes/{ids[middle]}",
        "node, as of": f"nodes/{ids[middle]}?at={then}",
        "column": f"nodes/{ids[middle]}/column/column_3",
        "impact of a column": f"impact?id={ids[first]}&column=column_3",
        "impact of a table": f"impact?id={ids[first]}",
        "runs": "runs?limit=100",
        "run": f"runs/{run[0]['id']}",
        "difference": f"runs/diff?a={run[0]['id']}&b={run[1]['id']}",
    }
    slowest = {}
    for name, question in questions.items():
        taken = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            ask(f"{address}/api/v1/{question}")
            taken.append((time.perf_counter() - began) * 1_000)
        slowest[name] = max(taken)
    return slowest


def draw_seconds(address: str, tables: int) -> float | str:
    """Seconds until the pages have drawn the graph of all tables in a browser, or why there is none."""
    if not _CHROMIUM:
        return "Chromium is not installed"
    if not (STATIC / "index.html").exists():
        return "there are no pages"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        taken = []
        for _ in range(3):
            page = browser.new_page()
            began = time.perf_counter()
            page.goto(f"{address}/#/graph?limit={tables}")
            page.wait_for_selector(f"[data-nodes='{tables}']")
            taken.append(time.perf_counter() - began)
            page.close()
        browser.close()
    return statistics.median(taken)


def ask(address: str) -> dict:
    with urlopen(address) as answer:  # noqa: S310  # our own server
        return json.loads(answer.read())


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
    sys.exit(main())
