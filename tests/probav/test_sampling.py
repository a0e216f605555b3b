import calendar
import datetime
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import probav
from probav.grid import Grid, probav_grid, tile_at, tile_offset
from probav.products import PRODUCTS
from probav.sampling import dates_for, sample
from probav.sampling import nearest as nearest_pixels

S10, COVER, RAIN, NDVI300 = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1"


def days(*texts):
    return np.array(texts, "datetime64[D]")


def held(product, times, dates):
    """Which of a product's dates holds for others."""
    return dates_for(SimpleNamespace(definition=PRODUCTS[product], times=days(*times)), days(*dates)).tolist()


def test_a_dekad_holds_for_its_days_and_no_longer():
    dekads = ["2015-01-01", "2015-01-11", "2015-02-21"]
    dates = ["2014-12-31", "2015-01-01", "2015-01-10", "2015-01-11", "2015-01-20", "2015-01-21", "2015-02-01",
             "2015-02-20", "2015-02-21", "2015-02-28", "2015-03-01"]  # fmt: skip
    assert held(RAIN, dekads, dates) == [-1, 0, 0, 1, 1, -1, -1, -1, 2, 2, -1]


def test_the_third_dekad_has_eight_to_eleven_days():
    for month, last in (("2015-02", 28), ("2016-02", 29), ("2015-04", 30), ("2015-01", 31)):
        assert held(RAIN, [f"{month}-21"], [f"{month}-{last}"]) == [0]
        after = np.datetime64(f"{month}-{last}") + 1
        assert held(RAIN, [f"{month}-21"], [str(after)]) == [-1]


@given(st.dates(datetime.date(1998, 1, 1), datetime.date(2030, 12, 31)), st.data())
def test_periods_are_those_of_the_calendar(date, data):
    starts = {
        "PROBAV_L3_S5_TOC_100M": (1, 6, 11, 16, 21, 26),
        S10: (1, 11, 21),
        "PROBAV_L3_S1_TOC_1KM": range(1, 32),
    }
    product = data.draw(st.sampled_from(sorted(starts)))
    last = calendar.monthrange(date.year, date.month)[1]
    own = [day for day in starts[product] if day <= date.day][-1]
    every = [f"{date:%Y-%m}-{day:02d}" for day in starts[product] if day <= last]
    assert held(product, every, [str(date)]) == [every.index(f"{date:%Y-%m}-{own:02d}")]
    # where the period that the date lies in is missing, no other one stands in for it
    missing = [start for start in every if start != f"{date:%Y-%m}-{own:02d}"]
    assert held(product, missing, [str(date)]) == [-1]


def test_land_cover_of_the_nearest_earlier_year_holds_and_the_first_before_it():
    years = ["2016-01-01", "2018-01-01"]
    dates = ["2014-03-01", "2016-01-01", "2017-12-31", "2018-01-01", "2021-06-01"]
    assert held(COVER, years, dates) == [0, 0, 0, 1, 1]
    assert held(COVER, [], dates) == [-1] * 5
    assert held(RAIN, [], dates) == [-1] * 5


def nearest(array, transform, xs, ys, blank):
    """Value of the pixel whose edges hold each point: plain loops over plain affine arithmetic."""
    found = np.full((len(ys), len(xs)), blank, array.dtype)
    for i, y in enumerate(ys):
        for j, x in enumerate(xs):
            # a centre of one grid on an edge of the other belongs to the pixel east and south
            column = int(np.floor((x - transform.c) / transform.a + 1e-6))
            row = int(np.floor((y - transform.f) / transform.e + 1e-6))
            if 0 <= row < array.shape[0] and 0 <= column < array.shape[1]:
                found[i, j] = array[row, column]
    return found


@pytest.mark.parametrize(
    ("product", "variable", "blank"), [(COVER, "LC", 255), (RAIN, "RAINFALL", -9999), (NDVI300, "NDVI", 255)]
)
def test_every_pixel_takes_the_value_at_its_centre(world, product, variable, blank):
    s10 = world.archive[S10]
    _, top, _, _ = s10.held.bounds
    left = int(s10.held.bounds[0])
    rows, columns = slice(int(top) - 5, int(top) + 70), slice(left - 5, left + 90)
    dates = world.dates[product][:2]
    layers, which = sample(world.archive[product], variable, s10.grid, rows, columns, dates)
    xs, ys = s10.grid.xs(columns.start, columns.stop), s10.grid.ys(rows.start, rows.stop)
    for date, index in enumerate(which):
        array = world.arrays[product][variable][date]
        np.testing.assert_array_equal(layers[index], nearest(array, world.transforms[product], xs, ys, blank))


def test_a_coarse_grid_takes_the_middle_of_many_fine_pixels(world):
    """A 300 m pixel is centred on the middle one of 3 x 3 land cover pixels: 3k-1 to 3k+1, not 3k to 3k+2."""
    window = world.archive[S10].load(time="2015-01-01", keep_dn=True)
    grid = world.archive[S10].grid
    left, top, right, bottom = (int(edge) for edge in world.archive[S10].held.bounds)
    layers, which = sample(
        world.archive[COVER], "LC", grid, slice(top, bottom), slice(left, right), days("2015-01-01")
    )
    transform, cover = world.transforms[COVER], world.arrays[COVER]["LC"][0]
    column = round((window.x.values[0] - (transform.c + transform.a / 2)) / transform.a)
    row = round((window.y.values[0] - (transform.f + transform.e / 2)) / transform.e)
    np.testing.assert_array_equal(layers[which[0]], cover[row::3, column::3][:300, :310])


def test_one_layer_a_distinct_period_and_blanks_where_there_is_none(world):
    dates = days("2015-01-31", "2015-02-01", "2015-02-05", "2015-02-11", "2015-03-01")
    ndvi300 = world.archive[NDVI300]
    left, top, _, _ = (int(edge) for edge in ndvi300.held.bounds)
    layers, which = sample(ndvi300, "NDVI", ndvi300.grid, slice(top, top + 4), slice(left, left + 4), dates)
    assert len(layers) == 3
    assert which.tolist() == [0, 1, 1, 2, 0]
    assert (layers[0] == 255).all()
    np.testing.assert_array_equal(layers[1:], world.arrays[NDVI300]["NDVI"][:2, :4, :4])


def test_a_window_far_away_is_blank(world):
    grid = world.archive[S10].grid
    layers, _ = sample(world.archive[RAIN], "RAINFALL", grid, slice(0, 5), slice(0, 5), days("2015-01-01"))
    assert (layers == -9999).all()


def test_a_projected_grid_meets_the_same_places(world):
    """A metric grid (EPSG:3035) over the window, checked with PROJ's own transformation of each centre."""
    from pyproj import Transformer

    to_metres = Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
    x0, y0 = to_metres.transform(2.3, 49.3)
    grid = Grid(x0, y0, 1 / 100, 1 / 100, 60, 50, "EPSG:3035")
    layers, _ = sample(world.archive[COVER], "LC", grid, slice(0, 50), slice(0, 60), days("2015-01-01"))
    to_degrees = Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True)
    for row, column in ((0, 0), (10, 50), (49, 59), (25, 3)):
        lon, lat = to_degrees.transform(x0 + 100 * column, y0 - 100 * row)
        array, transform = world.arrays[COVER]["LC"][0], world.transforms[COVER]
        assert layers[0, row, column] == nearest(array, transform, [lon], [lat], 255)[0, 0]


@given(st.floats(-180.6, 179.9), st.floats(-64.9, 74.9), st.sampled_from([112, 336]))
def test_half_a_pixel_west_of_the_world_is_its_other_end(lon, lat, n):
    """Of points on the whole grid; the tile of each is found by the arithmetic of the tiles."""
    lon, lat = round(lon, 4) + 1e-5, round(lat, 4) + 1e-5
    grid = probav_grid(n)
    row, column = nearest_pixels(grid, Grid(lon, lat, 1, 1, 1, 1), slice(0, 1), slice(0, 1))
    tile, own_column, own_row = tile_at((lon + 180 + 0.5 / n) % 360 - 180 - 0.5 / n, lat, n)
    top, left = tile_offset(tile, n)
    assert (row.item(), column.item()) == (top + own_row, left + own_column)


def test_places_that_another_coordinate_system_lacks_are_beyond_the_grid():
    antarctic = Grid(-180.0, -60.0, 1, 1, 360, 30)
    row, column = nearest_pixels(
        Grid(0, 0, 1e-3, 1e-3, 10, 10, "EPSG:3035"), antarctic, slice(0, 30), slice(0, 360)
    )
    assert row.shape == (30, 360)
    assert ((row == -1) | (column == -1)).all()


def test_late_arrivals_are_found_by_their_date(world, tmp_path, sources):
    """Positions on the stored axis are not the sorted ones once a date came late."""
    url = world.copy(tmp_path)
    array = np.full((30, 40), 3.5, "float32")
    sources.write_tif(tmp_path / "chirps-v2.0.2014.12.3.tif", array, world.transforms[RAIN], -9999)
    probav.ingest(url, tmp_path / "chirps-v2.0.2014.12.3.tif")
    rain = probav.open_archive(url)[RAIN]
    left, top, right, bottom = (int(edge) for edge in rain.held.bounds)
    dates = days("2014-12-25", "2015-01-01")
    layers, which = sample(rain, "RAINFALL", rain.grid, slice(top, bottom), slice(left, right), dates)
    np.testing.assert_array_equal(layers[which], [array, world.arrays[RAIN]["RAINFALL"][0]])
