"""The lineage browser's pages in a real browser, over a real server on this machine.

What belongs here: what a person sees and does there. Not: what the server answers (test_lineage_server.py).
"""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lakehouse.lineage.store.store import open_store
from tests import lineage_world, scenario
from tests.lineage_world import HOSTILE, run_id

CHROMIUM = shutil.which("chromium")
SECONDS = 60
NEEDED = pytest.mark.skipif(CHROMIUM is None, reason="needs: chromium, a Debian package")
pytestmark = [NEEDED]

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
MANY = 3_000
TITLES = "elements => elements.map((element) => element.title)"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server over the small world of lineage; it is stopped by its process id."""
    folder = tmp_path_factory.mktemp("lineage")
    lake = scenario.make_lake(folder / "home")
    store = open_store(lake)
    store.receive_many([*lineage_world.events(), lineage_world.hostile()])
    store.close()
    with served(lake.home.root, folder / "server.log") as found:
        yield found


@contextmanager
def served(home: Path, log: Path) -> Iterator[str]:
    """A server of its own, on a free port."""
    words = [sys.executable, "-m", "orchestration.cli", "lineage", "serve", "--port", "0", "--json"]
    with log.open("w") as log_file:
        process = subprocess.Popen(
            [*words, "--home", str(home)], stdout=subprocess.PIPE, stderr=log_file, text=True, start_new_session=True
        )
        try:
            printed = process.stdout.read(2) if process.stdout else ""
            while printed and process.poll() is None and printed.count("{") != printed.count("}"):
                printed += process.stdout.read(1)
            assert printed.count("{"), log.read_text()
            yield json.loads(printed)["address"]
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            if process.stdout:
                process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


class Browsed:
    """A page of the browser, and what a person does there."""

    def __init__(self, page: Any, address: str) -> None:  # Playwright is imported where it is used
        self.page = page
        self.address = address
        self.allowed: list[str] = []
        """Complaints that a test provokes."""

    def wait_for_found(self, word: str, *, place: int) -> None:
        """Wait until that is found at a place: each letter that is typed finds something of its own."""
        self.page.locator("#found [role=option]").nth(place).filter(has_text=word).wait_for()

    def open(self, hash_: str) -> "Browsed":
        """Open one of the pages and wait until it stands."""
        self.page.goto(f"{self.address}/{hash_}")
        return self.settle()

    def settle(self) -> "Browsed":
        """Wait until the page has what it asked for."""
        self.page.locator("#content:not([aria-busy]) > *").first.wait_for()
        return self

    def follow(self, link: str, **options: Any) -> None:
        """Click a link to another page and wait until that one stands: the next link could be on both."""
        left = self.page.locator("#content > *").first.element_handle()
        self.page.get_by_role("link", name=link, **options).click()
        self.page.wait_for_function("left => !left.isConnected", arg=left)
        self.settle()

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def card(self, name: str) -> Any:
        """The card of a node in the graph."""
        return self.page.locator(f'.graph-card[data-name="{name}"]')

    def cards(self) -> set[str]:
        """The names of the nodes that are seen in the graph."""
        return set(
            self.page.locator(".cards:not([hidden]) .graph-card").evaluate_all(
                "cards => cards.map((card) => card.dataset.name)"
            )
        )

    def focused(self) -> str:
        """The name of the node that has the focus, else what kind of element."""
        found = "document.activeElement.closest('.graph-card')?.dataset.name ?? document.activeElement.tagName"
        return self.page.evaluate(found)

    def wait_for_title(self, title: str) -> None:
        """Wait until the tab is called so."""
        from playwright.sync_api import expect

        expect(self.page).to_have_title(f"{title} · Lineage")

    def shows(self, *words: str) -> None:
        """Wait until all of these can be seen."""
        for one in words:
            self.page.locator("#content").get_by_text(one, exact=False).locator("visible=true").first.wait_for()


@pytest.fixture
def opened(browser, address: str) -> Iterator[Callable[..., Browsed]]:
    """Opens pages; in the end nothing may have failed, and nothing may have been asked of another host."""
    contexts: list[tuple[Any, Browsed, list[str]]] = []

    def start(hash_: str, *, allowed: tuple[str, ...] = (), before: Any = None, **options: Any) -> Browsed:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        context.set_default_timeout(15_000)
        found = Browsed(context.new_page(), address)
        wrong: list[str] = []
        found.page.on("pageerror", lambda error: wrong.append(str(error)))
        found.page.on(
            "console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None
        )
        found.page.on("request", lambda asked: None if asked.url.startswith(address) else wrong.append(asked.url))
        found.allowed = list(allowed)
        contexts.append((context, found, wrong))
        if before:
            before(found.page)
        return found.open(hash_)

    yield start
    for context, found, wrong in contexts:
        context.close()
        assert [one for one in wrong if not any(part in one for part in found.allowed)] == []


def test_the_overview_shows_counts_problems_and_recent_runs(opened) -> None:
    there = opened("#/")
    there.shows("22 datasets", "feature sets", "Needs attention", "Newest runs")
    attention = there.page.locator("section", has=there.page.get_by_role("heading", name="Needs attention"))
    assert attention.locator(".row").all_inner_texts()[0].split("\n")[0] == "fraud.transactions"
    for words in ("failing", "blocking deliveries", "warning", "stale", "fraud.stg_transactions has a newer version."):
        assert attention.get_by_text(words).first.is_visible()
    there.follow("fraud", exact=True)
    there.wait_for_title("fraud: graph")
    there.card("fraud.scorer").wait_for()
    assert "credit.loans" not in there.cards()


def test_a_search_goes_by_keys_to_a_column_a_job_and_all_results(opened) -> None:
    there = opened("#/")
    there.press("/")
    there.page.keyboard.type("amount_mean_7d")
    there.wait_for_found("amount_mean_7d", place=1)
    there.press("ArrowDown", "ArrowDown")
    chosen = there.page.locator("#found [aria-selected=true]")
    assert chosen.inner_text().startswith("amount_mean_7d")
    assert there.page.locator("#words").get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    there.press("Enter")
    there.wait_for_title("fraud.customer_spend.amount_mean_7d")
    there.press("/")
    there.page.keyboard.type("fraud_ma")
    there.wait_for_found("fraud_main", place=0)
    there.press("ArrowDown", "Enter")
    there.wait_for_title("Runs of fraud_main")
    there.press("/")
    there.page.keyboard.type("team:risk")
    there.press("Enter")
    there.wait_for_title("Search: team:risk")
    assert there.page.locator(".rows .name").all_inner_texts() == ["fraud.fraud_reports", "fraud.terminal_risk"]
    there.page.get_by_label("kind", exact=True).select_option("FEATURE_SET")
    there.page.get_by_role("status").get_by_text("1 result").wait_for()


def test_a_node_is_shown_in_its_graph_with_all_that_is_known(opened) -> None:
    there = opened("#/node/fraud.transactions?direction=downstream")
    there.wait_for_title("fraud.transactions")
    assert there.cards() >= {"fraud.transactions", "fraud.stg_transactions", "fraud.customer_spend"}
    spoken = there.card("fraud.transactions").locator(".card-main").get_attribute("aria-label")
    for words in ("source", "owner team:payments", "failing", "blocking deliveries", "downstream", "root of the graph"):
        assert words in spoken
    panel = there.page.locator(".panel")
    for words in (
        *("team:payments", "Card payments as the bank delivers them.", "version 2", "amount_not_negative"),
        *("3 deliveries in a row were rejected", "Compare the last two", "The bank's own number"),
    ):
        assert panel.get_by_text(words).first.is_visible(), words
    assert re.search(r"expected\s+>= 0\s+actual\s+-12.5", panel.inner_text())
    versions = panel.locator("section", has=there.page.get_by_role("heading", name="Versions")).locator("tbody tr")
    assert versions.count() == 3
    assert versions.first.locator("code").get_attribute("title") == "5577006792009779596", "to the last digit"
    dagster = panel.get_by_role("link", name="Dagster")
    assert dagster.get_attribute("href") == "http://127.0.0.1:3000/assets/fraud/transactions"
    assert dagster.get_attribute("rel") == "noopener noreferrer"
    there.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.get_by_role("button", name="Copy the command for downstream").click()
    there.page.locator("#announcer", has_text="Copied").wait_for(state="attached")
    assert there.page.evaluate("navigator.clipboard.readText()") == "slipway lineage fraud.transactions --downstream"


def test_clicks_select_expand_and_change_the_root_and_the_browser_goes_back(opened) -> None:
    there = opened("#/node/fraud.training?depth=1")
    there.card("fraud.scorer").locator(".card-main").click()
    there.wait_for_title("fraud.scorer")
    assert there.page.url.endswith("#/node/fraud.training?depth=1&selected=fraud.scorer")
    assert there.card("fraud.scorer").locator(".card-main").get_attribute("aria-current") == "true"
    there.page.go_back()
    there.wait_for_title("fraud.training")
    there.page.go_forward()
    there.wait_for_title("fraud.scorer")
    assert "fraud.predictions" not in there.cards()
    there.page.get_by_role("button", name="Expand 1 downstream of fraud.scorer").click()
    there.card("fraud.predictions").wait_for()
    there.page.get_by_role("button", name="Collapse downstream of fraud.training").click()
    there.card("fraud.scorer").wait_for(state="detached")
    assert "fraud.predictions" not in there.cards()
    assert "fraud.customer_spend" in there.cards()
    there.card("fraud.customer_spend").locator(".card-main").dblclick()
    there.wait_for_title("fraud.customer_spend")
    assert "#/node/fraud.customer_spend" in there.page.url
    there.page.get_by_role("button", name="← Upstream").click()
    there.card("fraud.training").wait_for(state="detached")
    there.page.get_by_label("Depth").select_option("all")
    there.card("fraud.transactions/transactions_2024-03-06.parquet").wait_for()


def test_a_column_lights_its_path_and_the_rest_fades(opened) -> None:
    there = opened("#/node/fraud.predictions?column=score")
    there.card("fraud.transactions/transactions_2024-03-06.parquet").wait_for()
    lit = there.card("fraud.training").locator(".card-row.lit").evaluate_all(TITLES)
    assert "customer_spend__amount_mean_7d: show its lineage" in lit
    assert "transaction_id: show its lineage" not in lit
    assert there.card("fraud.predictions").locator(".card-row.here").inner_text().startswith("score")
    part = there.page.locator(".column-part")
    assert part.get_by_role("link", name="fraud.scorer.score").is_visible()
    part.get_by_role("link", name="fraud.customer_spend.amount_mean_7d").click()
    there.wait_for_title("fraud.customer_spend.amount_mean_7d")
    there.card("fraud.fraud_reports").wait_for(state="detached")
    there.page.get_by_role("button", name="column amount_mean_7d").click()
    there.wait_for_title("fraud.customer_spend")
    there.card("fraud.stg_transactions").get_by_role("button", name="Show columns").click()
    there.card("fraud.stg_transactions").get_by_role("button", name="is_fraud").click()
    there.wait_for_title("fraud.stg_transactions.is_fraud")
    assert "faded" in there.card("fraud.customer_spend").get_attribute("class")
    assert "faded" not in there.card("fraud.terminal_risk").get_attribute("class")
    there.press("l")
    path = there.page.get_by_role("region", name="Lineage of is_fraud").locator("tbody tr")
    path.first.wait_for()
    listed = [" ".join(row.split()) for row in path.all_inner_texts()]
    assert "fraud.transactions.TX_FRAUD fraud.stg_transactions.is_fraud transformation" in listed
    assert "fraud.fraud_reports.is_fraud fraud.terminal_risk.is_fraud_rate_7d aggregation" in listed


def test_everything_works_with_the_keyboard(opened) -> None:
    there = opened("#/node/fraud.training")
    there.card("fraud.training").wait_for()
    for _ in range(40):
        there.press("Tab")
        if there.focused() == "fraud.training":
            break
    assert there.focused() == "fraud.training", "the graph is one stop of the tabulator"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert there.page.evaluate(outline) == "solid", "what has the focus is seen to have it"
    there.press("ArrowRight")
    assert there.focused() == "fraud.scorer"
    there.press("ArrowRight", "ArrowLeft", "Home", "ArrowLeft")
    first = there.focused()
    assert first in {"fraud.customer_spend", "fraud.terminal_risk", "fraud.transaction_time", "fraud.stg_transactions"}
    there.press("ArrowDown")
    assert there.focused() != first
    there.press("Home", "ArrowRight", "Space")
    there.card("fraud.scorer").locator(".card-row").wait_for()
    assert there.focused() == "fraud.scorer"
    there.press("Enter")
    there.wait_for_title("fraud.scorer")
    there.page.locator(".panel h1:focus").wait_for()
    there.press("Escape")
    assert there.focused() == "fraud.scorer"
    there.press("Escape")
    there.wait_for_title("fraud.training")
    there.press("Home", "d")
    there.card("fraud.scorer").wait_for(state="detached")
    there.press("d")
    there.card("fraud.scorer").wait_for()
    there.press("ArrowRight", "g")
    there.wait_for_title("fraud.scorer")
    assert there.page.url.endswith("#/node/fraud.scorer")
    there.press("?")
    keys = there.page.get_by_role("dialog", name="Keyboard shortcuts")
    keys.get_by_text("the upstream or downstream neighbor").wait_for()
    there.press("Escape")
    keys.wait_for(state="hidden")
    there.press("w")
    there.page.locator(".panel").wait_for(state="hidden")
    there.press("w")
    there.page.locator(".panel").wait_for()
    there.press("l")
    there.page.get_by_role("table").first.wait_for()


def test_the_list_shows_the_same_as_the_graph(opened) -> None:
    there = opened("#/node/fraud.training?view=list")
    rows = there.page.locator(".graph-list tbody tr")
    rows.first.wait_for()
    cells = [[cell.strip() for cell in row.split("\t")] for row in rows.all_inner_texts()]
    by_name = {row[0]: row for row in cells}
    assert by_name["fraud.training"][1:4] == ["root", "training set", "team:models"]
    assert by_name["fraud.scorer"][1] == "1 downstream"
    assert by_name["fraud.fraud_reports"][1] == "2 upstream"
    assert "warning" in by_name["fraud.fraud_reports"][4]
    assert there.page.locator(".canvas").is_hidden()


def test_as_of_an_earlier_time_the_graph_is_as_it_was(opened) -> None:
    there = opened("#/node/fraud.transactions")
    there.shows("blocking deliveries")
    slider = there.page.get_by_label("As of", exact=True)
    slider.focus()
    assert slider.get_attribute("aria-valuetext") == "now"
    there.press("Home")
    there.shows("As of 2024-03-04")
    there.page.locator(".panel", has_text="version 1").wait_for()
    assert there.page.locator(".panel").get_by_text("blocking deliveries").count() == 0
    assert there.page.evaluate("document.activeElement.id") == "as-of", "one goes on with the same key"
    assert "fraud.scorer" not in there.cards()
    there.press("End")
    there.shows("blocking deliveries")
    assert "at=" not in there.page.url
    there.open("#/node/fraud.scorer?at=2024-03-05T12:00:00Z").shows("As of 2024-03-05 12:00")
    versions = there.page.locator(".panel section", has=there.page.get_by_role("heading", name="Versions"))
    assert versions.locator("tbody tr").count() == 2


def test_a_failed_run_shows_its_error_and_two_runs_are_compared(opened) -> None:
    there = opened(f"#/run/{run_id('fraud.daily_activity', 2)}")
    there.shows("Error", "Disk quota exceeded while writing part 3 of 12", "b7e90d4", "fraud.stg_transactions")
    there.page.get_by_text("Stack trace").click()
    there.shows("OSError: [Errno 122]")
    there.follow("fraud_main")
    there.wait_for_title(f"fraud_main {run_id('root', 2)[:8]}")
    there.shows("Steps")
    dagster = there.page.get_by_role("link", name="Dagster")
    assert dagster.get_attribute("href") == f"http://127.0.0.1:3000/runs/{run_id('root', 2)}"
    there.follow("fraud.training")
    there.follow("Compare with the previous run")
    there.page.get_by_role("heading", name="Differences between two runs").wait_for()
    assert there.page.url.endswith(f"#/diff/{run_id('fraud.training', 1)}/{run_id('fraud.training', 2)}")
    there.shows("3f2c81a", "b7e90d4")
    inputs = there.page.get_by_role("region", name="Inputs").locator("tr.changed")
    assert inputs.count() == 4
    there.page.get_by_label("first run").select_option(run_id("fraud.training", 0))
    there.page.locator("code", has_text=f"slipway lineage diff {run_id('fraud.training', 0)}").wait_for()


def test_runs_are_chosen_from_a_list_and_compared(opened) -> None:
    there = opened("#/runs?job=fraud.scorer")
    boxes = there.page.locator("input.choose")
    boxes.nth(0).check()
    boxes.nth(2).check()
    assert boxes.nth(1).is_disabled()
    there.page.get_by_role("button", name="Compare two runs").click()
    there.page.get_by_role("heading", name="Differences between two runs").wait_for()
    assert there.page.url.endswith(f"#/diff/{run_id('fraud.scorer', 0)}/{run_id('fraud.scorer', 2)}")
    there.open("#/runs")
    assert set(there.page.locator(".rows .what").all_inner_texts()) == {"fraud_main", "<s>job</s>"}, "and no steps"
    there.page.get_by_label("state", exact=True).select_option("FAIL")
    there.page.get_by_role("status").get_by_text("1 run").wait_for()
    there.page.get_by_label("with their steps").check()
    there.page.get_by_role("status").get_by_text("2 runs").wait_for()
    assert there.page.locator(".rows .what").all_inner_texts() == ["fraud.daily_activity", "fraud_main"]


def test_many_files_of_one_source_are_one_stack_until_expanded(opened) -> None:
    there = opened("#/node/credit.loans")
    stack = there.card("6 files")
    stack.locator(".card-main").click()
    panel = there.page.locator(".panel")
    panel.get_by_role("link", name="credit.loans/loans_2024-03-01.parquet").click()
    there.wait_for_title("credit.loans/loans_2024-03-01.parquet")
    assert {"5 files", "credit.loans/loans_2024-03-01.parquet"} <= there.cards(), "what is chosen stands alone"
    there.press("Escape")
    there.wait_for_title("credit.loans")
    there.page.get_by_role("button", name="Show each of").click()
    there.card("credit.loans/loans_2024-03-06.parquet").wait_for()
    assert len([name for name in there.cards() if name.endswith(".parquet")]) == 6
    there.page.reload()
    there.card("6 files").wait_for()
    there.press("l")
    there.page.locator("summary", has_text="6 files").click()
    there.page.locator(".graph-list").get_by_role("link", name="credit.loans/loans_2024-03-01.parquet").wait_for()


def test_the_downstream_impact_names_nodes_and_owners(opened) -> None:
    there = opened("#/impact/fraud.transactions/TX_AMOUNT")
    there.shows("6 nodes downstream", "up to 4 steps away", "2 owners", "via fraud.stg_transactions")
    there.page.get_by_role("button", name="team:models").click()
    there.page.get_by_role("link", name="fraud.daily_activity").wait_for(state="detached")
    assert there.page.get_by_role("link", name="fraud.scorer").is_visible()
    there.page.get_by_label("column", exact=True).select_option("")
    there.wait_for_title("Downstream impact of fraud.transactions")
    there.open("#/impact/fraud.predictions/score").shows("No downstream nodes")


def test_hostile_names_are_shown_as_text(opened) -> None:
    there = opened(f"#/search?q={'script'}")
    there.follow(HOSTILE)
    there.wait_for_title(HOSTILE)
    for words in ("<img src=x onerror=alert(1)>", "<u>owner</u>", "<b>text</b>", "</title><script>"):
        assert there.page.locator(".panel").get_by_text(words).first.is_visible(), words
    there.page.get_by_role("button", name="<img src=x onerror=alert(1)>").click()
    there.wait_for_title(f"{HOSTILE}.<img src=x onerror=alert(1)>")
    there.open(f"#/run/{run_id('hostile')}").shows("<s>job</s>")
    there.open("#/").shows("<s>job</s>")
    assert there.page.locator("#content s, #content img, #content script").count() == 0
    assert there.page.locator("a[href^='javascript']").count() == 0


def test_an_unknown_name_gets_the_nearest_and_a_link(opened) -> None:
    there = opened("#/node/fraud.custmer_spend", allowed=("404",))
    there.shows("fraud.custmer_spend", "nearest", "what to do")
    there.follow("fraud.customer_spend")
    there.wait_for_title("fraud.customer_spend")
    there.open("#/nowhere").shows("There is no such page.")
    there.open("#/node/%E0%A4%A").shows("%E0%A4%A")


def answered(answer: dict[str, Any], route: Any) -> None:
    """A made-up answer in place of the server's."""
    route.fulfill(json=answer)


def test_a_kind_is_shown_as_the_server_describes_it(opened) -> None:
    hexagon = {"shape": "hexagon", "icon": ["M8 1.5l5.6 3.25"], "color": {"light": "#123456", "dark": "#abcdef"}}
    kinds = [
        {"name": "SOURCE", "label": "tap", "plural": "taps", "aliases": ["TABLE"], **hexagon},
        {"name": "DATASET", "label": "dataset", "plural": "datasets", "aliases": [], **hexagon},
    ]
    mocked = partial(answered, {"kinds": kinds})
    there = opened("#/", before=lambda page: page.route(re.compile("/api/v1/kinds"), mocked), color_scheme="light")
    there.page.locator(".kinds li", has_text="taps").first.wait_for()
    there.page.locator(".kinds li", has_text="feature sets").first.wait_for()
    icon = there.page.locator(".kinds .kind-source").first
    assert icon.evaluate("icon => getComputedStyle(icon).color") == "rgb(18, 52, 86)"
    assert icon.locator("path").get_attribute("d") == "M8 1.5l5.6 3.25"


def test_an_empty_store_shows_how_to_fill_it(opened) -> None:
    def empty(page: Any) -> None:
        answers = {
            "overview": {"datasets": 0, "jobs": 0, "runs": 0, "kinds": {}, "domains": [], "unhealthy": [], "stale": []},
            "runs": {"runs": []},
            "graph": {"root": None, "nodes": [], "edges": [], "column_edges": [], "truncated": False, "more": {}},
        }
        for name, answer in answers.items():
            page.route(re.compile(f"/api/v1/{name}"), partial(answered, answer))

    there = opened("#/", before=empty)
    there.shows("No events yet", "slipway demo", "/api/v1/lineage")
    there.open("#/graph").shows("No lineage yet")
    there.open("#/runs").shows("No runs")


def test_a_server_with_a_token_is_asked_with_it(opened) -> None:
    def guarded(page: Any) -> None:
        def answer(route: Any) -> None:
            if route.request.headers.get("authorization") == "Bearer sesame":
                route.continue_()
            else:
                problem = {"what": "The token is missing or wrong.", "where": "Authorization", "fix": "Send it."}
                route.fulfill(status=401, json={"error": problem})

        page.route(re.compile("/api/v1/"), answer)

    there = opened("#/", before=guarded, allowed=("401",))
    there.shows("The token is missing or wrong.")
    there.page.get_by_label("Token of this server").fill("sesame")
    there.press("Enter")
    there.shows("Needs attention")


def test_thousands_of_nodes_are_drawn_and_read_from_near(opened) -> None:
    nodes = [
        {
            "id": f"n{at}",
            "name": f"wide.t{at}",
            "kind": "TABLE",
            "domain": "wide",
            "owner": None,
            "health": "ok",
            "up_to_date": None,
            "circuit_breaker": None,
            "updated": None,
            "columns": [],
            "layer": at // 60,
            "x": 280.0 * (at // 60),
            "y": 84.0 * (at % 60),
        }
        for at in range(MANY)
    ]
    edges = [{"id": f"e{at}", "source": f"n{at}", "target": f"n{at + 60}", "job": "j"} for at in range(MANY - 60)]
    answer = {"root": None, "nodes": nodes, "edges": edges, "column_edges": [], "truncated": False, "more": {}}
    there = opened("#/graph", before=lambda page: page.route(re.compile("/api/v1/graph"), partial(answered, answer)))
    there.page.locator(f".canvas[data-nodes='{MANY}']").wait_for()
    assert there.cards() == set(), "from far there are no words"
    box = there.page.locator(".canvas").bounding_box()
    for _ in range(30):
        there.press("+")
    there.page.locator(".graph-card").first.wait_for()
    assert 0 < len(there.cards()) < 200, "of many only those in sight exist"
    name = there.page.locator(".graph-card").first.get_attribute("data-name")
    assert box
    assert name.startswith("wide.t")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pages_fit_the_screen_and_can_be_read_in_both_schemes(opened, size: dict[str, int], scheme: str) -> None:
    there = opened("#/", viewport=size, color_scheme=scheme, has_touch=size is PHONE, reduced_motion="reduce")
    pages = {
        "#/": (".lead, .soft", ".badge.bad", ".badge.warn", "h2"),
        "#/node/fraud.transactions?column=TX_AMOUNT": (".lead", ".note", ".column-part .soft", ".schema .type"),
        "#/node/fraud.training?view=list": (".graph-list td", "thead th"),
        f"#/run/{run_id('fraud.daily_activity', 2)}": (".message", "dt"),
        f"#/diff/{run_id('fraud.training', 1)}/{run_id('fraud.training', 2)}": (".changed td.value code",),
        "#/impact/fraud.transactions/TX_AMOUNT": (".chip", ".aside .soft"),
        "#/runs": (".badge.good",),
        "#/search?q=fraud": (".name", ".soft"),
    }
    for address, chosen in pages.items():
        there.open(address)
        there.page.locator(chosen[0]).first.wait_for()
        assert there.page.evaluate("document.documentElement.scrollWidth") == size["width"], address
        for one in chosen:
            assert there.page.evaluate(CONTRAST, one) >= 4.5, (address, one)


def test_on_a_phone_a_touch_opens_a_node_below_the_graph(opened) -> None:
    there = opened("#/node/fraud.training", viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
    there.card("fraud.training").locator(".card-main").tap()
    there.page.get_by_role("button", name="Fit all (f)").tap()
    there.page.get_by_role("button", name="List").tap()
    there.page.get_by_role("link", name="fraud.scorer").first.tap()
    there.wait_for_title("fraud.scorer")
    assert there.page.locator(".panel h1").inner_text() == "fraud.scorer"


def test_light_or_dark_is_chosen_and_stays_chosen(opened) -> None:
    there = opened("#/", color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert there.page.evaluate(paper) == "rgb(255, 255, 255)"
    there.page.get_by_role("button", name="Switch between light and dark").click()
    assert there.page.evaluate(paper) == "rgb(18, 20, 24)"
    there.page.reload()
    assert there.settle().page.evaluate(paper) == "rgb(18, 20, 24)"


# WCAG's contrast of an element's colour to what lies behind it.
CONTRAST = """(chosen) => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const element = document.querySelector(`#content ${chosen}`);
  let behind = element;
  while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""
