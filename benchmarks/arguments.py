"""The arguments that every benchmark takes: `--json`, `--quick`, `--full`, sizes, seeds and the published transactions.

What belongs here: how large a run is. Not: measuring, and showing figures (figures.py).

A run of a benchmark takes at most 20 minutes. `--full` takes the sizes that need longer. `--quick` runs the same code
on tiny data in seconds, without the environments of other products; its figures mean nothing, so no goal is evaluated.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import HANDBOOK, Figure
from lakehouse.tables.provenance import code_version

RESULTS = Path.home() / ".cache" / "slipway" / "benchmarks"
"""Where `--full` stores the figures of each seed."""


class Arguments(argparse.ArgumentParser):
    """A parser whose sizes depend on `--quick` and `--full`."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description)
        self._sizes: dict[str, tuple[object, object, object]] = {}
        self.add_argument("--json", action="store_true", help="print one JSON object")
        runs = self.add_mutually_exclusive_group()
        runs.add_argument("--quick", action="store_true", help="tiny data, without goals and without other products")
        runs.add_argument("--full", action="store_true", help="the sizes that take more than 20 minutes")

    def size(self, flag: str, default: object, *, quick: object, full: object = None, about: str) -> None:
        """An argument of a run's size: its value by default, with `--quick` and with `--full` (None: the default)."""
        full = default if full is None else full
        shown = f"{about} ({default}; quick {quick}{f'; full {full}' if full != default else ''})"
        name = flag.removeprefix("--").replace("-", "_")
        self._sizes[name] = (default, quick, full)
        self.add_argument(flag, type=type(default), default=None, help=shown)

    def transactions(self) -> None:
        """`--transactions FILE`: the published transactions."""
        default = HANDBOOK / "transactions.parquet"
        self.add_argument("--transactions", type=Path, default=default, help="the published transactions")

    def seeds(self, default: Sequence[int], *, full: Sequence[int]) -> None:
        """`--seed N`, repeatable, and where `--full` stores the figures of each."""
        self._sizes["seed"] = ([*default], [*default][:1], [*full])
        shown = f"where cases are drawn from, repeatable ({[*default]}; full {[*full]})"
        self.add_argument("--seed", type=int, action="append", default=None, help=shown)
        self.add_argument("--results", type=Path, default=RESULTS, help="where --full stores the figures of each seed")

    def given(self, words: Sequence[str] | None = None) -> argparse.Namespace:
        """The arguments, with the sizes that were not given filled in."""
        given = self.parse_args(words)
        for name, (default, quick, full) in self._sizes.items():
            if getattr(given, name) is None:
                setattr(given, name, quick if given.quick else full if given.full else default)
        return given


@contextmanager
def transactions(
    given: argparse.Namespace,
    *,
    days: int = 25,
    customers: int = 60,
    terminals: int = 40,
    start: date = date(2018, 4, 1),
) -> Iterator[Path]:
    """Return the transactions file: the published data, or with `--quick` a small simulation of `days` days."""
    if not given.quick:
        if not given.transactions.exists():
            raise SystemExit(f"{given.transactions} does not exist. Name the file with --transactions, or run --quick.")
        yield given.transactions
        return
    from assets.fraud.simulator import Simulation

    with TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        file = Path(folder, "transactions.parquet")
        Simulation(days=days, customers=customers, terminals=terminals, start=start).simulate().write_parquet(file)
        yield file


@dataclass(frozen=True)
class Measured:
    """What one seed gave: figures, and lists of cases worth reading (those that were missed, for example)."""

    figures: Sequence[Figure]
    cases: Mapping[str, Sequence[str]]


def by_seed(given: argparse.Namespace, name: str, measure: Callable[[int], Measured]) -> Measured:
    """The figures and cases of every seed. With `--full` they are stored after each seed, and a seed that was measured
    with the same code and arguments is not measured again, so a run that was stopped resumes where it was.
    """
    figures: list[Figure] = []
    cases: dict[str, list[str]] = {}
    for seed in given.seed:
        file = given.results / name / f"seed-{seed}-{_state(given)}.json"
        measured = _load(file) if given.full else None
        if measured is None:
            measured = measure(seed)
            if given.full:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.with_suffix(".part").write_text(json.dumps(asdict(measured)))
                file.with_suffix(".part").replace(file)
        label = f", seed {seed}" if len(given.seed) > 1 else ""
        figures += [replace(one, name=one.name + label) for one in measured.figures]
        for kind, listed in measured.cases.items():
            cases.setdefault(kind, []).extend(listed)
    return Measured(figures, cases)


def _state(given: argparse.Namespace) -> str:
    """A hash of what decides a seed's figures besides the seed: the code and the other arguments."""
    decisive = {key: str(value) for key, value in vars(given).items() if key not in ("json", "results", "seed")}
    return sha256(json.dumps([code_version(), decisive], sort_keys=True).encode()).hexdigest()[:16]


def _load(file: Path) -> Measured | None:
    if not file.exists():
        return None
    stored = json.loads(file.read_text())
    return Measured([Figure(**one) for one in stored["figures"]], stored["cases"])
