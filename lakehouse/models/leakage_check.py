"""The leakage check: inputs that predict the label too well, found after training and before promotion.

What belongs here: how well each single input sorts the test rows, and the gate on it. Not: leaks that declarations show
(training/leaks.py), and the gates that a model declares (gates.py).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from lakehouse.models.gates import GateResult
from lakehouse.models.metrics import METRICS
from lakehouse.models.model import Gate, Model
from lakehouse.models.protocol import Split

INPUT_CHECK = "no_input_too_good"
_SHOWN = 3


def input_check(model: Model) -> dict[str, str]:
    """The check that every model has: name -> what it says."""
    return {INPUT_CHECK: f"No single input sorts the test days with an AUC above {ceiling(model):g}: that is a leak."}


def ceiling(model: Model) -> float:
    """The largest AUC that an input may have: what the model declares, and no more than the whole model may have."""
    bands = [gate.at_most for gate in model.gates if gate.metric == "auc" and gate.at_most is not None]
    return min([model.input_ceiling, *bands])


def check_inputs(model: Model, split: Split) -> GateResult:
    """Whether every input, by itself, is as good on the test rows as honest data allow; names those that are better."""
    gate = Gate(INPUT_CHECK, "auc", at_most=ceiling(model), description=input_check(model)[INPUT_CHECK])
    scores = single_scores(split.test, model.inputs, split.test[model.label])
    best = sorted(scores, key=lambda name: -scores[name])
    bound = f"at most {ceiling(model):g}"
    shown = [f"{name} {scores[name]:.3f}" for name in best]
    too_good = [name for name in best if scores[name] > ceiling(model)]
    title = METRICS["auc"].title
    if too_good:
        message = (
            f"Alone, {', '.join(shown[: len(too_good)])} {'is' if len(too_good) == 1 else 'are'} above {title} "
            f"{ceiling(model):g}: an input this good is a leak until you know why."
        )
    else:
        message = f"The best single inputs have {title} {', '.join(shown[:_SHOWN])}; {ceiling(model):g} is allowed."
    return GateResult(gate, passed=not too_good, measured=scores[best[0]], bound=bound, message=message)


def single_scores(rows: pl.DataFrame, inputs: Sequence[str], labels: pl.Series) -> Mapping[str, float]:
    """The AUC of each input as if it were the score, turned so that it is 0.5 or more.

    It is the chance that a row with label 1 has the higher value (or the lower one), equal values counting half: the
    statistic of Mann and Whitney, from ranks. A missing value ranks below all others.
    """
    positive = labels.to_numpy() == 1
    ones, zeros = int(positive.sum()), int((~positive).sum())
    found = {}
    for name in inputs:
        values = rows[name].cast(pl.Float64).fill_nan(None).fill_null(-np.inf)
        ranks = values.rank("average").to_numpy()
        auc = (float(ranks[positive].sum()) - ones * (ones + 1) / 2) / (ones * zeros) if ones and zeros else 0.5
        found[name] = max(auc, 1 - auc)
    return found
