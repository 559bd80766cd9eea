"""`slipway features`: the feature catalog.

What belongs here: the command, and how it shows entries. Not: what an entry is (lakehouse/reports/feature_catalog/).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.errors import SlipwayError
from orchestration.cli.feature_pages import (
    feature_json,
    found_json,
    set_json,
    show_all,
    show_equal,
    show_feature,
    show_found,
    show_set,
)
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, notes, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.domain import Domain
    from lakehouse.reports.feature_catalog.entries import Search

EXAMPLES = """\
[bold]Examples[/bold]

slipway features                        every feature set and its freshness

slipway features amount                 features with this word in their name, description or source

slipway features 7d --entity customer_id --owner team:payments --source fraud.transactions

slipway features fraud.customer_spend   its columns, windows, consumers and freshness

slipway features fraud.customer_spend.amount_mean_7d       one feature: formula, distribution, lineage, consumers

slipway features --html catalog         the whole catalog as a site: open catalog/index.html

slipway features --duplicates           features with equal values under two names

slipway features fraud.terminal_risk --json
"""


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="A feature set, a feature (set.feature), or search words (default: all feature sets).",
            show_default=False,
        ),
    ] = None,
    *,
    entity: Annotated[
        str, typer.Option(help="Only features whose entity has this key column.", show_default=False)
    ] = "",
    source: Annotated[
        str, typer.Option(help="Only features that are computed from this table.", show_default=False)
    ] = "",
    owner: Annotated[str, typer.Option(help="Only features of this owner.", show_default=False)] = "",
    html: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the catalog as a static site to this folder.", show_default=False),
    ] = None,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Find features with equal values under different names.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the feature catalog: descriptions, distributions, consumers and freshness."""
    from lakehouse.loading import load_domains
    from lakehouse.reports.feature_catalog.entries import Search

    lake, domains, wanted = lakehouse_at(home), load_domains(), Search(words or (), entity, source, owner)
    if (html or duplicates) and (wanted or (html and duplicates)):
        raise SlipwayError(
            "--html and --duplicates apply to all features; they cannot be combined with words, filters or each other.",
            where="--html" if html else "--duplicates",
            fix="Remove the words and the other options.",
        )
    if html:
        _write_site(lake, domains, html, as_json=as_json)
    elif duplicates:
        _compare(lake, domains, as_json=as_json)
    elif len(wanted.words) == 1 and "." in wanted.words[0] and not (entity or source or owner):
        _one(lake, domains, wanted.words[0], as_json=as_json)
    elif wanted:
        _search(lake, domains, wanted, as_json=as_json)
    else:
        _all(lake, domains, as_json=as_json)


def _all(lake: "Lakehouse", domains: "Sequence[Domain]", *, as_json: bool) -> None:
    from lakehouse.reports.feature_catalog.entries import entries

    found = entries(lake, domains, None)
    if as_json:
        print_json({"feature_sets": [set_json(entry) for entry in found]})
    else:
        show_all(found)


def _search(lake: "Lakehouse", domains: "Sequence[Domain]", wanted: "Search", *, as_json: bool) -> None:
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.reports.feature_catalog.entries import entries, search
    from lakehouse.transforms.project import load_project

    listed = entries(lake, domains, None)
    assets = AssetGraph(domains, load_project(lake.settings, lake.home))
    found = search(listed, wanted, {entry.name: assets.upstream(entry.name) for entry in listed})
    if as_json:
        print_json({"features": [found_json(one) for one in found]})
    else:
        show_found(found, number=sum(len(entry.feature_set.columns) for entry in listed))


def _one(lake: "Lakehouse", domains: "Sequence[Domain]", name: str, *, as_json: bool) -> None:
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.models.artifact_relocation import existing_registry
    from lakehouse.reports.feature_catalog.details import detail
    from lakehouse.reports.feature_catalog.entries import find_entry
    from lakehouse.transforms.project import load_project

    entry = find_entry(lake, domains, existing_registry(lake.home), name)
    if name == entry.name:
        if as_json:
            print_json(set_json(entry))
        else:
            show_set(entry)
        return
    assets = AssetGraph(domains, load_project(lake.settings, lake.home))
    page = detail(lake, assets, entry, only=name.rsplit(".", 1)[1])
    if as_json:
        print_json(feature_json(page, page.features[0]))
    else:
        show_feature(page, page.features[0])


def _write_site(lake: "Lakehouse", domains: "Sequence[Domain]", folder: Path, *, as_json: bool) -> None:
    from lakehouse.models.artifact_relocation import existing_registry
    from lakehouse.reports.feature_catalog.site import write_site
    from lakehouse.transforms.project import load_project

    project = load_project(lake.settings, lake.home)
    files = write_site(lake, domains, project, existing_registry(lake.home), folder)
    if as_json:
        print_json({"files": [str(file) for file in files]})
    else:
        console.print(f"{len(files)} files. Open {files[0]} in a browser.", markup=False, highlight=False)


def _compare(lake: "Lakehouse", domains: "Sequence[Domain]", *, as_json: bool) -> None:
    from lakehouse.feature_tables.equal_values import equal_features

    sets: list[Any] = [one for domain in domains for one in domain.feature_sets]
    found = equal_features(lake, sets)
    if as_json:
        print_json({"duplicates": [{"features": list(one.features), "rows": one.rows} for one in found]})
        return
    show_equal(found)
    if not found:
        notes.print("No two published features over the same spine are equal.", markup=False)
