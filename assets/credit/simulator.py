"""Simulated credit cards: clients who pay in time or not, as monthly statements.

What belongs here: the world, its statements, and their delivery as monthly files. Not: reading or landing files, or
features; the platform treats simulated files like anybody's.

The world resembles the clients of a Taiwanese bank of 2005 (Yeh and Lien, "The comparisons of data mining techniques
for the predictive accuracy of probability of default of credit card clients", Expert Systems with Applications 36,
2009; UCI data set 350) in what was counted there from April to August: a limit of 140,000 in the middle; 11 to 15 of a
hundred clients late; of those in time 1 to 7 of a hundred late next month, by how they paid, and of those late two in
three, later the more; codes that nobody documented. Sex, schooling, marriage and age have no bearing on how somebody
pays. What has is told by no column: a temper, which also earned the client the limit, and how the card is used.

Each purpose and month has a random stream of its own, derived from the seed: the same parameters give the same bytes
(with the same numpy and polars), and a longer simulation begins with the shorter one.
"""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.simulating import DemoWorld, check_parameters, invalid, random_stream, write_if_changed

# The delivered columns and their types; statement_date is a UTC midnight.
SCHEMA = pl.Schema(
    {
        "client_id": pl.Int64(),
        "statement_date": pl.Datetime("us"),
        "credit_limit": pl.Float64(),
        "sex": pl.Int16(),
        "education": pl.Int16(),
        "marriage": pl.Int16(),
        "age": pl.Int16(),
        "pay_status": pl.Int16(),
        "bill_amount": pl.Float64(),
        "pay_amount": pl.Float64(),
    }
)

LIMITS = {"months": (1, 600), "clients": (1, 1_000_000), "seed": (0, 2**63 - 1)}
WARM_UP = 12
"""Months that go by before the first statement, so that the world has settled: its first month is like any other."""

NOTHING_DUE, PAID_IN_FULL, PART_PAID, LATEST = -2, -1, 0, 8
USES = (NOTHING_DUE, PAID_IN_FULL, PART_PAID)
USED_SHARE = (0.16, 0.21, 0.63)
"""What share of clients hardly uses the card, pays in full, pays in part."""
USUAL_SHARE = 0.85
"""How often a client who is in time does as usual."""
FALLS_BEHIND = (0.013, 0.038, 0.055)
"""How likely each of these is late next month, in the middle of all tempers."""
TEMPER = 0.7
STAYS_BEHIND, STAYS_FAR_BEHIND = 0.60, 0.80
"""How likely who is two months late or less, or more, stays late."""
FURTHER_BEHIND = 0.15
FIRST_LATE_AT_TWO = 0.97
"""Who falls behind is nearly always two months late at once, as in the counted data; one month is rare."""
MISKEYED = 0.0006
"""How many of the codes 0 and 5 stand for what nobody knows."""

# What a random stream is for. Part of every seed derived: never give a number a new meaning.
_CLIENTS, _MONTHS = range(2)


@dataclass(frozen=True)
class CreditSimulation:
    """A world to simulate: statements of `months` months, the first of them the month of `start`, of `clients` clients.

    Raises DeclarationError for values that no world can have.
    """

    months: int = 6
    clients: int = 5_000
    start: date = date(2005, 4, 1)
    seed: int = 0

    def __post_init__(self) -> None:
        check_parameters(self, LIMITS)
        most = (date.max.year - self.start.year) * 12 + date.max.month - self.start.month
        if self.months > most:
            raise invalid("months", f"at most {most} from {self.start}, not {self.months}", most)

    def days(self) -> list[date]:
        """The statements' days: the last of each month."""
        months = [divmod(self.start.month - 1 + number, 12) for number in range(self.months)]
        ends = [(self.start.year + years, month + 1) for years, month in months]
        return [date(year, month, monthrange(year, month)[1]) for year, month in ends]

    def simulate(self) -> pl.DataFrame:
        """All statements, one row a client and month, in order of month and client; columns and types of SCHEMA."""
        world = _build_world(self)
        state = _State.beginning(self.clients)
        months = []
        for number in range(WARM_UP + self.months):
            statement = _live_a_month(world, state, random_stream(self.seed, _MONTHS, number))
            if number >= WARM_UP:
                months.append(statement)
        day = [datetime(one.year, one.month, one.day) for one in self.days()]  # noqa: DTZ001  # table times are UTC
        frames = [
            pl.DataFrame({**world.attributes, **statement}).with_columns(
                statement_date=pl.lit(closed, pl.Datetime("us"))
            )
            for closed, statement in zip(day, months, strict=True)
        ]
        return pl.concat(frames).select(*SCHEMA).cast(SCHEMA)


def write_monthly_files(
    frame: pl.DataFrame, folder: Path, *, on_month: Callable[[int], None] | None = None
) -> list[Path]:
    """Deliver `frame` (of SCHEMA) as one CSV file a month, `statements_YYYY-MM.csv`; returns them, oldest first.

    Amounts have two decimals, dates are ISO 8601. A file appears whole or not at all, and one that is there with the
    same bytes is left alone. `on_month` is called after each with the number of months done. Raises DeliveryError when
    the folder cannot be written to.
    """
    paths: list[Path] = []
    by_day = frame.group_by(pl.col("statement_date").dt.date(), maintain_order=True)
    for (day,), rows in sorted(by_day, key=lambda group: group[0]):
        paths.append(folder / name_of(day))
        text = rows.with_columns(pl.col("statement_date").dt.strftime("%Y-%m-%d"))
        write_if_changed(paths[-1], text.write_csv(float_precision=2).encode())
        if on_month is not None:
            on_month(len(paths))
    return paths


def name_of(day: date) -> str:
    """The name of the file with the statements of that day's month."""
    return f"statements_{day:%Y-%m}.csv"


@dataclass(frozen=True)
class _World:
    """Clients as they are: what statements say of them, and the temper, use and share of the limit that none says."""

    attributes: dict[str, NDArray[Any]]
    limit: NDArray[np.float64]
    temper: NDArray[np.float64]
    use: NDArray[np.int64]
    share: NDArray[np.float64]


@dataclass
class _State:
    """Clients as they stand at the end of a month."""

    status: NDArray[np.int64]
    bill: NDArray[np.float64]

    @classmethod
    def beginning(cls, clients: int) -> "_State":
        return cls(np.full(clients, PART_PAID), np.zeros(clients))


def _build_world(simulation: CreditSimulation) -> _World:
    draws = random_stream(simulation.seed, _CLIENTS)
    number = simulation.clients
    temper = draws.normal(0, 1, number)
    limit = np.exp(draws.normal(11.8, 0.85, number) - 0.35 * temper)
    limit = np.clip(np.round(limit / 10_000) * 10_000, 10_000, 1_000_000)
    use = draws.choice(len(USES), number, p=USED_SHARE)
    # Who pays in part owes much of the limit, the more the more careless; who pays in full, little.
    share = np.where(use == USES.index(PART_PAID), draws.beta(2.0, 1.8, number) + 0.06 * temper, 0.0)
    share = np.where(use == USES.index(PAID_IN_FULL), draws.beta(1.2, 9.0, number), share)
    age = np.clip(np.round(21 + draws.gamma(2.4, 6.0, number)), 21, 79)
    attributes = {
        "client_id": np.arange(1, number + 1),
        "credit_limit": limit,
        "sex": draws.choice([1, 2], number, p=[0.396, 0.604]),
        "education": draws.choice(
            [0, 1, 2, 3, 4, 5, 6], number, p=[MISKEYED, 0.353, 0.467, 0.164, 0.0041, 0.0096, 0.0023 - MISKEYED]
        ),
        "marriage": draws.choice([0, 1, 2, 3], number, p=[0.0018, 0.4553, 0.5321, 0.0108]),
        "age": age,
    }
    return _World(attributes, limit, temper, use, np.clip(share, 0, 1.02))


def _live_a_month(world: _World, state: _State, draws: np.random.Generator) -> dict[str, NDArray[Any]]:
    """One month of everybody: who pays how, and what is owed then. Moves `state` on; the month's own columns."""
    number = len(world.limit)
    late = state.status >= 1
    used = np.where(draws.random(number) < USUAL_SHARE, world.use, draws.integers(0, len(USES), number))
    # Odds rather than chances are multiplied: they stay below one.
    odds = np.array(FALLS_BEHIND)[np.clip(state.status, NOTHING_DUE, PART_PAID) - NOTHING_DUE]
    odds = odds / (1 - odds) * np.exp(TEMPER * world.temper + 0.8 * (state.bill / world.limit - 0.4))
    stays = np.where(state.status > 2, STAYS_FAR_BEHIND, STAYS_BEHIND)  # noqa: PLR2004  # two months
    stays = stays / (1 - stays) * np.exp(0.3 * world.temper)
    chance = np.where(late, stays / (1 + stays), odds / (1 + odds))
    is_late = draws.random(number) < chance
    began = np.where(draws.random(number) < FIRST_LATE_AT_TWO, 2, 1)
    further = np.minimum(state.status + (draws.random(number) < FURTHER_BEHIND), LATEST)
    status = np.where(is_late, np.where(late, further, began), np.array(USES)[used])

    share = draws.uniform(0.02, 0.08, number)  # of the bill, by who pays in part
    share = np.where(status == PAID_IN_FULL, 1.0, share)
    share = np.where(is_late & (draws.random(number) < 0.75), 0.0, share)  # noqa: PLR2004  # one in four pays some
    paid = np.maximum(state.bill, 0) * share
    wanted = world.limit * np.clip(world.share + draws.normal(0, 0.05, number), 0, 1.1)
    spent = np.where(status == PAID_IN_FULL, wanted, np.maximum(wanted - state.bill + paid, 0) * 0.5)
    spent = np.where(is_late, 0.01 * state.bill, spent)  # interest; the card is hardly used meanwhile
    spent = np.where(status == NOTHING_DUE, np.where(draws.random(number) < 0.3, wanted * 0.1, 0), spent)  # noqa: PLR2004
    bill = np.where(status == PAID_IN_FULL, spent, state.bill - paid + spent)
    bill = np.where(status == NOTHING_DUE, spent - draws.choice([0.0, 120.0], number, p=[0.93, 0.07]), bill)
    bill = np.round(bill, 2).astype(np.float64)
    state.status, state.bill = status, bill
    return {"pay_status": status, "bill_amount": bill, "pay_amount": np.round(paid, 2)}


DEMO = DemoWorld(
    unit="months",
    number=CreditSimulation.months,
    names=lambda months: [name_of(day) for day in CreditSimulation(months=months).days()],
    write=lambda months, folder: write_monthly_files(CreditSimulation(months=months).simulate(), folder),
    labels_after=1,
)
