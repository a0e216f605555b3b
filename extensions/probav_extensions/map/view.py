"""The map on which areas of interest are drawn; what is drawn and the Aoi are always the same thing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import ipyleaflet
import ipywidgets
import numpy as np
import pandas as pd
import shapely

import probav
from probav.errors import ProbavError
from probav_extensions import outlines
from probav_extensions.colours import AOI, BORDER, LAND, SEA
from probav_extensions.overlay import Overlay, latest_image
from probav_extensions.picture import map_figure

if TYPE_CHECKING:
    from probav import Aoi, Product

_SHAPE = {"color": AOI, "weight": 2, "fillOpacity": 0.1}
_MAX_VERTICES = 500  # with more, a handle a vertex is no way to edit
_BROWSER_DIGITS = 1e-6  # degrees: the browser rounds what passes through it
_SCREEN = (800, 480)  # pixels, for the first zoom
_WORLD = (-180.0, -60.0, 180.0, 75.0)
_BELOW = "background"  # the pane below images, which lie below all lines of the ordinary one
_HINT = "Draw a polygon or a rectangle with the buttons at the left."


class AoiMap(ipyleaflet.Map):  # type: ignore[misc]
    """A map to draw, edit and delete areas of interest on; nothing is requested from outside.

    Parameters
    ----------
    aoi : Aoi, optional
        Shown at first.
    product : Product, optional
        Its latest image lies under the drawing, and its extent is shown where there is no `aoi`.
    """

    def __init__(self, aoi: Aoi | None = None, product: Product | None = None) -> None:
        held = tuple(product.footprint().total_bounds) if product is not None else None
        view = aoi.bounds if aoi is not None else held
        area = outlines.neighbourhood(view, margin=1.5) if view is not None else None
        self.overlay: Overlay | None = None
        if product is not None and area is not None:
            self.overlay = latest_image(product, area)
        self._view = view
        self._aoi: Aoi | None = None
        self._callbacks: list[Callable[[Aoi | None], None]] = []
        self._updating = False
        self._status = ipywidgets.HTML()
        self._fixed = ipyleaflet.GeoJSON(data=_collection([]), style={**_SHAPE, "interactive": False})
        self._draw = ipyleaflet.DrawControl(
            polygon={"shapeOptions": _SHAPE, "allowIntersection": False, "showArea": False},
            rectangle={"shapeOptions": _SHAPE, "showArea": False},
            polyline={}, circle={}, circlemarker={}, marker={},
        )  # fmt: skip
        centre, zoom = _camera(view or _WORLD)
        super().__init__(
            center=centre,
            zoom=zoom,
            layers=[*_layers(area, self.overlay), self._fixed],
            controls=[
                ipyleaflet.ZoomControl(position="topleft"),
                self._draw,
                ipyleaflet.ScaleControl(position="bottomleft", imperial=False),
                ipyleaflet.AttributionControl(position="bottomright", prefix="Natural Earth"),
                ipyleaflet.WidgetControl(widget=self._status, position="topright"),
            ],
            panes={_BELOW: {"zIndex": 350}},
            zoom_control=False,
            attribution_control=False,
            scroll_wheel_zoom=True,
            layout=ipywidgets.Layout(height=f"{_SCREEN[1]}px"),
        )
        self._draw.observe(self._drawn, names="data")
        self.aoi = aoi

    @property
    def aoi(self) -> Aoi | None:
        """What is on the map; None when nothing is. Setting it redraws the map."""
        return self._aoi

    @aoi.setter
    def aoi(self, aoi: Aoi | None) -> None:
        changed = aoi is not self._aoi
        self._aoi = aoi
        self._show()
        if changed:
            for callback in list(self._callbacks):
                callback(aoi)

    def on_change(self, callback: Callable[[Aoi | None], None]) -> None:
        """Call `callback(aoi)` after every change, by mouse or by program; None when all is deleted."""
        self._callbacks.append(callback)

    def _show(self, problem: str = "") -> None:
        """Put the Aoi on the map: what can be edited by mouse into the draw control, the rest as it is."""
        features = [] if self._aoi is None else self._aoi.geojson["features"]
        fixed = [not _editable(shape) for shape in ([] if self._aoi is None else self._aoi.frame.geometry)]
        drawn = [_for_browser(f) for f, is_fixed in zip(features, fixed, strict=True) if not is_fixed]
        self._updating = True
        try:
            self._draw.data = drawn
            shapes = [f for f, is_fixed in zip(features, fixed, strict=True) if is_fixed]
            self._fixed.data = _collection(shapes)
        finally:
            self._updating = False
        if problem:
            text = f"<b>Not taken:</b> {problem}"
        elif self._aoi is None:
            text = _HINT
        else:
            count = f"{len(features)} feature" + ("s" if len(features) > 1 else "")
            text = f"{count}, {self._aoi.area_km2:,.0f} km²"
        self._status.value = f'<div style="max-width: 28em; padding: 0 6px">{text}</div>'

    def _drawn(self, change: dict[str, Any]) -> None:
        if self._updating:
            return
        try:
            aoi = self._merged(change["new"])
        except ProbavError as error:
            self._show(problem=str(error))  # back to the last valid state, which the variable still holds
            return
        self.aoi = aoi

    def _merged(self, features: list[dict[str, Any]]) -> Aoi | None:
        """Return what the browser shows as an Aoi: ids, names, order and untouched coordinates are kept."""
        known = None if self._aoi is None else self._aoi.frame
        taken = set() if known is None else set(known.index)
        shapes: dict[str, shapely.Geometry] = {}
        for feature in features:
            shape = shapely.geometry.shape(feature["geometry"])
            zone = str((feature.get("properties") or {}).get("id") or "")
            if zone not in taken or zone in shapes:
                zone = _next_id(taken | set(shapes))
                # one turn of the world too far, where the map was dragged across the antimeridian
                turns = math.floor((shape.centroid.x + 180) / 360)
                shape = shapely.transform(shape, lambda xy, turns=turns: xy - [360 * turns, 0])
            elif known is not None and _same(shape, known.geometry[zone]):
                shape = known.geometry[zone]
            shapes[zone] = shape
        rows = []
        if known is not None:
            fixed = [zone for zone, shape in known.geometry.items() if not _editable(shape)]
            kept = known.loc[[zone for zone in known.index if zone in shapes or zone in fixed]]
            rows.append(
                kept.set_geometry([shapes.get(zone, kept.geometry[zone]) for zone in kept.index], crs=4326)
            )
        new = [zone for zone in shapes if zone not in taken]
        if new:
            names = {"name": [f"area {zone}" for zone in new]}
            rows.append(
                gpd.GeoDataFrame(names, geometry=[shapes[z] for z in new], index=new, crs="EPSG:4326")
            )
        rows = [part for part in rows if len(part)]
        # what the mouse drew is shown as it is: a crossing is told, not mended behind the user's back

        drawn = gpd.GeoDataFrame(pd.concat(rows), crs="EPSG:4326") if rows else None
        return None if drawn is None else probav.aoi(drawn, repair=False)

    def __repr__(self) -> str:
        return f"<AoiMap {self._aoi!r}>" if self._aoi is not None else "<AoiMap, nothing drawn>"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Show the live map, and beside it a picture for when the notebook is read without a kernel."""
        bundle = super()._repr_mimebundle_(**options) or {}
        view = self._view if self._aoi is None else self._aoi.bounds
        area = outlines.neighbourhood(view, margin=0.3) if view is not None else _WORLD
        data, metadata = map_figure(area, self._aoi, self.overlay)._repr_mimebundle_()
        return {**bundle, **data, "text/plain": repr(self)}, metadata


def _layers(area: outlines.Bounds | None, overlay: Overlay | None) -> list[ipyleaflet.Layer]:
    """Sea and land in a pane below the image, borders above it."""
    sea = ipyleaflet.Rectangle(
        bounds=((-89, -540), (89, 540)), stroke=False, fill_color=SEA, fill_opacity=1.0,
        pane=_BELOW,
    )  # fmt: skip
    land = ipyleaflet.GeoJSON(
        data=outlines.world(area, lines=False), name="land",
        # the layer's own `pane` doesn't reach its features, a style does
        style={"stroke": False, "fillColor": LAND, "fillOpacity": 1, "interactive": False, "pane": _BELOW},
    )  # fmt: skip
    borders = ipyleaflet.GeoJSON(
        data=outlines.world(area, lines=True), name="borders",
        style={"color": BORDER, "weight": 0.8, "fill": False, "interactive": False},
    )  # fmt: skip
    if overlay is None:
        return [sea, land, borders]
    name = f"{overlay.variable} {overlay.date}"
    return [sea, land, ipyleaflet.ImageOverlay(url=overlay.url, bounds=overlay.corners, name=name), borders]


def _camera(bounds: outlines.Bounds) -> tuple[tuple[float, float], int]:
    """Return centre (latitude, longitude) and the highest zoom that shows bounds wholly."""
    west, south, east, north = bounds
    south, north = max(south, -85.0), min(north, 85.0)
    bottom, top = (math.asinh(math.tan(math.radians(edge))) for edge in (south, north))
    across = _SCREEN[0] / 256 * 360 / max(east - west, 1e-3)
    down = _SCREEN[1] / 256 * 2 * math.pi / max(top - bottom, 1e-5)
    zoom = math.floor(math.log2(min(across, down) * 0.9))
    middle = math.degrees(math.atan(math.sinh((bottom + top) / 2)))
    return (middle, (west + east) / 2), int(np.clip(zoom, 1, 15))


def _editable(shape: shapely.Geometry) -> bool:
    return bool(shape.geom_type == "Polygon" and shapely.get_num_coordinates(shape) <= _MAX_VERTICES)


def _for_browser(feature: dict[str, Any]) -> dict[str, Any]:
    properties = {"id": feature["id"], "name": feature["properties"].get("name"), "style": _SHAPE}
    return {"type": "Feature", "id": feature["id"], "properties": properties, "geometry": feature["geometry"]}


def _same(shape: shapely.Geometry, other: shapely.Geometry) -> bool:
    """Whether two polygons differ by no more than the browser's rounding."""
    mine, theirs = shapely.get_coordinates(shape), shapely.get_coordinates(other)
    return mine.shape == theirs.shape and bool(np.abs(mine - theirs).max() <= _BROWSER_DIGITS)


def _next_id(taken: set[str]) -> str:
    return str(max((int(zone) for zone in taken if zone.isdecimal()), default=0) + 1)


def _collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": features}
