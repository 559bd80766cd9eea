"""How the pages show each kind of node: label, icon, shape, color.

What belongs here: presentation. Not: what a kind of asset is declared by or made from. The pages get this by
`GET /api/v1/kinds` and list no kinds themselves. Kinds differ by icon, shape and label; color only supports them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

_GRAY = {"light": "#57606a", "dark": "#a5afba"}


@dataclass(frozen=True)
class KindPresentation:
    """The presentation of a kind. `name` is the `datasetType` in events; nodes of the `aliases` are shown alike.

    `icon` are SVG paths on 16 by 16, stroked; `shape` is a node shape of Cytoscape's, which is drawn at low zoom.
    """

    name: str
    label: str
    plural: str
    icon: tuple[str, ...]
    shape: str = "round-rectangle"
    color: Mapping[str, str] = field(default_factory=_GRAY.copy)
    aliases: tuple[str, ...] = ()


KINDS = (
    KindPresentation(
        "FILE", "delivered file", "files", ("M4 1.75h5.5L12.5 5v9.25H4z", "M9.25 1.75V5.25h3.25"), "cut-rectangle"
    ),
    KindPresentation(
        "SOURCE",
        "source",
        "sources",
        ("M2.5 4c0-3 11-3 11 0v8c0 3-11 3-11 0z", "M2.5 4c0 3 11 3 11 0"),
        "barrel",
        {"light": "#0b6e75", "dark": "#5cc8d0"},
    ),
    KindPresentation(
        "TABLE",
        "table",
        "tables",
        ("M2 3h12v10.5H2z", "M2 6.5h12M6.5 6.5v7"),
        "round-rectangle",
        {"light": "#0a58b8", "dark": "#7ab5ff"},
        aliases=("VIEW", "STREAM", "TOPIC"),
    ),
    KindPresentation(
        "QUARANTINE",
        "quarantine",
        "quarantines",
        ("M2 3h12v10.5H2z", "M2 6.5h12M5.5 8.5l5 3.5M10.5 8.5l-5 3.5"),
        "round-rectangle",
        {"light": "#8a4b00", "dark": "#f2b866"},
    ),
    KindPresentation(
        "FEATURE_SET",
        "feature set",
        "feature sets",
        ("M8 1.5l5.6 3.25v6.5L8 14.5l-5.6-3.25v-6.5z", "M5.5 9.8v-2M8 9.8V5.6M10.5 9.8V7"),
        "hexagon",
        {"light": "#6b3fb5", "dark": "#bda0f5"},
        aliases=("FEATURE",),
    ),
    KindPresentation(
        "TRAINING_SET",
        "training set",
        "training sets",
        ("M8 1.5L14.5 8 8 14.5 1.5 8z", "M5.4 8L7.4 10l3.4-3.6"),
        "round-diamond",
        {"light": "#8a5a00", "dark": "#e5b454"},
    ),
    KindPresentation(
        "MODEL",
        "model",
        "models",
        ("M5.4 1.75h5.2l3.65 3.65v5.2l-3.65 3.65H5.4L1.75 10.6V5.4z", "M8 5.2a2.8 2.8 0 1 0 .01 0z"),
        "round-octagon",
        {"light": "#a3276f", "dark": "#f08fc3"},
        aliases=("MODEL_VERSION",),
    ),
    KindPresentation(
        "PREDICTIONS",
        "predictions",
        "predictions",
        ("M1.75 3.5h8.5L14.5 8l-4.25 4.5h-8.5z", "M4.6 8h4"),
        "round-tag",
        {"light": "#2d6a2f", "dark": "#86cf88"},
    ),
    KindPresentation("JOB", "job", "jobs", ("M8 1.75a6.25 6.25 0 1 0 .01 0z", "M6.6 5.4v5.2L10.8 8z"), "ellipse"),
    KindPresentation("DATASET", "dataset", "datasets", ("M8 2a6 6 0 1 0 .01 0z",), "ellipse", aliases=("COLUMN",)),
)
