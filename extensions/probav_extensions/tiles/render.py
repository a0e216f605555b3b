"""A map tile: the pixels beneath it, moved to Web Mercator and coloured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from affine import Affine
from morecantile import Tile
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject, transform_bounds
from rio_tiler.constants import WEB_MERCATOR_TMS
from rio_tiler.models import ImageData

from probav.archive import Archive, opened
from probav.errors import TimeError
from probav.masked import decode
from probav.overviews import Overviews
from probav_extensions.tiles.style import Style, variable_of

SIDE = 256  # pixels of a tile
MAX_ZOOM = 22
BUDGET = 4 << 30  # bytes of pixels, decoded, that are read for a tile at most
_MERCATOR = "EPSG:3857"
_POLE = 85.06  # degrees
_PIXELS = 2048  # a side that are moved for a tile at most


@dataclass(frozen=True)
class Layer:
    """What tiles are made of; it never changes.

    Parameters
    ----------
    url, snapshot : str
        The archive.
    product, variable : str
    date : str
        A date of the product.
    mask : str, optional
    ramp : str, optional
    low, high : float, optional
    """

    url: str
    snapshot: str
    product: str
    variable: str
    date: str
    mask: str | None = None
    ramp: str | None = None
    low: float | None = None
    high: float | None = None

    @property
    def archive(self) -> Archive:
        """The archive at its snapshot."""
        return opened(self.url, self.snapshot)

    @property
    def style(self) -> Style:
        """The colours."""
        variable = variable_of(self.archive[self.product], self.variable)
        return Style(variable, self.ramp, self.low, self.high)


def tile(layer: Layer, z: int, x: int, y: int) -> bytes | None:
    """Return a tile as a PNG; None where all of it is transparent.

    Pixels are shown as they are, by the nearest one, where a pixel of the tile is no larger than one of the
    product's. Else an overview is, as fine as the tile, and of that the mean; of classes the nearest pixel.

    Raises
    ------
    ProbavError
        If the archive holds no such thing, the mask or the colours can't be understood, a chunk is damaged,
        or too much would have to be read.
    """
    style = layer.style
    values = image(layer, z, x, y)
    if values is None or not np.isfinite(values).any():
        return None
    colours = style.rgba(values)
    data = np.ma.masked_array(np.moveaxis(colours[..., :3], -1, 0))
    made = ImageData(data, alpha_mask=colours[..., 3])
    return bytes(made.render(img_format="PNG", ZLEVEL=3))


def image(layer: Layer, z: int, x: int, y: int) -> NDArray[np.float32] | None:
    """Return the physical values of a tile, NaN where there is none; None where nothing is held."""
    sources = _overviews(layer.url, layer.snapshot, layer.product, layer.variable, layer.mask)
    product, grid = sources.product, sources.product.grid
    found = np.flatnonzero(product.times == np.datetime64(layer.date))
    if not found.size:
        raise TimeError(
            f"{product.id} has no date {layer.date}: it holds {len(product.times)} dates from "
            f"{product.times[0]} to {product.times[-1]}."
        )
    west, south, east, north = WEB_MERCATOR_TMS.xy_bounds(Tile(x, y, z))
    held = _held(layer.url, layer.snapshot, layer.product)
    inside = (max(west, held[0]), max(south, held[1]), min(east, held[2]), min(north, held[3]))
    if not (inside[0] < inside[2] and inside[1] < inside[3]):
        return None
    edges = transform_bounds(_MERCATOR, grid.crs, *inside)
    columns, rows = grid.pixels(np.array([edges[0], edges[2]]), np.array([edges[3], edges[1]]))
    # pixels of the product's that lie under one of the tile's
    across = (columns[1] - columns[0]) * (east - west) / (inside[2] - inside[0]) / SIDE
    down = (rows[1] - rows[0]) * (north - south) / (inside[3] - inside[1]) / SIDE
    level = max(0, math.floor(math.log2(max(math.sqrt(across * down), 1e-9))))
    while max(across, down) * SIDE > _PIXELS << level:
        level += 1
    size = 1 << level
    window = [
        slice(max(math.floor(low / size) - 1, 0), min(math.ceil(high / size) + 1, -(-length // size)))
        for (low, high), length in ((rows, grid.height), (columns, grid.width))
    ]
    if any(part.start >= part.stop for part in window):
        return None
    dn, keep = sources.read(int(found[0]), level, window[0], window[1])
    if not keep.any():
        return None
    is_continuous = sources.variable.kind == "continuous"
    if is_continuous:
        values = decode(sources.variable, dn, keep)
    else:
        values = np.where(keep, dn, np.nan).astype(np.float32)
    is_smaller = is_continuous and max(across, down) > size
    moved = grid.transform @ Affine.scale(size)
    out = np.full((SIDE, SIDE), np.nan, np.float32)
    reproject(
        values, out,
        src_transform=moved @ Affine.translation(window[1].start, window[0].start),
        src_crs=grid.crs, src_nodata=np.nan,
        dst_transform=Affine((east - west) / SIDE, 0, west, 0, (south - north) / SIDE, north),
        dst_crs=_MERCATOR, dst_nodata=np.nan,
        resampling=Resampling.average if is_smaller else Resampling.nearest, tolerance=0,
    )  # fmt: skip
    return out


@lru_cache(maxsize=64)
def _overviews(url: str, snapshot: str, product: str, variable: str, mask: str | None) -> Overviews:
    archive = opened(url, snapshot)
    own = archive[product]
    return Overviews(archive, own, variable_of(own, variable).name, mask, budget=BUDGET)


@lru_cache(maxsize=64)
def _held(url: str, snapshot: str, product: str) -> tuple[float, float, float, float]:
    """Return the bounds of what is held of a product, in metres of Web Mercator."""
    own = opened(url, snapshot)[product]
    west, south, east, north = own.extent.bounds
    if own.grid.is_geographic:  # the poles are infinitely far away
        south, north = max(south, -_POLE), min(north, _POLE)
        west, east = max(west, -180.0), min(east, 180.0)
    if west >= east or south >= north:
        return (0.0, 0.0, 0.0, 0.0)
    found: tuple[float, float, float, float] = transform_bounds(
        own.grid.crs, _MERCATOR, west, south, east, north
    )
    return found
