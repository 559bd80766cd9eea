"""Distances between distributions: their usual definitions, from profiles as from the values themselves."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, wasserstein_distance

from lakehouse.profiling.column_profile import ColumnProfile
from lakehouse.profiling.column_values import grid_of
from lakehouse.profiling.distances import (
    distances,
    jensen_shannon,
    kolmogorov_smirnov,
    psi,
    shares_below,
    shares_of,
    wasserstein,
)

random = np.random.default_rng(5)
PAIRS = {
    "shifted": (random.normal(0, 1, 20_000), random.normal(0.5, 1, 15_000)),
    "wider": (random.normal(0, 1, 20_000), random.normal(0, 2, 15_000)),
    "long tail": (random.lognormal(0, 1, 20_000), random.lognormal(0.3, 1.2, 15_000)),
    "counts": (random.poisson(2, 20_000).astype(float), random.poisson(3, 15_000).astype(float)),
}


def grid(values):
    return grid_of(np.sort(values))


@pytest.mark.parametrize("name", PAIRS)
def test_wasserstein_from_grids_is_that_of_the_values(name):
    one, other = PAIRS[name]
    assert wasserstein(grid(one), grid(other)) == pytest.approx(wasserstein_distance(one, other), rel=0.05)


@pytest.mark.parametrize("name", ["shifted", "wider", "long tail"])
def test_kolmogorov_smirnov_from_grids_is_that_of_the_values(name):
    one, other = PAIRS[name]
    found = kolmogorov_smirnov(grid(one), grid(other))
    assert found == pytest.approx(ks_2samp(one, other).statistic, abs=0.011)  # a step of the grid


def test_jensen_shannon_is_the_root_of_the_divergence_in_bits():
    one, other = random.dirichlet(np.ones(9)), random.dirichlet(np.ones(9))
    assert jensen_shannon(one, other) == pytest.approx(jensenshannon(one, other, base=2))
    assert jensen_shannon([1, 0], [0, 1]) == pytest.approx(1.0)
    assert jensen_shannon(one, one) == 0.0


def test_psi_by_hand():
    assert psi([0.5, 0.5], [0.25, 0.75]) == pytest.approx(-0.25 * np.log(0.5) + 0.25 * np.log(1.5))
    assert psi([0.5, 0.5], [0.5, 0.5]) == 0.0
    assert np.isfinite(psi([1.0, 0.0], [0.0, 1.0]))


def test_shares_below_count_all_equal_values():
    points = grid(np.repeat([1.0, 2.0, 3.0], 100))
    assert shares_below(points, [0.9, 1.0, 2.0, 2.9999, 3.0, 4.0]) == pytest.approx(
        [0, 1 / 3, 2 / 3, 2 / 3, 1, 1], abs=0.011
    )


def test_categories_and_missing_values_are_bins():
    before = ColumnProfile("kind", "text", 100, nulls=0, top=(("a", 60), ("b", 40)))
    after = ColumnProfile("kind", "text", 100, nulls=50, top=(("a", 30), ("c", 20)))
    labels, first, second = shares_of(before, after)
    assert labels == ["a", "b", "c", "all others", "no value"]
    assert first == pytest.approx([0.6, 0.4, 0, 0, 0])
    assert second == pytest.approx([0.3, 0, 0.2, 0, 0.5])
    assert set(distances(before, after)) == {"psi", "jensen_shannon"}


def test_a_column_has_no_distance_from_itself():
    profile = ColumnProfile("amount", "number", 1_000, grid=grid(random.normal(size=1_000)), std=1.0)
    assert set(distances(profile, profile).values()) == {0.0}
