"""The declaration of a model: its training set, candidates, the protocol that compares them, and its gates.

What belongs here: the declaration, which checks itself, and its fingerprint. Not: splitting (protocol.py), fitting
(training.py), metrics (metrics.py) and evaluating gates (gates.py).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from lakehouse.errors import DeclarationError
from lakehouse.models.candidate import Candidate, Classifier
from lakehouse.models.declaration_checks import (
    PLAIN_NAME,
    TABLE_NAME,
    check_distinct,
    check_name,
    check_option,
    check_text,
)
from lakehouse.models.gate import Gate
from lakehouse.models.input_contract import Expected
from lakehouse.models.metrics import METRICS, PRECISION_AT_K

_OWNER = re.compile(r"team:\S+|[^@\s]+@[^@\s]+")


@dataclass(frozen=True)
class Protocol:
    """How candidates are compared: whole days of training, of waiting for labels, and of testing.

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
                f"{self.unlabelled!r} is not a share of rows without a label.",
                where="Protocol.unlabelled",
                nearest="0.01",
                fix="Give a share from 0 up to, not including, 1.",
            )
        for field, least in (("train_days", 1), ("delay_days", 0), ("test_days", 1), ("apart_days", 1)):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise DeclarationError(
                    f"{value!r} is not a number of whole days.",
                    where=f"Protocol.{field}",
                    nearest=str(max(least, round(value))) if isinstance(value, int | float) else str(least),
                    fix=f"Give a whole number of days, {least} or more.",
                )

    @property
    def days(self) -> int:
        """Days from the first of training to the last of the test, both included."""
        return self.train_days + self.delay_days + self.test_days


@dataclass(frozen=True)
class Model:
    """A model: its training set, the candidates, how they are compared, and the gates in front of going live.

    `training_set` is the table with one row per `key`: `event_time` (UTC), `label` (0, 1, or null while unknown) and
    the `inputs`, in the order in which the model takes them. `exclude_known_positives_of` is the column of an entity,
    such as a customer: on each test day, rows of entities that are known to be positive by then are left out.
    `candidates` are compared under `protocol`; the one that is best by `select_by` becomes the new version.
    `predictions` is the table of its scores. `expects` are checks of its inputs, run before training and before
    scoring. `input_ceiling` is the largest AUC that a single input may have on the test days (leakage_check.py).
    `precision_at_k` is the k of the metric of that name: how many of these entities can be looked at in a day; 0 leaves
    the metric out. Raises DeclarationError that names the field and the nearest valid value.
    """

    name: str
    training_set: str
    event_time: str
    exclude_known_positives_of: str
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
    precision_at_k: int = 0

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
            check_name(getattr(self, field), TABLE_NAME, f"{where}.{field}", example)
        for field in ("event_time", "exclude_known_positives_of", "label", "key"):
            check_name(getattr(self, field), PLAIN_NAME, f"{where}.{field}", "customer_id")
        for name in self.inputs:
            check_name(name, PLAIN_NAME, f"{where}.inputs", "amount")
        check_distinct(self.inputs, f"{where}.inputs", "input")
        check_distinct([candidate.name for candidate in self.candidates], f"{where}.candidates", "candidate")
        check_distinct([gate.name for gate in self.gates], f"{where}.gates", "gate")
        for one in self.expects:
            check_option(one.name, self.inputs, f"{where}.expects", "input")
        for field in ("label", "key"):
            if getattr(self, field) in self.inputs:
                raise DeclarationError(
                    f"The {field} {getattr(self, field)!r} is among the inputs: it leaks the label.",
                    where=f"{where}.inputs",
                    fix=f"Take {getattr(self, field)!r} out of the inputs.",
                )
        if not 0.5 < self.input_ceiling <= 1:  # noqa: PLR2004  # no input is worse than a coin
            raise DeclarationError(
                f"{self.input_ceiling!r} is not a valid ceiling for the AUC of an input.",
                where=f"{where}.input_ceiling",
                nearest="0.95",
                fix="Give a number above 0.5, up to 1 (everything passes).",
            )
        check_option(self.select_by, METRICS, f"{where}.select_by", "metric")
        self._check_precision(where)
        check_text(self.description, f"{where}.description")
        if not _OWNER.fullmatch(self.owner):
            raise DeclarationError(
                f"{self.owner!r} is not an owner.",
                where=f"{where}.owner",
                nearest=f"team:{re.sub(r'[^a-z0-9]+', '-', self.owner.lower()).strip('-') or 'payments'}",
                fix="Give a team as team:name, or an e-mail address.",
            )

    def _check_precision(self, where: str) -> None:
        if not self.precision_at_k and PRECISION_AT_K in {self.select_by, *(gate.metric for gate in self.gates)}:
            raise DeclarationError(
                f"The metric {PRECISION_AT_K} needs a k.",
                where=f"{where}.precision_at_k",
                nearest="precision_at_k=100",
                fix="Give the number of entities that can be reviewed in a day.",
            )

    def fingerprint(self) -> str:
        """Return 32 hex digits that change with anything that decides the trained model, and whether it goes live.

        The declaration with its gates, and the source of every build function. Not the prose (descriptions, owner), so
        that a better sentence costs no training; not what build functions call.
        """
        content = {
            "names": [
                self.name,
                self.training_set,
                self.event_time,
                self.exclude_known_positives_of,
                self.label,
                self.key,
            ],
            "inputs": list(self.inputs),
            "candidates": [[candidate.name, candidate.source()] for candidate in self.candidates],
            "select_by": self.select_by,
            "protocol": [self.protocol.train_days, self.protocol.delay_days, self.protocol.test_days],
            "gates": [
                [gate.name, gate.metric, gate.at_least, gate.at_most, gate.champion_margin] for gate in self.gates
            ],
        }
        if (self.protocol.apart_days, self.protocol.unlabelled) != (Protocol.apart_days, Protocol.unlabelled):
            content["protocol"] += [self.protocol.apart_days, self.protocol.unlabelled]
        if self.input_ceiling != Model.input_ceiling:
            content["input_ceiling"] = [self.input_ceiling]
        if self.precision_at_k:
            content["precision_at_k"] = [self.precision_at_k]
        if self.expects:
            content["expects"] = [asdict(one) for one in self.expects]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


__all__ = ["Candidate", "Classifier", "Gate", "Model", "Protocol"]
