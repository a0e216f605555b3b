import numpy as np
import pytest
import rasterio.transform

from probav.errors import SourceError
from probav.grid import CHIRPS_GRID, Grid, cgls_grid, probav_grid, tile_at, tile_offset

# formats.md 1.4: (lon, lat) -> tile, column, row at 1 km, 300 m and 100 m
VECTORS = [
    ((5.115, 51.185), ("X18Y02", 573, 427), ("X18Y02", 1719, 1282), ("X18Y02", 5156, 3846)),
    ((36.82, -1.29), ("X21Y07", 764, 704), ("X21Y07", 2292, 2113), ("X21Y07", 6875, 6340)),
    ((108.87, 11.47), ("X28Y06", 993, 395), ("X28Y06", 2980, 1186), ("X28Y06", 8941, 3558)),
    ((0.0, 45.0), ("X18Y03", 0, 0), ("X18Y03", 0, 0), ("X18Y03", 0, 0)),
    ((-0.001, 5.0), ("X18Y07", 0, 0), ("X18Y07", 0, 0), ("X17Y07", 10079, 0)),
    ((9.9999, 44.5), ("X19Y03", 0, 56), ("X19Y03", 0, 168), ("X19Y03", 0, 504)),
]


@pytest.mark.parametrize(("point", "km", "m300", "m100"), VECTORS)
def test_a_point_falls_in_its_tile(point, km, m300, m100):
    assert tile_at(*point, 112) == km
    assert tile_at(*point, 336) == m300
    assert tile_at(*point, 1008) == m100


@pytest.mark.parametrize("n", [112, 336, 1008])
def test_half_a_pixel_west_of_the_date_line_is_the_first_column_of_the_world(n):
    assert tile_at(180 - 0.4 / n, 0.5, n)[:2] == ("X00Y07", 0)
    assert tile_at(180 - 0.6 / n, 0.5, n)[:2] == ("X35Y07", 10 * n - 1)
    assert tile_at(-180.0, 75.0, n) == ("X00Y00", 0, 0)


@pytest.mark.parametrize("lat", [75.1, -65.1, 90, -90])
def test_there_are_no_tiles_near_the_poles(lat):
    with pytest.raises(ValueError, match="in no PROBA-V tile"):
        tile_at(0, lat, 112)


@pytest.mark.parametrize(
    ("n", "west", "north"),
    [(112, -0.00446429, 55.00446429), (336, -0.00148810, 55.00148810), (1008, -0.00049603, 55.00049603)],
)
def test_edges_of_tile_x18y02_lie_half_a_pixel_north_west_of_the_degree(n, west, north):
    row, column = tile_offset("X18Y02", n)
    tile = probav_grid(n).window(row, column, 10 * n, 10 * n)
    assert tile.bounds == pytest.approx((west, north - 10, west + 10, north), abs=5e-9)
    assert (tile.x0, tile.y0) == (0.0, 55.0)


@pytest.mark.parametrize("name", ["X36Y00", "X00Y14", "x18y02", "X1Y2", "", "X18Y02Z"])
def test_impossible_tiles(name):
    with pytest.raises(SourceError, match="no PROBA-V tile"):
        tile_offset(name, 112)


@pytest.mark.parametrize(
    ("grid", "shape", "bounds"),
    [
        (cgls_grid(112), (15680, 40320), (-180.0044643, -59.9955357, 179.9955357, 80.0044643)),
        (cgls_grid(336), (47040, 120960), (-180.0014881, -59.9985119, 179.9985119, 80.0014881)),
        (CHIRPS_GRID.window(200, 0, 2000, 7200), (2000, 7200), (-180, -50, 180, 50)),  # version 2
    ],
)
def test_global_grids(grid, shape, bounds):
    assert (grid.height, grid.width) == shape
    assert grid.bounds == pytest.approx(bounds, abs=5e-8)


def test_the_transform_is_gdals():
    grid = probav_grid(336).window(7896, 61824, 30, 40)
    xs, ys = rasterio.transform.xy(grid.transform, [0, 29], [0, 39], offset="center")
    assert np.allclose(grid.xs()[[0, 39]], xs, atol=1e-12)
    assert np.allclose(grid.ys()[[0, 29]], ys, atol=1e-12)
    assert grid.bounds == pytest.approx(rasterio.transform.array_bounds(30, 40, grid.transform), abs=1e-12)


def test_pixels_count_from_the_outer_edge():
    grid = Grid(4.0, 51.0, 336, 336, 10, 10)
    column, row = grid.pixels(np.array([4.0, 4.0 - 0.5 / 336]), np.array([51.0, 51.0 + 0.5 / 336]))
    assert np.allclose(column, [0.5, 0])
    assert np.allclose(row, [0.5, 0])


def test_a_kilometre_is_three_by_three_centred_on_every_third_pixel():
    km, m300 = cgls_grid(112), cgls_grid(336)
    assert np.allclose(km.xs(100, 110), m300.xs(300, 330)[::3], atol=1e-12)
    west_edge_of_pixel_7 = km.xs()[7] - 0.5 / 112
    assert west_edge_of_pixel_7 == pytest.approx(m300.xs()[3 * 7 - 1] - 0.5 / 336, abs=1e-10)


def test_offset_of_a_window_with_rounded_corners():
    world = probav_grid(336)
    window = world.window(7896, 61824, 672, 672)
    rounded = Grid(round(window.x0, 6), round(window.y0, 6), 336, 336, 672, 672)
    assert world.offset_of(rounded) == (7896, 61824)


@pytest.mark.parametrize(
    "other",
    [
        Grid(4.0 - 0.5 / 336, 51.5, 336, 336, 10, 10),  # a corner taken for a centre
        Grid(4.0, 51.5, 336.1, 336, 672, 10),  # a step that drifts over the width
        Grid(4.0, 51.5, 336, 336, 10, 10, "EPSG:3035"),
    ],
)
def test_off_the_lattice(other):
    assert probav_grid(336).offset_of(other) is None
