"""What lies under everything on the map: sea, land and borders, none of it from outside."""

from __future__ import annotations

import math

import ipyleaflet
import numpy as np
import traitlets

from probav_extensions import outlines
from probav_extensions.colours import BORDER, LAND, SEA

SCREEN = (620, 480)  # pixels, for the first zoom
WORLD = (-180.0, -60.0, 180.0, 75.0)
BELOW, IMAGES, OTHER_IMAGES = "background", "images", "other-images"
# images lie between the background and all lines, which are in Leaflet's own pane of 400
PANES = {BELOW: {"zIndex": 350}, IMAGES: {"zIndex": 380}, OTHER_IMAGES: {"zIndex": 381}}
_QUIET = {"interactive": False, "snapIgnore": True}


class Map(ipyleaflet.Map):  # type: ignore[misc]
    """Leaflet's map without the fading of tiles.

    ipyleaflet turns it off while a layer's address changes and on again after 5 s, which fails, loudly, where
    the layer has been taken away by then.
    """

    fade_animation = traitlets.Bool(False).tag(sync=True, o=True)


def below(area: outlines.Bounds | None) -> list[ipyleaflet.Layer]:
    """Return sea and land, in detail within an area."""
    sea = ipyleaflet.Rectangle(
        bounds=((-89, -540), (89, 540)), stroke=False, fill_color=SEA, fill_opacity=1.0, pane=BELOW,
    )  # fmt: skip
    # the layer's own `pane` doesn't reach its features, a style does
    style = {"stroke": False, "fillColor": LAND, "fillOpacity": 1, "pane": BELOW, **_QUIET}
    land = ipyleaflet.GeoJSON(data=outlines.world(area, style, lines=False), name="land")
    return [sea, land]


def borders(area: outlines.Bounds | None) -> ipyleaflet.GeoJSON:
    """Return coasts and borders, in detail within an area."""
    style = {"color": BORDER, "weight": 0.8, "fill": False, **_QUIET}
    return ipyleaflet.GeoJSON(data=outlines.world(area, style, lines=True), name="borders")


def camera(bounds: outlines.Bounds) -> tuple[tuple[float, float], int]:
    """Return centre (latitude, longitude) and the highest zoom that shows bounds wholly."""
    west, south, east, north = bounds
    south, north = max(south, -85.0), min(north, 85.0)
    bottom, top = (math.asinh(math.tan(math.radians(edge))) for edge in (south, north))
    across = SCREEN[0] / 256 * 360 / max(east - west, 1e-3)
    down = SCREEN[1] / 256 * 2 * math.pi / max(top - bottom, 1e-5)
    zoom = math.floor(math.log2(min(across, down) * 0.9))
    middle = math.degrees(math.atan(math.sinh((bottom + top) / 2)))
    return (middle, (west + east) / 2), int(np.clip(zoom, 1, 15))
