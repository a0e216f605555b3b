"""A product's image lies on the Mercator map exactly where its pixels are."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from affine import Affine
from PIL import Image

import probav
from probav_extensions.overlay import latest_image, to_mercator


def numbered(height, width):
    """An image whose colours say row and column."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., 0] = np.arange(height)[:, None] % 251
    pixels[..., 1] = np.arange(width) % 251
    pixels[..., 3] = 255
    return pixels


def centres(corners, height, width):
    """Latitudes and longitudes of a Mercator picture's pixel centres, by the formula of the projection."""
    (south, west), (north, east) = corners

    def mercator(latitude):
        return math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))

    top, bottom = mercator(north), mercator(south)
    y = top - (np.arange(height) + 0.5) / height * (top - bottom)
    return np.degrees(2 * np.arctan(np.exp(y)) - np.pi / 2), west + (np.arange(width) + 0.5) / width * (
        east - west
    )


@pytest.mark.parametrize(
    ("height", "width", "per_degree", "west", "north"),
    [(50, 71, 1008, 106.5, 12.3), (240, 120, 20, -9.0, 62.0), (100, 300, 336, 20.0, -30.0)],
)
def test_every_pixel_of_the_warped_image_shows_the_pixel_that_lies_there(
    height, width, per_degree, west, north
):
    transform = Affine(1 / per_degree, 0, west, 0, -1 / per_degree, north)
    warped, corners = to_mercator(numbered(height, width), transform, "EPSG:4326")
    latitudes, longitudes = centres(corners, *warped.shape[:2])
    rows = np.floor((north - latitudes) * per_degree).astype(int)
    columns = np.floor((longitudes - west) * per_degree).astype(int)
    np.testing.assert_array_equal(warped[..., 0], np.broadcast_to((rows % 251)[:, None], warped.shape[:2]))
    np.testing.assert_array_equal(warped[..., 1], np.broadcast_to(columns % 251, warped.shape[:2]))
    assert (warped[..., 3] == 255).all()
    assert max(warped.shape) <= 1000


def test_large_images_are_thinned_to_what_a_screen_shows():
    warped, _ = to_mercator(
        np.full((2500, 900, 4), 255, np.uint8), Affine(0.01, 0, 0, 0, -0.01, 25), "EPSG:4326"
    )
    assert max(warped.shape) == 1000


def test_a_projected_image_is_warped_with_transparent_edges():
    pixels = np.full((100, 100, 4), 255, np.uint8)
    warped, ((south, west), (north, east)) = to_mercator(
        pixels, Affine(1000, 0, 4_000_000, 0, -1000, 3_100_000), "EPSG:3035"
    )
    assert (west, south, east, north) == pytest.approx((5.4, 50.1, 7.0, 51.1), abs=0.3)
    assert 0 < (warped[..., 3] == 0).mean() < 0.2


def test_the_latest_image_has_the_colours_of_the_product(demo_archive):
    product = probav.open_archive(demo_archive)["CGLS_NDVI300_V1"]
    overlay = latest_image(product, product.extent.bounds)
    assert overlay.variable == "NDVI"
    assert overlay.url.startswith("data:image/png;base64,")
    (south, west), (north, east) = overlay.corners
    assert (west, south, east, north) == pytest.approx(product.extent.bounds, abs=1e-6)
    pixels = np.asarray(Image.open(io.BytesIO(overlay.png)))
    values = product.load(product.extent.bounds, time=overlay.date)["NDVI"].isel(time=0).to_numpy()
    middle = values[values.shape[0] // 2, values.shape[1] // 2]
    shown = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
    assert (shown[3] == 255) == np.isfinite(middle)
    if np.isfinite(middle):  # greener means green above red, browner the other way round
        assert (int(shown[1]) > int(shown[0])) == (middle > 0.25)


def test_no_image_where_the_archive_holds_nothing(demo_archive):
    product = probav.open_archive(demo_archive)["CGLS_NDVI300_V1"]
    assert latest_image(product, (-60.0, -10.0, -50.0, 0.0)) is None
