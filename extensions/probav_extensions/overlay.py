"""A product's latest image, placed on a Web Mercator map exactly where its pixels are."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.warp import Resampling, reproject, transform_bounds

from probav_extensions.colours import rgba

if TYPE_CHECKING:
    from probav import Product

Bounds = tuple[float, float, float, float]
MAX_SIDE = 1000  # pixels of the picture
MAX_PIXELS = 25_000_000  # read for it; beyond that a picture isn't worth the wait
_DATES_TRIED = 6
_ENOUGH = 0.3
_MERCATOR_LIMIT = 85.0


@dataclass(frozen=True)
class Overlay:
    """A picture and the corners it belongs to: south-west and north-east (latitude, longitude)."""

    png: bytes
    corners: tuple[tuple[float, float], tuple[float, float]]
    date: str
    variable: str

    @property
    def url(self) -> str:
        """The picture as a data URL, so that no request is made for it."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


def latest_image(product: Product, area: Bounds) -> Overlay | None:
    """Return the newest picture of a product's default variable that shows something.

    Of the newest few dates the first with values in a third of the pixels is taken, else the fullest.

    Parameters
    ----------
    product : Product
    area : west, south, east, north in degrees; clipped to what the archive holds

    Returns
    -------
    Overlay, or None where the archive holds nothing there or too many pixels to read for a picture.
    """
    if not product.extent.dates:
        return None
    name = product.definition.default
    if name not in product.variables:
        name = next(iter(product.variables))
    fullest = None
    for date in product.times[::-1][:_DATES_TRIED]:
        loaded = _pixels(product, area, name, str(date))
        if loaded is None:
            return None
        share = float(np.isfinite(loaded[0]).mean())
        if fullest is None or share > fullest[0]:
            fullest = (share, *loaded, str(date))
        if share > _ENOUGH:
            break
    assert fullest is not None
    return _overlay(product, name, *fullest[1:])


def image(
    product: Product, area: Bounds, variable: str, date: str, mask: str | None = None
) -> Overlay | None:
    """Return the picture of a variable on a date.

    Parameters
    ----------
    product : Product
    area : west, south, east, north in degrees; clipped to what the archive holds
    variable : str
    date : str
    mask : str, optional
        What it leaves out is transparent.

    Returns
    -------
    Overlay, or None where the archive holds nothing there or too many pixels to read for a picture.
    """
    loaded = _pixels(product, area, variable, date, mask)
    return None if loaded is None else _overlay(product, variable, *loaded, date)


def _pixels(
    product: Product, area: Bounds, variable: str, date: str, mask: str | None = None
) -> tuple[NDArray[np.float32], Affine] | None:
    extent = product.extent
    held = transform_bounds(extent.crs, "EPSG:4326", *extent.bounds)
    west, south = max(area[0], held[0]), max(area[1], held[1], -_MERCATOR_LIMIT)
    east, north = min(area[2], held[2]), min(area[3], held[3], _MERCATOR_LIMIT)
    if west >= east or south >= north:
        return None
    loaded = product.load((west, south, east, north), time=date, mask=mask, variable=[variable])
    pixels = loaded[variable].isel(time=0)
    if pixels.size == 0 or pixels.size > MAX_PIXELS:
        return None
    transform = _transform(pixels.x.values, pixels.y.values, extent.resolution)
    return np.asarray(pixels.values, dtype="float32"), transform


def _overlay(
    product: Product, variable: str, values: NDArray[np.float32], transform: Affine, date: str
) -> Overlay:
    coloured = rgba(values, product.definition.variable(variable))
    pixels, corners = to_mercator(coloured, transform, product.extent.crs)
    return Overlay(_png(pixels), corners, date, variable)


def to_mercator(
    pixels: NDArray[np.uint8], transform: Affine, crs: str
) -> tuple[NDArray[np.uint8], tuple[tuple[float, float], tuple[float, float]]]:
    """Warp a coloured image to Web Mercator, nearest neighbour.

    Parameters
    ----------
    pixels : (y, x, 4) uint8
    transform : Affine
        From (column, row) to the outer corner of a pixel in `crs`.
    crs : str

    Returns
    -------
    (y, x, 4) uint8 of at most about `MAX_SIDE` pixels a side, and its corners: south-west and north-east
    (latitude, longitude). What lies outside of the source is transparent.
    """
    height, width = pixels.shape[:2]
    source = rasterio.transform.array_bounds(height, width, transform)
    west, south, east, north = transform_bounds(crs, "EPSG:3857", *source)
    # small images grow by a whole factor, so that their pixels keep sharp edges when the browser scales them
    factor = max(1, MAX_SIDE // max(height, width))
    across = min(width * factor, MAX_SIDE)
    down = max(1, math.ceil(across * (north - south) / (east - west)))
    if down > MAX_SIDE:
        across, down = max(1, across * MAX_SIDE // down), MAX_SIDE
    target = rasterio.transform.from_bounds(west, south, east, north, across, down)
    warped = np.zeros((4, down, across), dtype="uint8")
    reproject(
        np.moveaxis(pixels, -1, 0).copy(), warped, src_transform=transform, src_crs=crs,
        dst_transform=target, dst_crs="EPSG:3857", resampling=Resampling.nearest, tolerance=0,
    )  # fmt: skip
    left, bottom, right, top = transform_bounds("EPSG:3857", "EPSG:4326", west, south, east, north)
    return np.moveaxis(warped, 0, -1), ((bottom, left), (top, right))


def _transform(x: NDArray[np.float64], y: NDArray[np.float64], resolution: tuple[float, float]) -> Affine:
    """Return the transform of pixel centres, north row first."""
    dx, dy = resolution
    return Affine(dx, 0, float(x[0]) - dx / 2, 0, -dy, float(y[0]) + dy / 2)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
