"""Plots of a model's quality, as PNG bytes.

What belongs here: drawing what was measured. Not: measuring (metrics.py). Matplotlib's objects are used directly and
its global state (pyplot) is not, so that threads can draw at once. Colours are those of Okabe and Ito, "Color Universal
Design" (2008), which people with any colour vision tell apart; lines also differ in their dashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lakehouse.models.metrics import importance
from lakehouse.models.model import Model
from lakehouse.models.protocol import Split
from lakehouse.models.training import Trained, choose, design, probabilities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)))
_INK, _FAINT = "#222222", "#D9D9D9"
_WIDTH, _LEFT, _RIGHT, _ABOVE, _BELOW = 7.5, 0.65, 0.15, 0.35, 0.5
"""Inches of a figure, and around its axes: enough for two digits, a label and a title."""


@dataclass(frozen=True)
class Pictures:
    """The pictures of a training, as PNG of 900 pixels' width.

    `training` by name: precision_recall shows all candidates; calibration, feature_importance and score_distribution
    show the winner. `candidates` holds calibration and score_distribution of each candidate, by its name. `importance`
    is what feature_importance shows, by input.
    """

    training: dict[str, bytes]
    candidates: dict[str, dict[str, bytes]]
    importance: dict[str, float] = field(default_factory=dict)


def draw(model: Model, split: Split, trained: Sequence[Trained]) -> Pictures:
    """Draw a training: all its `trained` candidates on the test rows of `split`."""
    labels = split.test[model.label].to_numpy()
    inputs = design(split.test, model.inputs, model.training_set)
    winner = choose(model, trained)
    lost = importance(lambda rows: probabilities(winner.pipeline, rows), inputs, labels)
    by_input = dict(zip(model.inputs, lost.tolist(), strict=True))
    name, case = winner.candidate.name, _plain(model.label.removeprefix("is_"))
    candidates = {
        one.candidate.name: {
            "calibration": calibration(labels, one.scores, one.candidate.name, case),
            "score_distribution": score_distribution(labels, one.scores, one.candidate.name, case),
        }
        for one in trained
    }
    training = {
        "precision_recall": precision_recall(labels, {one.candidate.name: one.scores for one in trained}, case),
        "feature_importance": feature_importance(by_input, name),
        **candidates[name],
    }
    return Pictures(training, candidates, by_input)


def precision_recall(labels: NDArray[np.int64], scores: Mapping[str, NDArray[np.float64]], case: str) -> bytes:
    """Precision against recall of each named set of scores; `case` is what label 1 means, such as "fraud"."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    lines = -(-(len(scores) + 1) // 2)
    figure, axes = _canvas(f"How many alarms are right, the more {case} is found", height=5.2, below=0.1 + 0.2 * lines)
    reached = {name: float(average_precision_score(labels, one)) for name, one in scores.items()}
    for rank, name in enumerate(sorted(reached, key=lambda one: -reached[one])):
        precision, recall, _ = precision_recall_curve(labels, scores[name])
        axes.step(
            recall,
            precision,
            where="post",
            color=_COLOURS[rank % len(_COLOURS)],
            linestyle=_DASHES[rank % len(_DASHES)],
            linewidth=2.4 if rank == 0 else 1.4,
            zorder=10 - rank,
            label=f"{_plain(name)}: average precision {reached[name]:.3f}",
        )
    axes.axhline(float(labels.mean()), color=_INK, linewidth=0.8, linestyle="dotted", label="guessing")
    axes.set(xlabel=f"Recall: share of {case} found", ylabel=f"Precision: share of alarms that are {case}")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    figure.legend(loc="lower center", ncols=2, frameon=False, fontsize=9)
    return _png(figure)


def calibration(labels: NDArray[np.int64], scores: NDArray[np.float64], name: str, case: str, bins: int = 10) -> bytes:
    """The observed share of `case` against the predicted one, in `bins` groups of scores, with the rows of each."""
    group = np.minimum((scores * bins).astype(int), bins - 1)
    rows = np.bincount(group, minlength=bins)
    there = rows > 0
    predicted = np.bincount(group, weights=scores, minlength=bins)[there] / rows[there]
    observed = np.bincount(group, weights=labels, minlength=bins)[there] / rows[there]
    figure, axes = _canvas(f"When {_plain(name)} says 30%, is it 30%?")
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle="dotted", label="as it should be")
    axes.plot(predicted, observed, color=_COLOURS[0], marker="o", linewidth=1.8, label=_plain(name))
    for x, y, count in zip(predicted, observed, rows[there], strict=True):
        axes.annotate(f"{count:,}", (x, y), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8)
    axes.set(xlabel=f"Predicted probability of {case}", ylabel=f"Share that was {case}")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.1))
    axes.legend(loc="upper left", frameon=False, fontsize=9, title="numbers: test rows", title_fontsize=8)
    return _png(figure)


def feature_importance(lost: Mapping[str, float], name: str, most: int = 20) -> bytes:
    """A bar for each input: the average precision that is lost when the input is shuffled; the `most` important."""
    ranked = sorted(lost.items(), key=lambda one: one[1])[-most:]
    figure, axes = _canvas(
        f"What {_plain(name)} would miss most", height=1.4 + 0.3 * len(ranked), grid="x", fitted=True
    )
    positions = range(len(ranked))
    axes.barh(positions, [loss for _, loss in ranked], color=_COLOURS[0], height=0.7)
    axes.set_yticks(positions, [column.replace("__", ": ").replace("_", " ") for column, _ in ranked], fontsize=9)
    axes.axvline(0, color=_INK, linewidth=0.8)
    for position, (_, loss) in zip(positions, ranked, strict=True):
        # The addition turns a rounded -0.0 into 0.0.
        text, end = f"{round(loss, 3) + 0.0:.3f}", max(loss, 0)
        axes.annotate(text, (end, position), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.margins(x=0.12)
    axes.set_xlabel("Average precision lost when this input is shuffled")
    return _png(figure)


def score_distribution(
    labels: NDArray[np.int64], scores: NDArray[np.float64], name: str, case: str, bins: int = 40
) -> bytes:
    """How many rows with and without `case` got which score; counts on a logarithmic scale."""
    figure, axes = _canvas(f"How {_plain(name)} scores {case} and the rest")
    edges = np.linspace(0, 1, bins + 1).tolist()
    rest, cases = scores[labels == 0], scores[labels == 1]
    axes.hist(rest, edges, histtype="stepfilled", color=_COLOURS[5], label=f"not {case} ({len(rest):,})")
    axes.hist(cases, edges, histtype="step", color=_COLOURS[1], linewidth=2, label=f"{case} ({len(cases):,})")
    axes.set_yscale("log")
    axes.set(xlabel=f"Score: predicted probability of {case}", ylabel="Test rows (logarithmic)", xlim=(0, 1))
    axes.legend(loc="upper right", frameon=False, fontsize=9)
    return _png(figure)


def _canvas(
    title: str, *, height: float = 4.6, grid: Literal["both", "x"] = "both", below: float = 0.0, fitted: bool = False
) -> "tuple[Figure, Axes]":
    """A figure with room (inches) `below` for a legend. With `fitted`, matplotlib measures the room that labels need,
    which takes it as long as drawing them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=120, layout="constrained" if fitted else None)
    if fitted:
        axes = figure.add_subplot()
    else:
        bottom = (_BELOW + below) / height
        axes = figure.add_axes((_LEFT / _WIDTH, bottom, 1 - (_LEFT + _RIGHT) / _WIDTH, 1 - bottom - _ABOVE / height))
    axes.set_title(title, loc="left", fontsize=11, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis=grid, color=_FAINT, linewidth=0.6)
    return figure, axes


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = BytesIO()
    # Without the library's version in it, the same numbers give the same bytes.
    FigureCanvasAgg(figure).print_png(picture, metadata={"Software": None})
    return picture.getvalue()


def _plain(name: str) -> str:
    return name.replace("_", " ")
