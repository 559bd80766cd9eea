"""The platform: tables, contracts, features, training sets and models on Iceberg. Knows no domain and no Dagster.

What belongs here: the few names that a notebook starts from, each imported when it is first asked for. Not: code.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import open_lakehouse
    from lakehouse.training.training_frame import training_frame

__all__ = ["open_lakehouse", "training_frame"]

_PLACES = {"open_lakehouse": "lakehouse.catalog.lakehouse", "training_frame": "lakehouse.training.training_frame"}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # whatever it is that the name stands for
    if name not in _PLACES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_PLACES[name]), name)
