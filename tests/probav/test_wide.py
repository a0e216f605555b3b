"""Counting of variables with more than 8 bits against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from probav.fractions import ONE
from probav.pixels import Pixels, Zones
from probav.wide import _order, count_values, merge_equal

KINDS = ["int16", "uint16", "int32", "uint32", "float32", "float64", "int64"]


def plain(dtype):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return st.floats(allow_nan=False, allow_infinity=False, width=8 * kind.itemsize)
    limits = np.iinfo(kind)
    return st.integers(int(limits.min), int(limits.max))


@settings(max_examples=100)
@given(st.data(), st.sampled_from(KINDS))
def test_the_order_is_that_of_group_and_value(data, dtype):
    value = data.draw(arrays(dtype, st.integers(0, 30), elements=plain(dtype)))
    group = data.draw(arrays("int64", len(value), elements=st.integers(0, 5)))
    order = _order(group, value, 6)
    assert sorted(order.tolist()) == list(range(len(value)))
    pairs = list(zip(group[order].tolist(), value[order].tolist(), strict=True))
    assert pairs == sorted(pairs)


@pytest.mark.parametrize("dtype", KINDS)
def test_distinct_values_and_weights_of_each_group_and_date(dtype):
    random = np.random.default_rng(3)
    dn = random.integers(0, 40, (3, 20, 24)).astype(dtype)
    if np.dtype(dtype).kind in "if":
        dn -= np.array(20, dtype)
    valid, passes = random.random((2, 20, 24)) < 0.8, random.random((1, 20, 24)) < 0.7
    runs = np.array([[4, row, 2, 9 + row] for row in range(12)] + [[9, 15, 0, 24], [9, 16, 0, 20]])
    edges = np.array([[4, 13, 5], [4, 13, 6], [9, 17, 1]])
    weights = np.array([ONE // 2, ONE // 4, 3 * ONE // 4])
    pixels = Pixels(Zones(runs, edges, weights, (20, 24)))
    found = count_values(0, dn, valid, passes, np.array([2, 0]), np.array([5, 6]), pixels)
    assert sorted(found.groups.tolist()) == [4, 9]
    weight = {zone: np.zeros((20, 24), np.int64) for zone in (4, 9)}
    for zone, row, first, last in runs.tolist():
        weight[zone][row, first:last] += ONE
    for (zone, row, column), share in zip(edges.tolist(), weights.tolist(), strict=True):
        weight[zone][row, column] += share
    for t, date in enumerate((2, 0)):
        for g, zone in enumerate(found.groups.tolist()):
            cell = t * 2 + g
            part = slice(found.ends[cell], found.ends[cell + 1])
            counted = valid[t] & passes[0] & (weight[zone] > 0)
            values = np.unique(dn[date][counted])
            assert found.values[part].tolist() == values.astype(float).tolist()
            sums = [int(weight[zone][counted & (dn[date] == value)].sum()) for value in values]
            assert found.weights[part].tolist() == sums
            nodata, masked = found.others[:, t, g].reshape(2, 2) @ [ONE, 1]
            assert nodata == weight[zone][~valid[t]].sum()
            assert masked == weight[zone][valid[t] & ~passes[0]].sum()


def test_cells_of_the_same_value_are_added():
    values, weights = np.array([1.0, 1.0, 2.0, 3.0, 3.0]), np.array([5, 6, 7, 1 << 61, 9])
    count = merge_equal(values, weights)
    assert values[:count].tolist() == [1, 2, 3, 3]  # what is full is left alone
    assert weights[:count].tolist() == [11, 7, 1 << 61, 9]
