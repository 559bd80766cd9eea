"""Training and test rows of a model, split so that the test resembles production.

What belongs here: dividing a training set in time. Not: fitting and measuring (training.py, metrics.py).

The protocol is that of the handbook on fraud detection (Le Borgne et al., chapter 3, "Baseline fraud detection
system"): train on some days, wait for as long as it takes until labels are known, test on the days after. On each
test day, the entities (customers) already known by then to be compromised are left out: their cards are blocked.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from lakehouse.errors import DeclarationError, SlipwayError, unknown_name
from lakehouse.models.model import Model, Protocol

_DAY = "_day"


@dataclass(frozen=True, eq=False)
class Split:
    """A training set divided by a protocol: the rows to train on and to test on, with all their columns.

    `start` is the first day of training, `blocked` the number of rows of the test days that were left out because
    their entity was known to be compromised by then.
    """

    train: pl.DataFrame
    test: pl.DataFrame
    start: date
    protocol: Protocol
    blocked: int

    @property
    def trained_to(self) -> date:
        """The last day of training."""
        return self.start + timedelta(days=self.protocol.train_days - 1)

    @property
    def tested_from(self) -> date:
        """The first day of the test."""
        return self.start + timedelta(days=self.protocol.train_days + self.protocol.delay_days)

    @property
    def tested_to(self) -> date:
        """The last day of the test."""
        return self.start + timedelta(days=self.protocol.days - 1)


def split(frame: pl.DataFrame | pl.LazyFrame, model: Model, start: date) -> Split:
    """Divide `frame` (rows of the model's training set, in any order) by its protocol, training from day `start` on.

    Days are UTC calendar days counted from `start`; rows of other days are ignored. With the published 7, 7 and 7
    days: train on days 0-6, test on days 14-20, and on test day 14+d leave out every entity with a fraud on days
    0..6+d, which are those that are known when that day begins. Both parts come in order of time and key, whatever the
    order of `frame`: a forest draws its samples by place.

    Rows whose label never came are left out, as far as the protocol lets them be. Raises UnknownNameError for a missing
    column, SlipwayError when days are missing, labels are not known yet, or there is only one kind of label.
    """
    protocol = model.protocol
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    for column in (model.event_time, model.exclude_known_positives_of, model.label, model.key, *model.inputs):
        if column not in schema:
            raise unknown_name("column", column, schema.names(), where=model.training_set)
    stamp = schema[model.event_time]
    if not isinstance(stamp, pl.Datetime):
        raise DeclarationError(
            f"{model.event_time} is {stamp}, not a timestamp, so days cannot be counted.",
            where=f"{model.training_set}.{model.event_time}",
            nearest="Datetime('us')",
            fix="Make it a timestamp, in UTC.",
        )
    moment = pl.col(model.event_time)
    if stamp.time_zone:
        moment = moment.dt.convert_time_zone("UTC")
    window = (
        lazy.with_columns(
            (moment.dt.date() - pl.lit(start)).dt.total_days().alias(_DAY), pl.col(model.label).cast(pl.Int64)
        )
        .filter(pl.col(_DAY).is_between(0, protocol.days - 1))
        .sort(model.event_time, model.key)
        .collect()
    )
    _check_days(window, model, start)
    _check_labels(window, model, start)
    first_test_day = protocol.train_days + protocol.delay_days
    labelled = window.filter(pl.col(model.label).is_not_null())
    train = labelled.filter(pl.col(_DAY) < protocol.train_days)
    test = labelled.filter(pl.col(_DAY) >= first_test_day)
    # A fraud of day f is known once the delay has passed after it: when day f + delay_days + 1 begins.
    compromised = (
        window.filter((pl.col(model.label) == 1) & (pl.col(_DAY) < protocol.days - protocol.delay_days - 1))
        .group_by(model.exclude_known_positives_of)
        .agg((pl.col(_DAY).min() + protocol.delay_days + 1).alias("_known_on"))
    )
    kept = (
        test.join(compromised, on=model.exclude_known_positives_of, how="left", maintain_order="left")
        .filter(pl.col("_known_on").is_null() | (pl.col(_DAY) < pl.col("_known_on")))
        .drop("_known_on")
    )
    for part, rows in (("training", train), ("test", kept)):
        _check_kinds(rows, part, model, start)
    return Split(train.drop(_DAY), kept.drop(_DAY), start, protocol, test.height - kept.height)


def newest_start(as_of_day: date, protocol: Protocol, label_delay_days: int = 7) -> date:
    """The `start` whose test days are the newest with all labels known.

    `as_of_day` is the last day that is complete, which is to say that nothing of it is still to come. Labels become
    known `label_delay_days` after the event, so those of day D are all known once day D + `label_delay_days` is over.
    """
    return as_of_day - timedelta(days=label_delay_days + protocol.days - 1)


def _check_days(window: pl.DataFrame, model: Model, start: date) -> None:
    days, apart = model.protocol.days, model.protocol.apart_days
    there = np.zeros(days + 1, dtype=np.int64)
    there[window[_DAY].unique().to_numpy() + 1] = 1
    # So many days with rows there are among the `apart` days that begin with each.
    near = np.cumsum(there)[apart:] - np.cumsum(there)[: max(days + 1 - apart, 0)]
    missing = [start + timedelta(days=int(day)) for day in np.flatnonzero(near == 0)]
    if not missing:
        return
    shown = ", ".join(map(str, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")  # noqa: PLR2004
    raise SlipwayError(
        f"The training set has no rows on {len(missing)} of the {days} days that the protocol needs: {shown}."
        if apart == 1
        else f"The training set has no rows within {apart} days from {shown} on, and the protocol needs some.",
        where=f"{model.training_set}, {start} to {start + timedelta(days=days - 1)}",
        fix=f"Give {days} days without a gap ({model.protocol.train_days} to train on, {model.protocol.delay_days} to "
        f"wait for labels, {model.protocol.test_days} to test on), or another start.",
    )


def _check_labels(window: pl.DataFrame, model: Model, start: date) -> None:
    protocol = model.protocol
    needed = (pl.col(_DAY) < protocol.days - protocol.delay_days - 1) | (
        pl.col(_DAY) >= protocol.train_days + protocol.delay_days
    )
    lacking = pl.col(model.label).is_null()
    unknown = window.filter(needed & lacking & (lacking.mean().over(_DAY) > protocol.unlabelled))
    if unknown.height:
        first = int(unknown.select(pl.col(_DAY).min()).item())
        # Only labels missing at the end are to be waited for; earlier ones were lost, and no start mends that.
        recent = first >= protocol.train_days + protocol.delay_days
        raise SlipwayError(
            f"{unknown.height:,} rows have no label yet, the first of them on {start + timedelta(days=first)}.",
            where=f"{model.training_set}.{model.label}",
            nearest=f"start {start - timedelta(days=protocol.days - first)}" if recent else None,
            fix="Start earlier, so that the last test day has its labels." if recent else "Deliver the missing labels.",
        )
    strange = window.filter(needed & ~pl.col(model.label).is_in([0, 1]))
    if strange.height:
        raise SlipwayError(
            f"{strange.height:,} labels are neither 0 nor 1.",
            where=f"{model.training_set}.{model.label}",
            nearest="1",
            fix="Use the labels 1 and 0.",
        )


def _check_kinds(rows: pl.DataFrame, part: str, model: Model, start: date) -> None:
    for label, word in ((1, "positive"), (0, "negative")):
        if not rows.height or not (rows[model.label] == label).any():
            raise SlipwayError(
                f"The {part} days have {rows.height:,} rows and not one {word} label ({model.label} = {label}).",
                where=f"{model.training_set}, training from {start}",
                fix="Take more days into the protocol, another start, or more data.",
            )
