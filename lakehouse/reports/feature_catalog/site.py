"""The catalog as a site: files that open in a browser from a folder, without a server and without the network.

What belongs here: from details to files. Not: what a page looks like (templates/), and what it says (details.py).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import SlipwayError
from lakehouse.kinds.graph import AssetGraph
from lakehouse.models.registry import Registry
from lakehouse.reports.feature_catalog import drawing, wording
from lakehouse.reports.feature_catalog.details import Detail, detail
from lakehouse.reports.feature_catalog.entries import entries, text_of
from lakehouse.tables.provenance import code_version
from lakehouse.transforms.project import TransformProject

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_AS_THEY_ARE = ("catalog.css", "catalog.js")


def write_site(
    lake: Lakehouse, domains: Sequence[Domain], project: TransformProject, registry: Registry | None, folder: Path
) -> list[Path]:
    """Write the site to `folder`, which is made if need be; the files, index first. Other files there stay.

    The same catalog gives the same bytes. Raises SlipwayError when `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise SlipwayError(
            "The site is a folder, and this is a file.", where=str(folder), nearest=str(folder.with_suffix(""))
        )
    assets = AssetGraph(domains, project)
    pages = [detail(lake, assets, entry) for entry in entries(lake, domains, registry)]
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"index.html": _rendered("index.html", pages=pages, search_index=_search_index(pages))}
    for page in pages:
        texts[page_of(page.entry.name)] = _rendered("set.html", page=page, pages={one.entry.name for one in pages})
    texts.update({name: (TEMPLATES / name).read_text(encoding="utf-8") for name in _AS_THEY_ARE})
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def page_of(feature_set: str) -> str:
    """The file of a feature set's page."""
    return f"{feature_set}.html"


def _search_index(pages: Sequence[Detail]) -> list[dict[str, Any]]:
    """What the browser searches through: one entry for each feature, in the order of the page."""
    return [
        {
            "name": feature.name,
            "text": " ".join(
                [text_of(page.entry, feature.column, feature.description, page.sources), feature.unit or ""]
            ).lower(),
            "entity": page.entry.feature_set.entity.keys,
            "source": page.sources,
            "owner": page.entry.feature_set.owner,
        }
        for page in pages
        for feature in page.features
    ]


def templates_in(*folders: Path) -> "Environment":
    """The templates in these folders, the first that has one wins. Whatever is put into them is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _rendered(template: str, **content: Any) -> str:  # noqa: ANN401  # whatever the template takes
    environment = templates_in(TEMPLATES)
    environment.globals.update(drawing=drawing, wording=wording, page_of=page_of, version=code_version())
    environment.filters.update(number=drawing.number, percent=_percent)
    return environment.get_template(template).render(**content)


def _percent(share: float) -> str:
    if 0 < share < 0.0005:  # noqa: PLR2004  # would be shown as none at all
        return "< 0.1%"
    return f"{share * 100:.1f}%".replace(".0%", "%")
