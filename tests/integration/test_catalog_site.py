"""The catalog's site in a real browser: from a folder, without a server and without the network.

What belongs here: what a person sees and does there. Not: the parts that it is made of (unit/test_feature_catalog.py).
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assets.fraud.features import transaction_time
from lakehouse.errors import SlipwayError
from lakehouse.features.feature_set import Example
from lakehouse.loading import load_domains
from lakehouse.reports.feature_catalog.site import write_site
from lakehouse.transforms.project import load_project
from tests import scenario

CHROMIUM = shutil.which("chromium")
NASTY = "<script>document.title = 'broken out'</script> & \"quoted\""

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs: chromium, a Debian package")


def declared():
    """The fraud domain, with one more set: deprecated, its example wrong, its words made to break out of the page."""
    (domain,) = load_domains(["fraud"])
    wrong = Example(
        description="Wrong.",
        given={},
        at={"transaction_id": 1, "tx_datetime": "2018-04-01"},
        expected={"is_weekend": 0},
    )
    old = replace(
        transaction_time,
        name="fraud.old_time",
        description=NASTY,
        deprecated="fraud.transaction_time",
        examples=[wrong],
    )
    (training,) = domain.training_sets
    used = replace(training, name="fraud.old_training", feature_sets=[old])
    return [replace(domain, declarations=[*domain.declarations, old, used])]


@pytest.fixture(scope="module")
def site(built_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the built world."""
    home = shutil.copytree(built_home, tmp_path_factory.mktemp("catalogued") / "home")
    lake = scenario.make_lake(home)
    folder = tmp_path_factory.mktemp("site") / "pages"
    project = load_project(lake.settings, lake.home)
    files = write_site(lake, declared(), project, None, folder)
    before = {file.name: file.read_bytes() for file in files}
    again = write_site(lake, declared(), project, None, folder)
    assert {file.name: file.read_bytes() for file in again} == before, "the same catalog gives the same bytes"
    return folder


@pytest.fixture
def page(site: Path) -> Iterator:
    """A browser's page on the index; nothing may be fetched from elsewhere, and no script may fail."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        opened = browser.new_page(viewport={"width": 1200, "height": 900})
        wrong: list[str] = []
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("request", lambda one: wrong.append(one.url) if not one.url.startswith(("file:", "data:")) else None)
        opened.goto((site / "index.html").as_uri())
        yield opened
        browser.close()
        assert wrong == []


def shown(page) -> list[str]:
    """The features that can be seen on the index."""
    return page.locator("a[data-feature]:visible").evaluate_all("links => links.map((link) => link.dataset.feature)")


@needs_browser
def test_a_search_finds_opens_and_is_still_there_when_one_comes_back(page) -> None:
    assert len(shown(page)) == 16
    page.get_by_role("searchbox").fill("MEAN 7d")
    assert shown(page) == ["fraud.customer_spend.amount_mean_7d"]
    assert page.get_by_role("status").inner_text() == "1 of 16 features"
    assert page.locator("section.set:visible").count() == 1
    page.get_by_role("link", name="amount_mean_7d").click()
    page.get_by_role("heading", name="fraud.customer_spend", level=1).wait_for()
    assert page.url.endswith("fraud.customer_spend.html#amount_mean_7d")
    feature = page.locator("#amount_mean_7d")
    assert 0 <= feature.bounding_box()["y"] < 100, "what was opened is what is seen"
    for words in ("mean(amount) over (t-7d, t], else 0", "currency units", "fraud.transactions.TX_AMOUNT", "0% null"):
        assert words in feature.inner_text()
    assert feature.locator(".bars rect").count() > 5
    page.go_back()
    page.locator("#count", has_text="1 of 16 features").wait_for()
    assert shown(page) == ["fraud.customer_spend.amount_mean_7d"]


@needs_browser
def test_features_are_filtered_by_entity_source_and_owner(page) -> None:
    page.get_by_label("Only this entity").select_option("terminal_id")
    assert {name.rpartition(".")[0] for name in shown(page)} == {"fraud.terminal_risk"}
    page.get_by_label("Only this entity").select_option("")
    page.get_by_label("Only this source").select_option("fraud.fraud_reports")
    assert len(shown(page)) == 6
    page.get_by_role("searchbox").fill("no such thing")
    assert shown(page) == []
    assert page.get_by_text("No features match.").is_visible()


@needs_browser
def test_everything_works_with_the_keyboard(page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("/")
    page.keyboard.type("fraud_rate")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="fraud.terminal_risk", level=1).wait_for()
    assert page.url.endswith("#is_fraud_rate_7d")
    page.keyboard.press("/")
    page.get_by_role("searchbox").wait_for()
    assert page.evaluate("document.activeElement.id") == "words"
    page.keyboard.type("weekend")
    page.keyboard.press("Escape")
    assert len(shown(page)) == 16


@needs_browser
def test_a_set_shows_lineage_examples_checks_and_what_to_copy(page, site: Path) -> None:
    page.goto((site / "fraud.terminal_risk.html").as_uri())
    boxes = page.locator(".lineage .box text:not(.kind)").all_text_contents()
    assert {"transactions", "fraud_reports", "terminal_risk", "training", "scorer", "predictions"} <= set(boxes)
    assert page.get_by_text("passed", exact=True).count() == 2
    for words in (
        "examples_hold",
        "accepted_values_fraud_reports_is_fraud__False__0__1",
        "known 7d later",
        "up to date",
    ):
        assert page.get_by_text(words).first.is_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "slipway training-set fraud.terminal_risk --spine spine.parquet"


@needs_browser
def test_a_deprecated_set_leads_to_its_successor_and_its_words_stay_words(page, site: Path) -> None:
    page.goto((site / "fraud.old_time.html").as_uri())
    assert page.title() == "fraud.old_time: feature catalog"
    assert page.get_by_text(NASTY).is_visible()
    assert page.get_by_text("not published yet").first.is_visible()
    assert page.get_by_text("expects is_weekend to be 0, and it is 1").is_visible()
    assert page.get_by_text("fraud.old_training still uses it").is_visible()
    assert page.get_by_role("heading", name="Use fraud.transaction_time instead").is_visible()
    assert page.locator(".copy code").first.inner_text().startswith("slipway training-set fraud.transaction_time ")
    page.locator(".note").get_by_role("link", name="fraud.transaction_time").click()
    page.get_by_role("heading", name="fraud.transaction_time", level=1).wait_for()


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_pages_fit_the_screen_and_can_be_read_in_both_schemes(page, site: Path, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    for file in ("index.html", "fraud.terminal_risk.html"):
        page.goto((site / file).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        if file != "index.html":
            place = page.locator(".lineage .here").bounding_box()
            assert 0 <= place["x"] <= width - place["width"], "the set is seen in its lineage"
        for chosen in ("h1", ".facts", ".badge", "h2"):
            assert page.evaluate(CONTRAST, chosen) >= 4.5, (file, chosen)


# WCAG's contrast of an element's colour to what lies behind it.
CONTRAST = """(chosen) => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const element = document.querySelector(chosen);
  let behind = element;
  while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def test_every_link_leads_to_a_file_of_the_site_and_an_anchor_on_it(site: Path) -> None:
    pages = {file.name: file.read_text() for file in site.glob("*.html")}
    assert set(pages) == {
        "index.html",
        *(f"fraud.{name}.html" for name in ("customer_spend", "terminal_risk", "transaction_time", "old_time")),
    }
    anchors = {name: set(re.findall(r' id="([^"]+)"', page)) for name, page in pages.items()}
    for name, page in pages.items():
        for target in re.findall(r' (?:href|src)="([^"]+)"', page):
            file, _, anchor = target.partition("#")
            if not target.startswith("data:"):
                assert (site / (file or name)).exists(), (name, target)
                assert not anchor or anchor in anchors[file or name], (name, target)
    index = re.search(r'id="catalog">(.*?)</script>', pages["index.html"], flags=re.DOTALL)
    assert index
    assert len(json.loads(index.group(1))) == 16


def test_a_file_is_no_folder_to_write_a_site_to(built_home: Path, tmp_path: Path) -> None:
    (tmp_path / "site.html").write_text("mine")
    lake = scenario.make_lake(built_home)
    with pytest.raises(SlipwayError, match="this is a file") as caught:
        write_site(lake, [], load_project(lake.settings, lake.home), None, tmp_path / "site.html")
    assert caught.value.nearest == str(tmp_path / "site")
    assert (tmp_path / "site.html").read_text() == "mine"
