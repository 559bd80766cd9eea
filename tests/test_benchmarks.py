"""Every benchmark runs with `--quick`: the same code on tiny data, so that none breaks unseen.

What belongs here: that benchmarks run, and how their arguments work. Not: what they measure (docs/benchmarks.md).
"""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.arguments import Arguments, Measured, by_seed
from benchmarks.figures import Figure, report

TOP = Path(__file__).resolve().parents[1]
BENCHMARKS = sorted(
    path.stem for path in (TOP / "benchmarks").glob("*.py") if '\nif __name__ == "__main__":' in path.read_text()
)
LONG = {"one_day", "spark_windows"}
"""One runs the main job three times, the other starts a Spark of its own: half a minute of processor time each."""
ALONE = {"kills"}
"""Those that need a process of their own: it forks, which a process with threads must not do."""
DOCS = (TOP / "docs" / "benchmarks.md").read_text()


@pytest.fixture(autouse=True)
def _no_environments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A benchmark that would build the environment of a peer, or store results, finds no cache to do it in."""
    monkeypatch.setenv("HOME", str(tmp_path))


def quick(name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> dict:
    """The JSON that a benchmark prints with --quick."""
    words = [name, "--quick", "--json"]
    if name in ALONE:
        command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}", *words[1:]]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    monkeypatch.setattr(sys, "argv", words)
    assert importlib.import_module(f"benchmarks.{name}").main() == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_quickly_on_tiny_data(name, monkeypatch, capfd):
    if name in LONG:
        pytest.skip("takes too long for each run of the tests: `make bench ARGS=--quick` runs it")
    monkeypatch.chdir(TOP)
    printed = quick(name, monkeypatch, capfd)
    assert printed["figures"]
    assert printed["quick"]


def test_every_benchmark_is_described():
    assert [name for name in BENCHMARKS if f"benchmarks.{name}" not in DOCS] == []


def sizes(*words: str) -> argparse.Namespace:
    parser = Arguments("An example.")
    parser.size("--rows", 100, quick=3, full=1_000, about="rows")
    parser.seeds([1, 2], full=[1, 2, 3])
    return parser.given(words)


@pytest.mark.parametrize(
    ("words", "rows", "seeds"),
    [
        ((), 100, [1, 2]),
        (("--quick",), 3, [1]),
        (("--full",), 1_000, [1, 2, 3]),
        (("--quick", "--rows", "7", "--seed", "9"), 7, [9]),
    ],
)
def test_a_size_that_is_not_given_depends_on_the_kind_of_run(words, rows, seeds):
    given = sizes(*words)
    assert (given.rows, given.seed) == (rows, seeds)


def test_a_full_run_resumes_after_the_last_seed_that_was_measured(tmp_path):
    measured = []

    def measure(seed: int) -> Measured:
        if seed == 3 and len(measured) < 3:
            measured.append(seed)
            raise KeyboardInterrupt
        measured.append(seed)
        return Measured([Figure("rows", seed, "", None, "", holds=True)], {"missed": [f"case {seed}"]})

    full = sizes("--full", "--results", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        by_seed(full, "example", measure)
    found = by_seed(full, "example", measure)
    assert measured == [1, 2, 3, 3]
    assert [(one.name, one.value) for one in found.figures] == [
        ("rows, seed 1", 1),
        ("rows, seed 2", 2),
        ("rows, seed 3", 3),
    ]
    assert found.cases == {"missed": ["case 1", "case 2", "case 3"]}
    by_seed(sizes("--full", "--results", str(tmp_path), "--rows", "5"), "example", measure)
    assert measured == [1, 2, 3, 3, 1, 2, 3], "other arguments are measured again"


def test_goals_are_judged_without_quick_only(capsys):
    missed = [Figure("rows", 1, "", 2, "2", holds=False)]
    assert report(missed, sizes("--json")) == 1
    assert report(missed, sizes("--json", "--quick")) == 0
    assert report(missed, sizes("--quick")) == 0
    assert "not judged" in capsys.readouterr().out
