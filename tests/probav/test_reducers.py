"""Reducers against NumPy on the expanded values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probav.errors import QueryError
from probav.reducers import check_reducers, reduce

histograms = st.lists(st.integers(0, 40), min_size=1, max_size=30).map(np.array)
percentiles = st.sampled_from([0, 1, 5, 10, 25, 33.3, 50, 66, 75, 90, 97.5, 100])


@settings(max_examples=300, deadline=None)
@given(histograms, percentiles)
def test_whole_pixels_equal_numpy(counts, p):
    values = np.arange(len(counts)) * 0.004 - 0.08
    expanded = np.repeat(values, counts)
    weights = counts.astype(float)
    if not len(expanded):
        assert np.isnan(reduce("mean", values, weights))
        assert np.isnan(reduce(f"p{p}", values, weights))
        return
    assert reduce(f"p{p}", values, weights) == pytest.approx(np.percentile(expanded, p), abs=1e-12)
    for name, function in {
        "mean": np.mean, "std": np.std, "var": np.var, "min": np.min, "max": np.max, "sum": np.sum,
        "median": np.median,
    }.items():  # fmt: skip
        assert reduce(name, values, weights) == pytest.approx(function(expanded), abs=1e-12, rel=1e-12)


def test_type_7_as_the_openeo_processes_define_it():
    values, counts = np.array([2.0, 4, 5, 7, 9]), np.array([1.0, 3, 2, 1, 1])
    assert reduce("p10", values, counts) == pytest.approx(3.4, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=2, max_size=12), st.lists(percentiles, min_size=2, max_size=5))
def test_percentiles_of_fractions_rise_and_stay_between_the_ends(weights, ps):
    weights = np.array(weights)
    values = np.linspace(-1, 1, len(weights))
    found = [float(reduce(f"p{p}", values, weights)) for p in sorted(ps)]
    if weights.sum() <= 0:
        assert np.isnan(found).all()
        return
    assert (np.diff(found) >= -1e-9).all()
    inside = values[weights > 0]
    assert inside.min() - 1e-9 <= found[0]
    assert found[-1] <= inside.max() + 1e-9


def test_values_may_descend_for_a_negative_scale():
    values, counts = np.array([3.0, 2.0, 1.0]), np.array([1.0, 1.0, 2.0])
    assert reduce("p50", values, counts) == pytest.approx(np.percentile([3, 2, 1, 1], 50))


def test_histograms_are_reduced_side_by_side():
    values = np.arange(5.0)
    weights = np.random.default_rng(0).integers(0, 9, (3, 4, 5)).astype(float)
    for name in ("mean", "std", "p90", "max"):
        together = reduce(name, values, weights)
        assert together.shape == (3, 4)
        for index in np.ndindex(3, 4):
            assert together[index] == reduce(name, values, weights[index])


def test_names():
    assert check_reducers(["mean", "p2.5", "mean"]) == ("mean", "p2.5")
    assert check_reducers("p100") == ("p100",)
    for bad in ("avg", "p101", "p-1", "percentile"):
        with pytest.raises(QueryError, match=bad):
            check_reducers([bad])
    with pytest.raises(QueryError, match="Did you mean 'mean'"):
        check_reducers(["maen"])
    with pytest.raises(QueryError, match="empty"):
        check_reducers([])
