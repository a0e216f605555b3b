"""Maps of results and histograms show the numbers of the dataset, and say what is missing."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

import probav
from probav.errors import ProbavError
from probav_extensions import histogram_figure, zones_figure

PRODUCT = "PROBAV_L3_S10_TOC_333M"


@pytest.fixture(scope="module")
def series(demo_archive):
    product = probav.open_archive(demo_archive)[PRODUCT]
    west, south, east, north = product.extent.bounds
    middle = (west + east) / 2
    shapes = {"west": (west, middle), "east": (middle, east)}
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [
            [[left, south], [right, south], [right, north], [left, north], [left, south]]]}}
        for name, (left, right) in shapes.items()
    ]  # fmt: skip
    area = probav.aoi({"type": "FeatureCollection", "features": features})
    return product.statistics(area, time="2016-05", mask="clear", reducers=("mean", "histogram"))


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def drawn(axes):
    """Return the numbers that colour the zones."""
    found = [one.get_array() for one in axes.collections if one.get_array() is not None]
    return [] if not found else found[-1].tolist()


def test_zones_have_the_colours_of_their_numbers(series):
    figure = zones_figure(series)
    for number, axes in enumerate(figure.axes[:3]):
        assert drawn(axes) == series["mean"].isel(time=number).to_numpy().tolist()
    words = texts(figure)
    for part in ("2016-05-01", "2016-05-21", "mean NDVI", PRODUCT, "mask: clear", "snapshot: "):
        assert part in words
    assert "2 zones, 3 of 3 dates" in figure.alt
    assert figure.png().startswith(b"\x89PNG")


def test_a_zone_without_a_valid_pixel_is_hatched_and_said(series):
    some = series.copy(deep=True)
    some["mean"][{"zone": 0, "time": 0}] = np.nan
    figure = zones_figure(some, time="2016-05-01")
    assert drawn(figure.axes[0]) == [float(series["mean"][1, 0])]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["no valid pixel"]


@pytest.mark.parametrize(("arguments", "message"), [
    ({"reducer": "p99"}, "no 'p99'"), ({"time": "2031"}, "no date in 2031"),
])  # fmt: skip
def test_what_is_not_there_is_told(series, arguments, message):
    with pytest.raises(ProbavError, match=message):
        zones_figure(series, **arguments)


def test_histograms_are_the_engines(series):
    figure = histogram_figure(series, zone=str(series["zone"].to_numpy()[1]))
    for number, axes in enumerate(figure.axes[:3]):
        wanted = series["histogram"].isel(zone=1, time=number)
        bars = {round(bar.get_x() + bar.get_width() / 2, 6): bar.get_height() for bar in axes.patches}
        known = {round(float(bin_), 6): float(n) for bin_, n in zip(wanted["bin"], wanted, strict=True) if n}
        assert {place: height for place, height in bars.items() if height} == known
    assert "pixels" in texts(figure)


def test_a_series_without_histogram_is_told(series):
    with pytest.raises(ProbavError, match="ask for the reducer"):
        histogram_figure(series.drop_vars("histogram"))
    with pytest.raises(ProbavError, match="no zone 'x'"):
        histogram_figure(series, zone="x")
