"""Means and modes of any grid on any other, against sums of covered shares written out here."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from probav.grid import Grid, cgls_grid, probav_grid
from probav.resampling import Overlaps, mean, mode


def overlap(a, b, c, d):
    return max(0.0, min(b, d) - max(a, c))


def weights(grid, other, size, count, axis):
    """(target pixels, source pixels): share of each source pixel that each target pixel covers."""
    out = np.zeros((count, size))
    for k in range(count):
        for s in range(size):
            if axis == "x":
                one, two = (other.x0 * grid.nx, 1 / other.nx * grid.nx), grid.x0 * grid.nx
                low = one[0] + (k - 0.5) * one[1] - (two - 0.5)
            else:
                one, two = (-other.y0 * grid.ny, 1 / other.ny * grid.ny), -grid.y0 * grid.ny
                low = one[0] + (k - 0.5) * one[1] - (two - 0.5)
            out[k, s] = overlap(low, low + one[1], s, s + 1)
    return out


offsets = st.floats(-2, 2, allow_nan=False).map(lambda value: round(value, 6))
densities = st.one_of(st.integers(1, 9), st.floats(0.3, 9).map(lambda value: round(value, 6)))
grids = st.builds(Grid, offsets, offsets, densities, densities, st.integers(1, 12), st.integers(1, 12))


@settings(max_examples=150)
@given(grids, grids, st.integers(0, 2**32 - 1))
def test_a_mean_of_any_grid_is_the_sum_of_covered_shares(source, target, seed):
    random = np.random.default_rng(seed)
    values = random.integers(0, 251, (2, source.height, source.width)).astype(float)
    values[random.random(values.shape) < 0.3] = np.nan
    overlaps = Overlaps(source, target)
    rows, columns = slice(0, target.height), slice(0, target.width)
    window = overlaps.window(rows, columns)
    found = mean(values[:, *window], window, overlaps, rows, columns)
    down = weights(source, target, source.height, target.height, "y")
    across = weights(source, target, source.width, target.width, "x")
    held = np.isfinite(values)
    total = np.einsum("ir,trc,jc->tij", down, np.where(held, values, 0), across)
    weight = np.einsum("ir,trc,jc->tij", down, held.astype(float), across)
    clear = weight > 1e-5  # below that, steps of 2**-24 of a pixel show
    np.testing.assert_allclose(found[clear], total[clear] / weight[clear], rtol=0, atol=1e-2)
    firm = weight > 0.05
    np.testing.assert_allclose(found[firm], total[firm] / weight[firm], rtol=0, atol=2e-3)
    assert np.isnan(found[weight == 0]).mean() > 0.99 if (weight == 0).any() else True
    inside = found[np.isfinite(found)]
    assert ((inside >= 0) & (inside <= 250)).all()


@settings(max_examples=150)
@given(grids, grids, st.integers(0, 2**32 - 1))
def test_a_mode_of_any_grid_covers_most(source, target, seed):
    random = np.random.default_rng(seed)
    codes = random.integers(-1, 4, (1, source.height, source.width))
    overlaps = Overlaps(source, target)
    rows, columns = slice(0, target.height), slice(0, target.width)
    window = overlaps.window(rows, columns)
    found = mode(codes[:, *window], 4, window, overlaps, rows, columns)[0]
    down = weights(source, target, source.height, target.height, "y")
    across = weights(source, target, source.width, target.width, "x")
    covered = np.stack([down @ (codes[0] == code) @ across.T for code in range(4)])
    most = covered.max(axis=0)
    assert (found[most > 1e-5] >= 0).all()
    taken = np.take_along_axis(covered, np.maximum(found, 0)[None], 0)[0]
    assert (taken >= most - 1e-5).all()


@settings(max_examples=60)
@given(grids, grids, st.data())
def test_pixels_do_not_depend_on_how_they_are_cut(source, target, data):
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    values = random.normal(size=(1, source.height, source.width))
    codes = random.integers(-1, 4, values.shape)
    overlaps = Overlaps(source, target)

    def cut(rows, columns):
        window = overlaps.window(rows, columns)
        one = mean(values[:, *window], window, overlaps, rows, columns)
        return np.concatenate([one, mode(codes[:, *window], 4, window, overlaps, rows, columns)])

    whole = cut(slice(0, target.height), slice(0, target.width))
    row = data.draw(st.integers(0, target.height - 1))
    column = data.draw(st.integers(0, target.width - 1))
    rows = slice(row, data.draw(st.integers(row + 1, target.height)))
    columns = slice(column, data.draw(st.integers(column + 1, target.width)))
    np.testing.assert_array_equal(cut(rows, columns), whole[:, rows, columns])


@given(
    st.integers(0, 40000), st.integers(0, 15000), st.integers(1, 40), st.sampled_from([112, 336]),
    st.sampled_from([probav_grid, cgls_grid]), st.sampled_from([probav_grid, cgls_grid]),
)  # fmt: skip
def test_on_the_lattices_of_probav_only_whole_pixels_count(column, row, size, n, of, onto):
    source, target = of(3 * n), onto(n)
    overlaps = Overlaps(source, target)
    y, x = overlaps.edges(slice(row, row + size), slice(column, column + size))
    one = 1 << overlaps.bits
    shift = (source.y0 - target.y0) * 3 * n
    assert (x == (3 * np.arange(column, column + size + 1) - 1) * one).all()
    assert (y == (3 * np.arange(row, row + size + 1) - 1 + shift) * one).all()


def test_very_coarse_pixels_leave_63_bits():
    overlaps = Overlaps(probav_grid(1008), Grid(-175, 70, 0.1, 0.1, 36, 14))
    window = overlaps.window(slice(0, 1), slice(0, 1))
    pixels = math.prod(item.stop - item.start for item in window)
    assert pixels > 1e8
    assert pixels << 2 * overlaps.bits < 2**63
