"""A contract's page: its content, its escaping, and its layout in a real browser.

What belongs here: `slipway contract show --html`. Not: the commands on contracts (test_contract_cli.py).
"""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from assets.fraud.sources import transactions
from lakehouse.ingestion.ingestion_log import Status
from lakehouse.ingestion.landing import land
from lakehouse.reports.contract.drawing import null_plots, pairs, rows_plot
from lakehouse.reports.contract.facts import facts_of
from lakehouse.reports.contract.page import page_of, rules_table, write_page
from tests import scenario

CHROMIUM = shutil.which("chromium")
NASTY = "<script>document.title = 'broken out'<&>.parquet"
DAYS = scenario.EVERY_DAY

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs: chromium, a Debian package")


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    """Twelve good days; one with a bad row, one in cents under a nasty name, one with a renamed column."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("page") / "home")
    source = replace(scenario.lenient_source, description=NASTY)
    scenario.deliver(lake, scenario.payments_on(DAYS[:12]))
    land(lake, source, run_id="good")
    one, cents, renamed = (scenario.payments_on([day]) for day in DAYS[12:15])
    scenario.deliver(lake, scenario.broken(one, every=len(one)))
    drop = lake.home.delivered_at(source.name)
    cents.with_columns(pl.col("TX_AMOUNT") * 100).write_parquet(drop / NASTY)
    renamed.rename({"TX_AMOUNT": "amt"}).write_parquet(drop / f"transactions_{DAYS[14]}.parquet")
    land(lake, source, run_id="bad")
    return lake, source


def test_the_page_shows_the_status_of_every_delivery_and_the_reason(delivered):
    lake, source = delivered
    facts = facts_of(lake, source)
    became = {one.delivery: one for one in facts.deliveries}
    assert len(became) == 15
    names = [one.delivery for one in facts.deliveries]
    named = [name for name in names if name != NASTY]
    assert named == sorted(named, reverse=True)
    assert names.index(NASTY) == 1  # by its rows' day
    assert "Superseded: another file was delivered under the same name." in page_of(lake, source)
    assert [became[NASTY].status, became[f"transactions_{DAYS[14]}.parquet"].status] == [Status.REJECTED] * 2
    assert facts.reconciliation.balanced
    assert facts.reconciliation.quarantined == 1
    broken = {audit.delivery: {one["rule"] for one in audit.failed} for audit in facts.audits}
    assert "TX_AMOUNT_in_range" in broken[f"transactions_{DAYS[12]}.parquet"]
    assert "changes" in broken[NASTY]
    odd = next(one for one in facts.compared if one.delivery == NASTY)
    assert odd.column == "TX_AMOUNT"
    assert len(pairs(odd)) == len(odd.series["labels"]) > 1


def test_the_plots_have_a_bar_for_each_delivery_in_order_of_its_days(delivered):
    facts = facts_of(*delivered)
    plot = rows_plot(facts)
    assert len(plot.marks) == len(facts.profiles) == 15
    assert [one.kind for one in plot.marks].count("rejected") == 2
    assert plot.marks[0].bar.tooltip.startswith(f"transactions_{DAYS[0]}.parquet (published)")
    assert [one.bar.x for one in plot.marks] == sorted(one.bar.x for one in plot.marks)
    # Only the column that the renamed one left empty lacks values.
    assert [one.title for one in null_plots(facts)] == ["Null in TX_AMOUNT"]


def test_everything_is_escaped_and_in_one_file(delivered):
    text = page_of(*delivered)
    assert "<script" not in text
    assert "&lt;script&gt;document.title" in text
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "url(" not in text


def test_a_source_that_was_never_delivered_has_a_page(lake, tmp_path: Path):
    file = tmp_path / "deep" / "contract.html"
    write_page(lake, transactions, file)
    text = file.read_text()
    assert "None yet." in text
    for name in transactions.contract.checks():
        assert name in text


def test_the_rules_are_a_table_in_markdown():
    lines = rules_table(transactions.contract).splitlines()
    assert len(lines) == 2 + len(transactions.contract.checks())
    assert {line.count(" | ") for line in (lines[0], *lines[2:])} == {2}


@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_it_fits_the_screen_without_the_network(delivered, tmp_path: Path, width: int, scheme):
    from playwright.sync_api import sync_playwright

    lake, source = delivered
    write_page(lake, source, tmp_path / "contract.html")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url) if not one.url.startswith(("file:", "data:")) else None)
        page.goto((tmp_path / "contract.html").as_uri())
        assert page.title() == "Contract of fraud.transactions"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert dark == (scheme == "dark")
        page.get_by_role("heading", name="Drift and anomalies").wait_for()
        browser.close()
    assert asked == []
