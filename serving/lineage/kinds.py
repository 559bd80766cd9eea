"""How the pages show each kind of node: label, icon, shape, color.

What belongs here: kinds that are no kind of asset: delivered files, tables of other producers, jobs. Not: kinds of
assets, which lakehouse/kinds describes. The pages get both by `GET /api/v1/kinds` and list no kinds themselves.
"""

from typing import Any

from lakehouse.kinds.registry import presentation

_GRAY = {"light": "#57606a", "dark": "#a5afba"}
_FILE = {
    "name": "FILE",
    "label": "delivered file",
    "plural": "files",
    "icon": ["M4 1.75h5.5L12.5 5v9.25H4z", "M9.25 1.75V5.25h3.25"],
    "shape": "cut-rectangle",
    "color": _GRAY,
}
_TABLE = {"name": "TABLE", "label": "table", "plural": "tables", "aliases": ["VIEW", "STREAM", "TOPIC"]}
"""Of dbt, of Spark or of anybody else: the events do not differ."""
_JOB = {
    "name": "JOB",
    "label": "job",
    "plural": "jobs",
    "icon": ["M8 1.75a6.25 6.25 0 1 0 .01 0z", "M6.6 5.4v5.2L10.8 8z"],
    "shape": "ellipse",
    "color": _GRAY,
}
_DATASET = {
    "name": "DATASET",
    "label": "dataset",
    "plural": "datasets",
    "icon": ["M8 2a6 6 0 1 0 .01 0z"],
    "shape": "ellipse",
    "color": _GRAY,
}


def kinds() -> list[dict[str, Any]]:
    """Return all kinds in the direction of the data: files, kinds of assets by rank, then jobs and other datasets."""
    assets = [one | _TABLE if one["name"] == _TABLE["name"] else one for one in presentation()]
    return [{"aliases": [], **one} for one in (_FILE, *assets, _JOB, _DATASET)]
