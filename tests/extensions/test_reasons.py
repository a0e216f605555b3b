"""The pictures of what a mask leaves out show the numbers of the engine."""

from __future__ import annotations

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pytest
import shapely
from matplotlib.colors import to_hex

import probav
from probav.explanation_map import map_reasons
from probav_extensions import reasons_figure, reasons_map_figure

MASK = "clear & land & ndvi > 0.3 & landcover != 'urban'"


@pytest.fixture(scope="module")
def product(demo_archive):
    return probav.open_archive(demo_archive)["PROBAV_L3_S10_TOC_333M"]


@pytest.fixture(scope="module")
def area(product):
    west, south, east, north = product.extent.bounds
    x, y = (west + east) / 2, (south + north) / 2
    shapes = [shapely.Point(x, y).buffer((east - west) / 4), shapely.box(x, y, east + 0.05, north)]
    return probav.aoi(gpd.GeoDataFrame({"name": ["disc", "corner"]}, geometry=shapes, crs=4326))


@pytest.fixture(scope="module")
def explained(product, area):
    return product.explain_mask(area, "2016-01/2016-04", MASK)


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def colours(figure):
    return {
        text.get_text(): to_hex(patch.get_facecolor())
        for axes in figure.axes
        if (legend := axes.get_legend())
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }


def test_the_bars_of_a_date_are_its_shares_and_add_up_to_all_pixels(explained):
    figure = reasons_figure(explained)
    legend, disc, corner = figure.axes
    names = [text.get_text() for text in legend.get_legend().get_texts()]
    for zone, axes in enumerate((disc, corner)):
        bars = {name: container for name, container in zip(names, axes.containers, strict=True)}
        heights = {name: [bar.get_height() for bar in container] for name, container in bars.items()}
        np.testing.assert_allclose(np.sum(list(heights.values()), axis=0), 100)
        own = explained.isel(zone=zone)
        np.testing.assert_allclose(heights["valid"], own["valid"] / own["count"] * 100)
        first = own["first"].sel(reason="not clear: cloud") / own["count"] * 100
        np.testing.assert_allclose(heights["not clear: cloud"], first)
    assert names[0] == "valid"
    assert names[-1] == "outside of the archive"  # the corner goes on beyond it
    for words in ("disc", "corner", MASK, explained.attrs["snapshot"], "in the order of the mask"):
        assert words in texts(figure)
    assert figure.alt.startswith(
        "Chart: why pixels are left out, 2016-01-01 to 2016-04-21, 2 zone(s): valid "
    )


def test_the_map_shows_each_pixels_first_reason(product, area):
    reasons = map_reasons(product, area, "2016-01-11", MASK)
    figure = reasons_map_figure(reasons, area)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), reasons.to_numpy())
    assert "2016-01-11: pixels by clear" in texts(figure)
    assert reasons.attrs["snapshot"] in texts(figure)
    assert figure.png().startswith(b"\x89PNG")
    shares = [float(name.rpartition("(")[2].rstrip("%)")) for name in colours(figure)]
    assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares))


def test_reasons_have_the_same_colours_in_both_and_no_two_share_one(explained, product, area):
    chart = colours(reasons_figure(explained))
    drawn = colours(reasons_map_figure(map_reasons(product, area, "2016-01-11", MASK)))
    assert len(set(chart.values())) == len(chart)
    for name, colour in drawn.items():
        assert chart[name.replace("\n", " ").rpartition(" (")[0]] == colour


def test_many_zones_reasons_and_words_stay_legible(product, area):
    mask = "sm in (248, 232) & " + " & ".join(f"~{name}" for name in ("cloud", "shadow", "snow", "undefined"))
    many = gpd.GeoSeries([area.frame.geometry.iloc[0]] * 9, crs=4326)
    figure = reasons_figure(
        product.explain_mask(many, "2016-01-01", f"{mask} & good & all_bands_good & land")
    )
    assert "first 6 of 9 zones" in texts(figure)
    assert figure.png().startswith(b"\x89PNG")
    assert len(colours(figure)) <= 12


def test_equal_explanations_are_equal_files(explained):
    assert reasons_figure(explained).png() == reasons_figure(explained).png()
