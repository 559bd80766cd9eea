"""Evaluation of gates: whether a version meets the conditions for promotion, with messages.

What belongs here: comparing measured metrics with declared gates. Not: declaring them (model.py), acting on the result
(promotion.py).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse.models.metrics import METRICS
from lakehouse.models.model import Gate


@dataclass(frozen=True)
class GateResult:
    """One gate, applied: what was measured (None where it was not), the bounds in words, and a sentence on the two."""

    gate: Gate
    passed: bool
    measured: float | None
    bound: str
    message: str


@dataclass(frozen=True)
class _Limits:
    """The bounds of a gate once the champion is known; `note` tells where they come from."""

    least: float | None
    most: float | None
    note: str

    def __str__(self) -> str:
        parts = [f"at least {_number(self.least)}"] if self.least is not None else []
        parts += [f"at most {_number(self.most)}"] if self.most is not None else []
        return " and ".join(parts) or "no bound yet"


def evaluate(
    gates: Sequence[Gate], metrics: Mapping[str, float], champion: Mapping[str, float] | None = None
) -> list[GateResult]:
    """Apply each gate to `metrics`. `champion` are the present champion's, None where there is none.

    Both should be measured on the same test days (promotion.champion_metrics does): weeks differ by more than models.
    A metric that was not measured fails its gate. Bounds are inclusive.
    """
    return [_apply(gate, metrics.get(gate.metric), champion) for gate in gates]


def _apply(gate: Gate, measured: float | None, champion: Mapping[str, float] | None) -> GateResult:
    metric, limits = METRICS[gate.metric], _limits(gate, champion)
    if measured is None or math.isnan(measured):
        return GateResult(
            gate, passed=False, measured=None, bound=str(limits), message=f"{metric.title} was not measured."
        )
    low = limits.least is not None and measured < limits.least
    high = limits.most is not None and measured > limits.most
    if not (low or high):
        message = f"{metric.title} {_number(measured)} meets the gate: {limits}.{limits.note}"
        return GateResult(gate, passed=True, measured=measured, bound=str(limits), message=message)
    limit = limits.least if low else limits.most
    message = f"{metric.title} {_number(measured, limit)} is {'below' if low else 'above'} {_number(limit, measured)}"
    # Beyond the far end of a band: better than anybody knows how to be.
    too_good = high if metric.higher_is_better else low
    message += ": a result this good is a leak until you know why." if too_good else f".{limits.note}"
    return GateResult(gate, passed=False, measured=measured, bound=str(limits), message=message)


def _limits(gate: Gate, champion: Mapping[str, float] | None) -> _Limits:
    least, most = gate.at_least, gate.at_most
    if gate.champion_margin is None:
        return _Limits(least, most, "")
    reigning = champion.get(gate.metric) if champion else None
    if reigning is None:
        return _Limits(least, most, " There is no champion yet to compare with.")
    note = f" The champion has {_number(reigning)}; {_number(gate.champion_margin)} {{}} is allowed."
    if METRICS[gate.metric].higher_is_better:
        floor = reigning - gate.champion_margin
        return _Limits(floor if least is None else max(least, floor), most, note.format("less"))
    ceiling = reigning + gate.champion_margin
    return _Limits(least, ceiling if most is None else min(most, ceiling), note.format("more"))


def _number(value: float | None, beside: float | None = None) -> str:
    """Three decimals, or as many as it takes to tell `value` from `beside`."""
    if value is None:
        return "nothing"
    for decimals in range(3, 16):
        shown = f"{value:.{decimals}f}"
        if beside is None or value == beside or shown != f"{beside:.{decimals}f}":
            return shown
    return repr(value)
