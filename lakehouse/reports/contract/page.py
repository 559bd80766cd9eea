"""A contract's page: one file that opens in a browser without a server and without the network.

What belongs here: from facts to the file. Not: what it looks like (templates/), what it says (facts.py). The style and
the drawing of numbers are the feature catalog's.
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
    """Write the page of the source's contract to `file`; its folder is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page_of(lake, source), encoding="utf-8")


def page_of(lake: Lakehouse, source: Source) -> str:
    """The page of the source's contract, as HTML with everything in it."""
    environment = templates_in(Path(__file__).parent / "templates", TEMPLATES)
    environment.filters.update(number=number, percent=drawing.percent)
    facts = facts_of(lake, source)
    return environment.get_template("contract.html").render(facts=facts, drawing=drawing, version=code_version())


def rules_table(contract: Contract) -> str:
    """The contract's checks as a table in Markdown, for who shows it elsewhere."""
    lines = ["| check | when broken | says |", "|---|---|---|"]
    for name, (says, _) in contract.checks().items():
        lines.append(f"| `{_in_cell(name)}` | {contract.action(name)} | {_in_cell(says)} |")
    return "\n".join(lines)


def _in_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
