"""Figures show the numbers they are given, and say so in words."""

from __future__ import annotations

import logging

import matplotlib as mpl
import numpy as np
import pytest
from drawn import series

import probav
from probav.products import PRODUCTS
from probav_extensions import footprint_figure, raster_figure, series_table, timeseries_figure
from probav_extensions.colours import colormap, rgba


@pytest.fixture
def archive(demo_archive):
    return probav.open_archive(demo_archive)


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def test_the_chart_draws_the_means_marks_the_weak_and_ticks_the_empty():
    data = series()
    figure = timeseries_figure(data)
    upper, lower, legend = figure.axes
    lines = {(line.get_linestyle(), line.get_marker()): line for line in upper.lines}
    whole = lines["-", "None"].get_ydata()
    np.testing.assert_array_equal(whole, data["mean"][0])
    assert np.isnan(whole[2])
    marked = [line for line in upper.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in marked] == [34, 1]  # 36 dates, one empty, one weak
    assert len(lines["None", "|"].get_xdata()) == 1
    np.testing.assert_array_equal(lower.lines[0].get_ydata(), data["valid_fraction"][0] * 100)
    assert "no valid pixel" in [text.get_text() for text in legend.get_legend().get_texts()]
    assert "snapshot: SNAP" in texts(figure)
    assert "mask: clear" in texts(figure)
    assert "district 1" in texts(figure)


@pytest.mark.parametrize(
    ("zones", "classes", "dates", "expected"),
    [(3, 0, 36, "district 3"), (12, 0, 36, "first 8 of 12 zones"), (1, 12, 36, "8 largest of 12 classes"),
     (9, 2, 36, "first 6 of 9 zones"), (1, 0, 1, "district 1")],
)  # fmt: skip
def test_many_lines_stay_legible_and_what_is_left_out_is_said(zones, classes, dates, expected):
    figure = timeseries_figure(series(zones, classes, dates))
    assert expected in texts(figure)
    assert figure.png().startswith(b"\x89PNG")


def test_no_valid_value_at_all_is_still_a_chart():
    data = series()
    data["mean"][:] = np.nan
    data["valid"][:] = 0
    assert timeseries_figure(data).png()


def test_any_reducer_can_be_drawn_and_the_users_style_stays_theirs():
    data = series().drop_vars(["mean", "p10", "p90"])
    data["sum"] = data["valid"] * 2
    before = dict(mpl.rcParams)
    figure = timeseries_figure(data)
    assert "sum NDVI" in texts(figure)
    assert dict(mpl.rcParams) == before


def test_equal_figures_are_equal_files():
    assert timeseries_figure(series()).png() == timeseries_figure(series()).png()


def test_a_figure_shows_itself_as_png_and_words():
    data, metadata = timeseries_figure(series())._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"].startswith("Chart: mean NDVI, 2016-01-01 to 2016-12-16")
    assert metadata["image/png"]["alt"] == data["text/plain"]


def test_the_table_has_a_row_a_zone_class_and_date_without_geometries(archive):
    product = archive["CGLS_NDVI300_V1"]
    result = product.statistics(product.extent.bounds, time="2016-05", by="landcover")
    table = series_table(result)
    assert len(table) == result.sizes["class"] * 3
    assert list(table.columns[:4]) == ["zone", "class", "class_name", "date"]
    assert "geometry" not in table
    first = table.iloc[0]
    same = result.isel({"zone": 0, "class": 0, "time": 0})
    assert (first["date"], first["mean"], first["valid"]) == (
        "2016-05-01",
        float(same["mean"]),
        float(same["valid"]),
    )


def test_the_footprint_draws_tiles_and_every_date(archive):
    product = archive["PROBAV_L3_S10_TOC_333M"]
    figure = footprint_figure(product)
    assert product.footprint()["tile"].iloc[0] in texts(figure)
    bars = [
        collection
        for axes in figure.axes
        for collection in axes.collections
        if "LineCollection" in repr(collection)
    ]
    assert len(product.times) in [len(collection.get_segments()) for collection in bars]
    assert "36 dates" in figure.alt


@pytest.mark.parametrize(
    "name", ["PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD", "CGLS_FAPAR_V2"]
)
def test_pixels_of_every_kind_are_drawn_at_their_place(archive, name):
    product = archive[name]
    pixels = product.load(product.extent.bounds)
    figure = raster_figure(pixels)
    images = [image for axes in figure.axes for image in axes.images]
    assert len(images) == min(pixels.sizes["time"], 12)
    west, east, south, north = images[0].get_extent()
    assert (west, south, east, north) == pytest.approx(product.extent.bounds, abs=1e-9)
    shown = images[0].get_array()
    expected = pixels[product.definition.default].isel(time=0).to_numpy()
    np.testing.assert_array_equal(np.ma.filled(shown.astype(float), np.nan), np.asarray(expected, float))
    assert str(pixels["time"].to_numpy()[0])[:10] in texts(figure)


def test_colours_are_those_of_the_definition():
    ndvi = PRODUCTS["CGLS_NDVI300_V1"].variables["NDVI"]
    image = rgba(np.array([[-0.08, 0.92, np.nan]], np.float32), ndvi)  # DN 0 and 250
    assert image[0, 0].tolist() == [0x8C, 0x5C, 0x08, 255]
    assert image[0, 1].tolist() == [0x00, 0x64, 0x00, 255]
    assert image[0, 2, 3] == 0


def test_classes_keep_their_own_colours_and_other_codes_are_transparent():
    cover = PRODUCTS["CGLS_LC100_V3"].variables["LC"]
    image = rgba(np.array([[20, 40, 126, 200, 255]], np.float32), cover)
    assert image[0, 1].tolist() == [0xF0, 0x96, 0xFF, 255]
    assert image[0, 3].tolist() == [0x00, 0x00, 0x80, 255]
    assert image[0, 4, 3] == 0


def test_a_variable_without_colours_is_a_grey_ramp():
    cmap, norm = colormap(PRODUCTS["PROBAV_L3_S10_TOC_333M"].variables["SZA"])
    assert cmap(0.0)[:3] == (0, 0, 0)
    assert (norm.vmin, norm.vmax) == (0, 90)


def test_a_slow_first_figure_says_nothing_beneath_the_cell(caplog):
    log = logging.getLogger("matplotlib.font_manager")
    log.warning("Matplotlib is building the font cache; this may take a moment.")
    log.warning("something else")
    assert caplog.messages == ["something else"]
