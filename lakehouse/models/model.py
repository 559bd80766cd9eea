"""What a model is: its candidates, the protocol under which they are compared, the gates in front of going live.

What belongs here: the declarations, which check themselves when they are made, and their fingerprint. Not: splitting
(protocol.py), fitting (training.py), measuring (metrics.py), judging (gates.py).
"""

import hashlib
import inspect
import json
import math
import re
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.models.input_contract import Expected
from lakehouse.models.metrics import METRICS

_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_OWNER = re.compile(r"team:\S+|[^@\s]+@[^@\s]+")


class Classifier(typing.Protocol):
    """What a candidate's estimator must be able to do: scikit-learn's conventions for a classifier."""

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int64], /) -> Any:  # noqa: ANN401, N803 - scikit-learn's own
        """Learn from inputs `X` (rows x inputs) and labels `y` (0 or 1)."""
        ...

    def predict_proba(self, X: NDArray[np.float64], /) -> Any:  # noqa: ANN401, N803 - scikit-learn's own
        """Probabilities of the classes 0 and 1, rows x 2."""
        ...

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        ...

    def set_params(self, **params: Any) -> Any:  # noqa: ANN401 - scikit-learn's own
        """Change parameters."""
        ...


@dataclass(frozen=True)
class Candidate:
    """One way to make the model. `build` is a module-level function which returns a fresh, unfitted classifier.

    All parameters, seeds included, stand in `build`: its source is part of the model's fingerprint. Raises
    DeclarationError for a name that is none and for a `build` whose source cannot be told apart from others.
    """

    name: str
    build: Callable[[], Classifier]
    description: str

    def __post_init__(self) -> None:
        where = f"Candidate({self.name!r})"
        _check_name(self.name, _PLAIN_NAME, f"{where}.name", "random_forest")
        _check_text(self.description, f"{where}.description")
        if not inspect.isfunction(self.build) or "<" in self.build.__qualname__:
            raise DeclarationError(
                "A candidate is built by a function of its own, at the top level of a module.",
                where=f"{where}.build",
                nearest="def random_forest(): ...",
                fix="Move it out of the lambda, class or function, so that its source can be fingerprinted.",
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


@dataclass(frozen=True)
class Protocol:
    """How candidates are compared: so many whole days to train on, to wait for labels, and to test on.

    Days with rows lie at most `apart_days` apart: 1 for what happens every day, 31 for monthly statements. `unlabelled`
    is the largest share of a day's rows that may stay without a label for good, such as clients who left; they are left
    out of training and test.
    """

    train_days: int = 7
    delay_days: int = 7
    test_days: int = 7
    apart_days: int = 1
    unlabelled: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.unlabelled < 1:
            raise DeclarationError(
                f"{self.unlabelled!r} is no share of rows that may go without a label.",
                where="Protocol.unlabelled",
                nearest="0.01",
                fix="Give a share from 0 up to, not including, 1.",
            )
        for field, least in (("train_days", 1), ("delay_days", 0), ("test_days", 1), ("apart_days", 1)):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise DeclarationError(
                    f"{field} is {value!r}, and a protocol counts whole days.",
                    where=f"Protocol.{field}",
                    nearest=str(max(least, round(value))) if isinstance(value, int | float) else str(least),
                    fix=f"Give a whole number of days, {least} or more.",
                )

    @property
    def days(self) -> int:
        """Days from the first of training to the last of the test, both included."""
        return self.train_days + self.delay_days + self.test_days


@dataclass(frozen=True)
class Gate:
    """A measured condition which a model must meet to go live.

    `at_least` and `at_most` bound the metric; `champion_margin` says how much worse than the present champion the
    newcomer may be. An upper end of a band catches results that are too good to be honest.
    """

    name: str
    metric: str
    at_least: float | None = None
    at_most: float | None = None
    champion_margin: float | None = None
    description: str = ""

    def __post_init__(self) -> None:
        where = f"Gate({self.name!r})"
        _check_name(self.name, _PLAIN_NAME, f"{where}.name", "auc_band")
        _check_option(self.metric, METRICS, f"{where}.metric", "metric")
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
                    f"{field} is {bound!r}.",
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


@dataclass(frozen=True)
class Model:
    """A model: what it learns from, how it is chosen, and what it must show before it goes live.

    `training_set` is the table with one row per `key`: `event_time` (UTC), `entity` (whose cases are followed through
    time), `label` (0, 1, or null while unknown) and the `inputs`, in the order in which the model takes them.
    `candidates` are compared under `protocol`; the one that is best by `select_by` stands for the model. `predictions`
    is the table of its scores. `expects` is what it relies on in its inputs, judged before it learns and before it
    scores. `input_ceiling` is the largest AUC that a single input may have on the test days
    (suspicion.py). Raises DeclarationError which names the field and the nearest valid value.
    """

    name: str
    training_set: str
    event_time: str
    entity: str
    label: str
    key: str
    inputs: Sequence[str]
    candidates: Sequence[Candidate]
    select_by: str
    protocol: Protocol
    gates: Sequence[Gate]
    owner: str
    description: str
    predictions: str
    input_ceiling: float = 0.95
    expects: Sequence[Expected] = ()

    def __post_init__(self) -> None:
        where = f"Model({self.name!r})"
        for field in ("inputs", "candidates", "gates", "expects"):
            # A list in a declaration could be changed after it was checked.
            object.__setattr__(self, field, tuple(getattr(self, field)))
        for field, example in (
            ("name", "fraud.scorer"),
            ("training_set", "fraud.training"),
            ("predictions", "fraud.predictions"),
        ):
            _check_name(getattr(self, field), _TABLE_NAME, f"{where}.{field}", example)
        for field in ("event_time", "entity", "label", "key"):
            _check_name(getattr(self, field), _PLAIN_NAME, f"{where}.{field}", "customer_id")
        for name in self.inputs:
            _check_name(name, _PLAIN_NAME, f"{where}.inputs", "amount")
        _check_distinct(self.inputs, f"{where}.inputs", "input")
        _check_distinct([candidate.name for candidate in self.candidates], f"{where}.candidates", "candidate")
        _check_distinct([gate.name for gate in self.gates], f"{where}.gates", "gate")
        for one in self.expects:
            _check_option(one.name, self.inputs, f"{where}.expects", "input")
        for field in ("label", "key"):
            if getattr(self, field) in self.inputs:
                raise DeclarationError(
                    f"The {field} {getattr(self, field)!r} is among the inputs: the model would be told the answer.",
                    where=f"{where}.inputs",
                    fix=f"Take {getattr(self, field)!r} out of the inputs.",
                )
        if not 0.5 < self.input_ceiling <= 1:  # noqa: PLR2004  # no input is worse than a coin
            raise DeclarationError(
                f"{self.input_ceiling!r} is no AUC that an input could be held to.",
                where=f"{where}.input_ceiling",
                nearest="0.95",
                fix="Give a number above 0.5, up to 1 (everything passes).",
            )
        _check_option(self.select_by, METRICS, f"{where}.select_by", "metric")
        _check_text(self.description, f"{where}.description")
        if not _OWNER.fullmatch(self.owner):
            raise DeclarationError(
                f"{self.owner!r} is nobody who could be asked.",
                where=f"{where}.owner",
                nearest=f"team:{re.sub(r'[^a-z0-9]+', '-', self.owner.lower()).strip('-') or 'payments'}",
                fix="Give a team as team:name, or an e-mail address.",
            )

    def fingerprint(self) -> str:
        """32 hex digits that change when anything changes that decides which model comes out, and whether it goes live.

        The declaration with its gates, and the source of every build function. Not the prose (descriptions, owner), so
        that a better sentence costs no training; not what build functions call.
        """
        told = {
            "names": [self.name, self.training_set, self.event_time, self.entity, self.label, self.key],
            "inputs": list(self.inputs),
            "candidates": [[candidate.name, candidate.source()] for candidate in self.candidates],
            "select_by": self.select_by,
            "protocol": [self.protocol.train_days, self.protocol.delay_days, self.protocol.test_days],
            "gates": [
                [gate.name, gate.metric, gate.at_least, gate.at_most, gate.champion_margin] for gate in self.gates
            ],
        }
        if (self.protocol.apart_days, self.protocol.unlabelled) != (Protocol.apart_days, Protocol.unlabelled):
            told["protocol"] += [self.protocol.apart_days, self.protocol.unlabelled]
        if self.input_ceiling != Model.input_ceiling:
            told["input_ceiling"] = [self.input_ceiling]
        if self.expects:
            told["expects"] = [asdict(one) for one in self.expects]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _check_name(name: str, form: re.Pattern[str], where: str, example: str) -> None:
    if isinstance(name, str) and form.fullmatch(name):
        return
    dotted = form is _TABLE_NAME
    plain = re.sub(r"[^a-z0-9.]+" if dotted else r"[^a-z0-9]+", "_", str(name).lower()).strip("_.")
    raise DeclarationError(
        f"{name!r} is not a name.",
        where=where,
        nearest=plain if form.fullmatch(plain) else example,
        fix="Use lower-case letters, digits and underscores" + (", as domain.name." if dotted else "."),
    )


def _check_text(text: str, where: str) -> None:
    if not text.strip():
        raise DeclarationError("There is no description.", where=where, fix="Say in a sentence what it is and does.")


def _check_option(word: str, options: Iterable[str], where: str, kind: str) -> None:
    if word not in options:
        raise DeclarationError(
            f"There is no {kind} named {word!r}.",
            where=where,
            nearest=nearest_name(word, options),
            fix="Use one of: " + ", ".join(sorted(options)) + ".",
        )


def _check_distinct(names: Sequence[str], where: str, kind: str) -> None:
    if not names:
        raise DeclarationError(f"There is no {kind}.", where=where, fix=f"Declare at least one {kind}.")
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(
                f"The {kind} {name!r} is declared {names.count(name)} times.", where=where, fix="Keep one of them."
            )
