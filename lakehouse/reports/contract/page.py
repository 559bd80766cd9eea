"""The page of a contract: one HTML file that needs no server and no network.

What belongs here: rendering and writing the file. Not: its markup (templates/), its facts (facts.py). Style and number
formats are the feature catalog's.
"""

from pathlib import Path

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.contract import Contract
from lakehouse.reports.contract import drawing
from lakehouse.reports.contract.facts import facts_of
from lakehouse.reports.feature_catalog.drawing import number
from lakehouse.reports.feature_catalog.site import TEMPLATES, templates_in
from lakehouse.sources.source import Source
from lakehouse.tables.provenance import code_version


def write_page(lake: Lakehouse, source: Source, file: Path) -> None:
    """Write the page of the source's contract to `file`; its folder is created if needed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page_of(lake, source), encoding="utf-8")


def page_of(lake: Lakehouse, source: Source) -> str:
    """Return the page of the source's contract as self-contained HTML."""
    environment = templates_in(Path(__file__).parent / "templates", TEMPLATES)
    environment.filters.update(number=number, percent=drawing.percent)
    facts = facts_of(lake, source)
    return environment.get_template("contract.html").render(facts=facts, drawing=drawing, version=code_version())


def rules_table(contract: Contract) -> str:
    """Return the contract's checks as a Markdown table."""
    lines = ["| check | on failure | description |", "|---|---|---|"]
    for name, (description, _) in contract.checks().items():
        lines.append(f"| `{_in_cell(name)}` | {contract.action(name)} | {_in_cell(description)} |")
    return "\n".join(lines)


def _in_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
