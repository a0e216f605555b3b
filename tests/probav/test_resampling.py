"""Resampling against GDAL and against loops written out here."""

import math

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.warp import Resampling, reproject

import probav
from probav.grid import Grid, probav_grid

S10, KM = "PROBAV_L3_S10_TOC_333M", "PROBAV_L3_S10_TOC_1KM"
COVER, RAIN, NDVI300 = "CGLS_LC100_V3", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1"
TRIANGLE = shapely.Polygon([(2.2, 48.71), (2.91, 49.03), (2.43, 49.41)])
KILOMETRES = probav_grid(112)


# --- by the rule, in loops ------------------------------------------------------------------------------


def third(transform, n=336):
    """Column and row, on the whole grid of n pixels a degree, of an array's first pixel."""
    column = (transform.c + 0.5 * transform.a + 180) * n
    row = (75 - transform.f - 0.5 * transform.e) * n
    assert abs(column - round(column)) < 1e-6
    assert abs(row - round(row)) < 1e-6
    return round(column), round(row)


def by_thirds(values, transform, rows, columns):
    """Mean over the 300 m columns and rows 3k-1 to 3k+1 of 1 km pixels k, of what is there."""
    first_column, first_row = third(transform)
    out = np.full((len(values), len(rows), len(columns)), np.nan)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            found = []
            for r in (3 * row - 1, 3 * row, 3 * row + 1):
                for c in (3 * column - 1, 3 * column, 3 * column + 1):
                    y, x = r - first_row, c - first_column
                    if 0 <= y < values.shape[1] and 0 <= x < values.shape[2]:
                        found.append(values[:, y, x])
            stack = np.array(found) if found else np.full((1, len(values)), np.nan)
            held = np.isfinite(stack).any(axis=0)
            out[held, i, j] = np.nanmean(stack[:, held], axis=0)
    return out


def kilometre_pixels(loaded):
    rows, columns = (75 - loaded.y.values) * 112, (loaded.x.values + 180) * 112
    assert abs(rows - rows.round()).max() < 1e-6
    assert abs(columns - columns.round()).max() < 1e-6
    return rows.round().astype(int), columns.round().astype(int)


def test_a_kilometre_is_the_columns_3k_minus_1_to_3k_plus_1(world):
    loaded = world.archive[S10].load(time="2015-01", like=KILOMETRES, resampling="mean").NDVI
    rows, columns = kilometre_pixels(loaded)
    expected = by_thirds(world.physical(S10, "NDVI")[:3], world.transforms[S10], rows, columns)
    assert loaded.shape[1:] == (100, 103)
    np.testing.assert_allclose(loaded.values, expected, rtol=1e-6, atol=1e-7)
    # and not the columns 3k to 3k+2
    shifted = by_thirds(
        world.physical(S10, "NDVI")[:3], world.transforms[S10] @ Affine.translation(-1, -1), rows, columns
    )
    assert np.nanmax(abs(loaded.values - shifted)) > 0.05


def test_the_mask_is_of_the_300_m_pixels(world):
    sm = world.arrays[S10]["SM"][:3]
    keep = (sm % 8 == 0) & (sm // 8 % 2 == 1)
    values = np.where(keep, world.physical(S10, "NDVI")[:3], np.nan)
    loaded = (
        world.archive[S10].load(time="2015-01", mask="clear & land", like=KILOMETRES, resampling="mean").NDVI
    )
    expected = by_thirds(values, world.transforms[S10], *kilometre_pixels(loaded))
    assert 0 < np.isnan(expected).mean() < 0.9
    np.testing.assert_allclose(loaded.values, expected, rtol=1e-6, atol=1e-7)


def classes_by_thirds(codes, transform, rows, columns, n, nodata):
    first_column, first_row = third(transform, n)
    out = np.full((len(rows), len(columns)), nodata, codes.dtype)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            y, x = 3 * row - 1 - first_row, 3 * column - 1 - first_column
            block = codes[max(y, 0) : max(y + 3, 0), max(x, 0) : max(x + 3, 0)]
            found, counts = np.unique(block[block != nodata], return_counts=True)
            if len(found):
                out[i, j] = found[np.argmax(counts)]  # the first, hence smallest, of the most frequent
    return out


def test_the_most_frequent_class_and_the_smallest_of_several(world):
    s10 = world.archive[S10]
    _, _, east, north = s10.extent.bounds  # the north-east, where some of the map is missing
    loaded = (
        world.archive[COVER].load((east - 0.25, north - 0.2, east, north), like=s10, resampling="mode").LC
    )
    assert loaded.dtype == "uint8"
    rows = ((75 - loaded.y.values) * 336).round().astype(int)
    columns = ((loaded.x.values + 180) * 336).round().astype(int)
    cover = world.arrays[COVER]["LC"][0]
    expected = classes_by_thirds(cover, world.transforms[COVER], rows, columns, 1008, 255)
    np.testing.assert_array_equal(loaded.values[0], expected)
    assert (expected == 255).any()


# --- against GDAL ---------------------------------------------------------------------------------------


def by_gdal(layers, source, nodata, loaded, method):
    height, width = loaded.shape[1:]
    dx, dy = float(loaded.x[1] - loaded.x[0]), float(loaded.y[1] - loaded.y[0])
    target = Affine(dx, 0, float(loaded.x[0]) - dx / 2, 0, dy, float(loaded.y[0]) - dy / 2)
    out = np.full((len(layers), height, width), nodata, layers.dtype)
    for layer, place in zip(layers, out, strict=True):
        reproject(
            layer, place, src_transform=source, src_crs="EPSG:4326", dst_transform=target,
            dst_crs="EPSG:4326", src_nodata=nodata, dst_nodata=nodata, resampling=method, tolerance=0,
        )  # fmt: skip
    return out


@pytest.mark.parametrize(
    "like", [RAIN, KILOMETRES, Grid(2.1, 49.4, 70, 45, 50, 30)], ids=["rain", "km", "any"]
)
def test_a_mean_is_gdals_average(world, like):
    loaded = world.archive[S10].load(time="2015-02", like=like, resampling="mean").NDVI
    values = world.physical(S10, "NDVI")[3:6]
    expected = by_gdal(values, world.transforms[S10], np.nan, loaded, Resampling.average)
    inner = np.s_[:, 1:-1, 1:-1]  # at the edges GDAL leaves out what is covered by less than half
    assert np.isfinite(loaded.values[inner]).mean() > 0.9
    np.testing.assert_allclose(loaded.values[inner], expected[inner], rtol=2e-6, atol=2e-6)


def test_a_mode_is_gdals_mode_where_one_class_leads(world):
    loaded = world.archive[COVER].load(like=KILOMETRES, resampling="mode").LC
    cover = world.arrays[COVER]["LC"][0]
    rows, columns = kilometre_pixels(loaded)
    first_column, first_row = third(world.transforms[COVER], 1008)
    # in whole pixels, so that GDAL has nothing to round: 1 km is 100 m columns 9k-4 to 9k+4
    left, top = 9 * columns[0] - 4 - first_column, 9 * rows[0] - 4 - first_row
    expected = np.full(loaded.shape[1:], 255, "uint8")
    reproject(
        cover, expected, src_transform=Affine(1, 0, 1000, 0, -1, 1000), src_crs="EPSG:3857",
        dst_transform=Affine(9, 0, 1000 + left, 0, -9, 1000 - top), dst_crs="EPSG:3857", src_nodata=255,
        dst_nodata=255, resampling=Resampling.mode, tolerance=0,
    )  # fmt: skip
    same = loaded.values[0] == expected
    assert same.mean() > 0.99  # GDAL takes any of several that lead
    for i, j in np.argwhere(~same):
        y, x = top + 9 * i, left + 9 * j
        block = cover[max(y, 0) : y + 9, max(x, 0) : x + 9]
        found, counts = np.unique(block[block != 255], return_counts=True)
        assert (counts == counts.max()).sum() > 1
        assert loaded.values[0, i, j] == found[np.argmax(counts)]


def test_nearest_is_gdals(world):
    loaded = world.archive[NDVI300].load(like=RAIN, keep_dn=True).NDVI
    layers = world.arrays[NDVI300]["NDVI"]
    # GDAL's own rounding decides where a centre lies on an edge; here none does
    expected = by_gdal(layers, world.transforms[NDVI300], 255, loaded, Resampling.nearest)
    np.testing.assert_array_equal(loaded.values, expected)


# --- the seams ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """The corners of four tiles of 300 m and one 1 km pixel grid: west and east of 0, and of 180 degrees."""
    folder = tmp_path_factory.mktemp("tiles")
    random = np.random.default_rng(7)
    arrays = {}
    for tile, west in (("X17Y02", -10), ("X18Y02", 0), ("X00Y02", -180), ("X35Y02", 170)):
        ndvi = random.integers(0, 251, (3360, 3360)).astype("uint8")
        ndvi[60:] = 255
        ndvi[:, 40:-40] = 255
        arrays[tile] = ndvi
        transform = Affine(1 / 336, 0, west - 0.5 / 336, 0, -1 / 336, 55 + 0.5 / 336)
        path = folder / f"PROBAV_S10_TOC_{tile}_20150101_333M_V101_NDVI.tif"
        with rasterio.open(
            path, "w", driver="GTiff", dtype="uint8", count=1, height=3360, width=3360, crs="EPSG:4326",
            transform=transform, nodata=255, compress="deflate",
        ) as file:  # fmt: skip
            file.write(ndvi, 1)
    url = str(folder / "archive")
    assert not probav.ingest(url, folder).rejected
    return probav.open_archive(url)[S10], arrays


def means(*blocks):
    """Mean of 3 x 3 blocks, rows from the tile's first row on, whose k=0 lacks the row above."""
    joined = np.concatenate(blocks, axis=1)
    values = np.where(joined == 255, np.nan, joined / 250 - 0.08)
    return np.array([
        [np.nanmean(values[max(0, 3 * row - 1) : 3 * row + 2, 3 * k : 3 * k + 3]) for k in range(10)]
        for row in range(10)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("area", "west", "east"),
    [((0.0, 54.92, 0.08, 55.0), "X17Y02", "X18Y02"), ((-180.0, 54.92, -179.92, 55.0), "X35Y02", "X00Y02")],
    ids=["0", "180"],
)
def test_the_first_column_of_a_tile_needs_the_last_one_of_its_neighbour(tiles, area, west, east):
    product, arrays = tiles
    loaded = product.load(area, like=KILOMETRES, resampling="mean", clip=False).NDVI
    assert float(loaded.x[0]) == area[0]
    expected = means(arrays[west][:60, -1:], arrays[east][:60, :29])
    np.testing.assert_allclose(loaded.values[0], expected, rtol=1e-6, atol=1e-7)


def test_where_the_neighbour_is_not_held_the_mean_is_of_what_is_there(world):
    """The world's 300 m window is cut so that its first column is a 1 km pixel's middle one."""
    loaded = world.archive[S10].load(time="2015-01-01", like=KILOMETRES, resampling="mean").NDVI
    rows, columns = kilometre_pixels(loaded)
    first_column, first_row = third(world.transforms[S10])
    # of the pixels at the edges those are given whose centre is held
    assert columns[0] == math.ceil(first_column / 3)
    assert rows[0] == math.ceil(first_row / 3)
    assert columns[-1] == (first_column + 309) // 3
    edge = by_thirds(world.physical(S10, "NDVI")[:1], world.transforms[S10], rows[-1:], columns)
    np.testing.assert_allclose(loaded.values[:, -1:], edge, rtol=1e-6, atol=1e-7)


# --- other grids and types -------------------------------------------------------------------------------


def test_a_finer_grid_gets_the_mean_of_what_each_of_its_pixels_covers(world):
    fine = Grid(2.3, 49.2, 1000, 1000, 50, 40)
    loaded = world.archive[RAIN].load(time="2015-01-01", like=fine, resampling="mean").RAINFALL
    values = world.physical(RAIN, "RAINFALL")[:1]
    expected = by_gdal(values, world.transforms[RAIN], np.nan, loaded, Resampling.average)
    np.testing.assert_allclose(loaded.values, expected, rtol=1e-6)


def test_the_most_frequent_flag_is_counted_without_gaps(world):
    """A status map has no no-data value; what was never written is 2 (undefined)."""
    loaded = world.archive[S10].load(time="2015-01-01", like=RAIN, resampling="mode", variable="SM").SM
    sm, source, target = world.arrays[S10]["SM"][0], world.transforms[S10], world.transforms[RAIN]
    for i, y in enumerate(loaded.y.values):
        for j, x in enumerate(loaded.x.values):
            left, top = ~source @ (x + 0.5 * -target.a, y - 0.5 * target.e)
            right, bottom = ~source @ (x + 0.5 * target.a, y + 0.5 * target.e)
            weight = np.zeros(256)
            for r in range(max(0, int(top)), min(300, math.ceil(bottom - 1e-9))):
                for c in range(max(0, int(left)), min(310, math.ceil(right - 1e-9))):
                    share = (min(bottom, r + 1) - max(top, r)) * (min(right, c + 1) - max(left, c))
                    weight[sm[r, c]] += max(share, 0)
            weight[2] = 0
            assert weight[loaded.values[0, i, j]] == pytest.approx(weight.max(), abs=1e-6)


def test_stored_numbers_keep_their_type(world):
    s10 = world.archive[S10]
    loaded = s10.load(
        time="2015-01", like=KILOMETRES, resampling="mean", keep_dn=True, variable=["NDVI", "RED"]
    )
    for name, nodata, scale, offset in (("NDVI", 255, 0.004, -0.08), ("RED", -1, 1 / 2000, 0)):
        found = loaded[name]
        assert found.dtype == world.arrays[S10][name].dtype
        exact = by_thirds(world.physical(S10, name)[:3], world.transforms[S10], *kilometre_pixels(loaded))
        expected = (exact - offset) / scale
        held = found.values != nodata
        np.testing.assert_array_equal(held, np.isfinite(expected))
        assert abs(found.values[held] - expected[held]).max() <= 0.5 + 1e-6
        assert found.attrs["scale_factor"] == scale
