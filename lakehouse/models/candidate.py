"""The declaration of a candidate: an algorithm that competes for a model.

What belongs here: the declaration, and what its estimator has to offer. Not: fitting (training.py).
"""

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakehouse.errors import DeclarationError
from lakehouse.models.declaration_checks import PLAIN_NAME, check_name, check_text


class Classifier(typing.Protocol):
    """An estimator that follows scikit-learn's conventions for a classifier."""

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int64], /) -> Any:  # noqa: ANN401, N803 - scikit-learn's own
        """Fit to inputs `X` (rows x inputs) and labels `y` (0 or 1)."""
        ...

    def predict_proba(self, X: NDArray[np.float64], /) -> Any:  # noqa: ANN401, N803 - scikit-learn's own
        """Return the probabilities of the classes 0 and 1, rows x 2."""
        ...

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        ...

    def set_params(self, **params: Any) -> Any:  # noqa: ANN401 - scikit-learn's own
        """Change parameters."""
        ...


@dataclass(frozen=True)
class Candidate:
    """An algorithm that competes for the model. `build` is a module-level function that returns an unfitted classifier.

    All parameters, seeds included, stand in `build`: its source is part of the model's fingerprint. Raises
    DeclarationError for an invalid name, and for a `build` whose source cannot be fingerprinted.
    """

    name: str
    build: Callable[[], Classifier]
    description: str

    def __post_init__(self) -> None:
        where = f"Candidate({self.name!r})"
        check_name(self.name, PLAIN_NAME, f"{where}.name", "random_forest")
        check_text(self.description, f"{where}.description")
        if not inspect.isfunction(self.build) or "<" in self.build.__qualname__:
            raise DeclarationError(
                "A candidate needs a named function at the top level of a module.",
                where=f"{where}.build",
                nearest="def random_forest(): ...",
                fix="Move it out of the lambda, class or function, so that its source code can be hashed.",
            )

    def source(self) -> str:
        """The source code of `build`. Raises DeclarationError when Python cannot find it (typed into a prompt)."""
        try:
            return inspect.getsource(self.build)
        except (OSError, TypeError) as error:
            raise DeclarationError(
                f"The source code of {self.build.__qualname__} cannot be read.",
                where=f"Candidate({self.name!r}).build",
                fix="Define it in a module's file.",
            ) from error
