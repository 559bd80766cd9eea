"""Features in formulas and units, and the lines to copy that bring them into a training set.

What belongs here: words made from declarations. Not: what a feature says of itself (`Feature.says`).
"""

from collections.abc import Mapping, Sequence

from lakehouse.features.aggregation import LIFETIME, Feature, WindowAggregate
from lakehouse.features.duration import spoken
from lakehouse.features.events import NO_DELAY, Events
from lakehouse.features.feature_set import Attribute, CalendarFeature, Declared, FeatureSet
from lakehouse.features.lineage import Edge

_COUNTED = {
    "count": "events",
    "distinct": "values",
    "approx_distinct": "values",
    "rate": "share, 0 to 1",
    "since_last": "seconds",
}
_OF_DIFFERENCES = {"variance": "{}²", "trend": "{} a day"}


def formula(feature_set: FeatureSet, declared: Declared, feature: Feature) -> str:
    """What is computed, such as `mean(amount) over (t-7d-30d, t-7d]`; t is the row's time."""
    if isinstance(declared, CalendarFeature):
        clock = "t" if declared.zone == "UTC" else f"t in {declared.zone}"
        if declared.part == "is_weekend":
            return f"weekday({clock}) in (Saturday, Sunday)"
        return f"hour({clock}) between {declared.first_hour} and {declared.last_hour}"
    if isinstance(declared, Attribute):
        until = f" until {declared.until}" if declared.until else ""
        return f"newest({declared.source}){until} over {_window(feature_set, declared.events, declared.ttl)}"
    if isinstance(declared, WindowAggregate):
        kept = [f"{declared.by} = {feature.by!r}"] if declared.by else []
        kept += [declared.where] if declared.where else []
        where = f" where {' and '.join(kept)}" if kept else ""
        empty = "" if declared.default is None else f", else {declared.default:g}"
        window = _window(feature_set, declared.events, feature.window)
        return f"{_call(feature_set, declared, feature)}{where} over {window}{empty}"
    return declared.expression


def meaning(feature_set: FeatureSet, declared: Declared, feature: Feature) -> str:
    """What a feature says of itself, and how long before the row's time what it looks at ends."""
    late = feature_set.events_of(declared).late if isinstance(declared, WindowAggregate | Attribute) else 0
    return f"{feature.description}, as it was {spoken(late)} before" if late else feature.description


def unit(feature_set: FeatureSet, declared: Declared, units: Mapping[Edge, str]) -> str | None:
    """The unit of what is declared; `units` are those of tables' columns. None where nobody says it."""
    if isinstance(declared, CalendarFeature):
        return "0 or 1"
    if isinstance(declared, Attribute):
        return units.get((feature_set.events_of(declared).table, declared.source))
    if not isinstance(declared, WindowAggregate):
        return None
    if declared.aggregation in _COUNTED:
        return _COUNTED[declared.aggregation]
    measured = units.get((feature_set.events_of(declared).table, declared.measure))
    return _OF_DIFFERENCES.get(declared.aggregation, "{}").format(measured) if measured else None


def on_the_command_line(names: Sequence[str]) -> str:
    """The command that joins features to a spine."""
    return f"slipway training-set {' '.join(names)} --spine spine.parquet"


def in_python(names: Sequence[str]) -> str:
    """The lines of Python that join features to a spine."""
    listed = ", ".join(f'"{name}"' for name in names)
    return f'import lakehouse\n\nlakehouse.training_frame("spine.parquet", [{listed}]).polars()'


def _call(feature_set: FeatureSet, declared: WindowAggregate, feature: Feature) -> str:
    kind, measure = declared.aggregation, declared.measure
    if kind == "count":
        return "count(*)"
    if kind == "since_last":
        end = _end(feature_set.events_of(declared))
        return f"{end if end == 't' else f'({end})'} - time of the newest event"
    if "quantile" in kind:
        return f"{kind}({measure}, {declared.share:g})"
    return f"{kind}({measure}, {feature.rank})" if kind in {"last_n", "top"} else f"{kind}({measure})"


def _window(feature_set: FeatureSet, declared_events: Events | None, window: str) -> str:
    events = declared_events or feature_set.main
    end = _end(events)
    begin = "-inf" if window == LIFETIME else f"{end}-{window}"
    known = f", known by t ({events.available_at})" if events.available_at else ""
    return f"({begin}, {end}{']' if feature_set.own_events else ')'}{known}"


def _end(events: Events) -> str:
    """Where windows end."""
    return "t" if events.delay == NO_DELAY else f"t-{events.delay}"
