"""The graph in a real browser: `slipway up` serves it, on this machine only, and it names every table.

What belongs here: what a person sees. Not: the definitions (tests/test_definitions.py).
"""

import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
SECONDS = 120


@pytest.fixture
def served(built, tmp_path: Path) -> Iterator[str]:
    """The address of a UI over the built world; it is stopped by its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "orchestration.cli", "up", "--home", str(built.home.root), "--port", str(port)]
    with (tmp_path / "up.log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address, process, tmp_path / "up.log")
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5) as answer:  # noqa: S310  # our own server
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"no answer in {SECONDS} s:\n{log.read_text()}")


@pytest.mark.skipif(CHROMIUM is None, reason="needs: chromium, a Debian package")
def test_the_graph_is_seen_in_a_browser_and_a_second_ui_on_the_home_is_rejected(served: str, built) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"{served}/locations/slipway/asset-groups/fraud/lineage")
        for name in ("transactions", "stg_transactions", "customer_spend", "training", "scorer", "predictions"):
            page.get_by_text(name, exact=True).first.wait_for(timeout=60_000)
        page.goto(f"{served}/assets/fraud/customer_spend")
        page.get_by_text("How often and how much a customer pays.").first.wait_for(timeout=60_000)
        browser.close()
    words = [sys.executable, "-m", "orchestration.cli", "up", "--home", str(built.home.root), "--port", "0"]
    words[-1] = served.rsplit(":", 1)[1]
    second = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert "is running on this home" in second.stderr
    assert "Traceback" not in second.stderr
