"""The declaration of a gate: a condition on a metric that a model must meet to go live.

What belongs here: the declaration. Not: evaluating gates (gates.py).
"""

import math
from dataclasses import dataclass

from lakehouse.errors import DeclarationError
from lakehouse.models.declaration_checks import PLAIN_NAME, check_name, check_option
from lakehouse.models.metrics import METRICS


@dataclass(frozen=True)
class Gate:
    """A condition on a metric that a model must meet to go live.

    `at_least` and `at_most` bound the metric; `champion_margin` is how much worse than the live model (the champion) a
    new version may be. An upper end of a band catches results that are too good to be honest.
    """

    name: str
    metric: str
    at_least: float | None = None
    at_most: float | None = None
    champion_margin: float | None = None
    description: str = ""

    def __post_init__(self) -> None:
        where = f"Gate({self.name!r})"
        check_name(self.name, PLAIN_NAME, f"{where}.name", "auc_band")
        check_option(self.metric, METRICS, f"{where}.metric", "metric")
        bounds = {field: getattr(self, field) for field in ("at_least", "at_most", "champion_margin")}
        given = {field: bound for field, bound in bounds.items() if bound is not None}
        if not given:
            raise DeclarationError(
                f"The gate {self.name!r} has no bound, so everything would pass.",
                where=where,
                nearest="at_least",
                fix="Give at least one of at_least, at_most, champion_margin.",
            )
        for field, bound in given.items():
            if (
                not isinstance(bound, int | float)
                or not math.isfinite(bound)
                or (field.endswith("margin") and bound < 0)
            ):
                raise DeclarationError(
                    f"{bound!r} is not a valid {field}.",
                    where=f"{where}.{field}",
                    nearest="0.02",
                    fix="Give a finite number" + (", 0 or more." if field.endswith("margin") else "."),
                )
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise DeclarationError(
                f"Nothing is at least {self.at_least} and at most {self.at_most}.",
                where=f"{where}.at_least",
                nearest=str(self.at_most),
                fix="Swap the two bounds.",
            )
