"""Maps as still pictures: country outlines, a product's image, areas of interest."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from probav_extensions import outlines
from probav_extensions.colours import AOI, BORDER, LAND, SEA
from probav_extensions.figure import NotebookFigure, styled

if TYPE_CHECKING:
    from probav import Aoi
    from probav_extensions.overlay import Overlay

_WIDTH, _HEIGHT = 6.4, 4.8  # inches at most


def map_figure(
    area: outlines.Bounds, aoi: Aoi | None = None, overlay: Overlay | None = None
) -> NotebookFigure:
    """Draw an area of the world with outlines, an image and an area of interest where there are such.

    Parameters
    ----------
    area : west, south, east, north in degrees
    aoi : Aoi, optional
    overlay : Overlay, optional
    """
    words = [repr(aoi).strip("<>")] if aoi is not None else []
    words += [f"{overlay.variable} of {overlay.date}"] if overlay is not None else []
    with styled():
        figure = NotebookFigure("Map: " + "; ".join(words or ["country outlines"]), figsize=size(area))
        axes = figure.add_subplot()
        background(axes, area)
        if overlay is not None:
            (south, west), (north, east) = overlay.corners
            pixels = np.asarray(Image.open(io.BytesIO(overlay.png)))
            axes.imshow(
                _to_plate_carree(pixels, south, north), extent=(west, east, south, north),
                interpolation="nearest", aspect="auto", zorder=1.5,
            )  # fmt: skip
        if aoi is not None:
            aoi.frame.geometry.plot(ax=axes, facecolor="#0b3fd61a", edgecolor=AOI, linewidth=1.4, zorder=4)
        frame(axes, area)
    return figure


def background(axes: Any, area: outlines.Bounds) -> None:
    """Draw land, and borders above whatever comes between (zorder 1 and 3)."""
    axes.set_facecolor(SEA)
    land, borders = outlines.land(area), outlines.borders(area)
    if len(land):
        land.plot(ax=axes, color=LAND, zorder=1)
    if len(borders):
        borders.plot(ax=axes, color=BORDER, linewidth=0.6, zorder=3)


def frame(axes: Any, area: outlines.Bounds) -> None:
    """Limit axes to an area, a degree of longitude as wide as it is at the area's middle."""
    west, south, east, north = area
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect(1 / max(math.cos(math.radians((south + north) / 2)), 0.1))
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    axes.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}°" + ("W" if x < 0 else "E" if x > 0 else ""))
    axes.yaxis.set_major_formatter(lambda y, _: f"{abs(y):g}°" + ("S" if y < 0 else "N" if y > 0 else ""))
    axes.tick_params(labelsize=7)
    axes.locator_params(axis="x", nbins=max(2, int(size(area)[0] / 0.7)))  # labels beside each other
    axes.set(xlabel="", ylabel="")


def size(area: outlines.Bounds) -> tuple[float, float]:
    """Return width and height in inches of a map of an area."""
    west, south, east, north = area
    ratio = (north - south) / ((east - west) * max(math.cos(math.radians((south + north) / 2)), 0.1))
    width = min(_WIDTH, _HEIGHT / ratio)
    return max(width, 3.0), max(width * ratio, 2.0)


def _to_plate_carree(pixels: Any, south: float, north: float) -> Any:
    """Undo the Mercator spacing of an overlay's rows: equal steps of latitude again."""
    rows = len(pixels)
    latitudes = north - (np.arange(rows) + 0.5) / rows * (north - south)
    bottom, top = np.arcsinh(np.tan(np.radians([south, north])))
    place = (top - np.arcsinh(np.tan(np.radians(latitudes)))) / (top - bottom) * rows
    return pixels[np.clip(place.astype(int), 0, rows - 1)]
