"""Areas on the map: the mouse edits what can be edited, the rest is drawn as it is; both are the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ipyleaflet
import numpy as np
import shapely

from probav.errors import ProbavError
from probav_extensions.colours import AOI
from probav_extensions.map.display import FEW, Bounds, feature, light, widened
from probav_extensions.map.model import Areas, colours

_MAX_VERTICES = 500  # with more, a handle a vertex is no way to edit
_MAX_EDITABLE = 200  # with more, the browser has more handles than it can carry
_BROWSER_DIGITS = 1e-6  # degrees: the browser rounds what passes through it


class Drawing:
    """Layers of a map that show areas, and take what the mouse does to them.

    Parameters
    ----------
    areas : Areas
    tell : callable
        Called with a sentence when something can't be taken, with nothing when all is well.
    """

    def __init__(self, areas: Areas, tell: Callable[[str], None]) -> None:
        self.areas = areas
        self._tell = tell
        self._updating = False
        self._removed: set[str] = set()  # by the mouse, before their disappearance is heard of
        self._fresh: dict[bytes, str] = {}  # drawn shapes that the browser may not know by id yet
        self._touched: set[str] = set()
        self._zoom = 8.0
        self._view: Bounds | None = None
        self._drawn_for: tuple[float, Bounds] | None = None
        self.left_out = 0
        options = {"pathOptions": _style(AOI), "snappable": False}
        self.control = ipyleaflet.GeomanDrawControl(
            hide_controls=True, polygon={**options, "allowSelfIntersection": False}, rectangle=options,
            polyline={}, circle={}, circlemarker={}, marker={}, text={},
            edit=True, drag=True, remove=True, cut=False, rotate=False,
        )  # fmt: skip
        self.fixed = ipyleaflet.GeoJSON(data=_collection([]), name="areas")
        self.control.on_draw(self._happened)
        self.control.observe(self._arrived, names="data")
        areas.on_change(lambda _: self.show())
        self.show()

    def editable(self) -> list[str]:
        """Return the ids of what the mouse can edit: polygons of few vertices, and not too many of them."""
        if self.areas.aoi is None:
            return []
        shapes = self.areas.aoi.frame.geometry
        simple = (shapely.get_type_id(shapes.values) == 3) & (
            shapely.get_num_coordinates(shapes.values) <= _MAX_VERTICES
        )
        ids = [str(zone) for zone, is_simple in zip(shapes.index, simple, strict=True) if is_simple]
        return ids if len(ids) <= _MAX_EDITABLE else [zone for zone in ids if zone in self._touched]

    def take_up(self, zone: str) -> None:
        """Make one of many areas editable."""
        self._touched.add(zone)
        self.show()

    def show(self) -> None:
        """Bring the map up to the model."""
        editable = set(self.editable())
        features = []
        if self.areas.aoi is not None:
            frame = self.areas.aoi.frame
            chosen = frame[frame.index.isin(editable)]
            features = [
                _for_browser(str(zone), str(name), shape, colour or AOI)
                for zone, name, shape, colour in zip(
                    chosen.index, chosen["name"], chosen.geometry, colours(chosen), strict=True
                )
            ]
        if not _are_same(self.control.data, features):
            self._updating = True
            try:
                self.control.data = features
            finally:
                self._updating = False
        self._show_fixed(editable)

    def look(self, zoom: float, view: Bounds | None) -> None:
        """Draw what is only seen in detail for another zoom or another part of the world."""
        self._zoom, self._view = zoom, view
        if self._drawn_for is None or view is None:
            return
        drawn_zoom, (west, south, east, north) = self._drawn_for
        inside = view[0] >= west and view[1] >= south and view[2] <= east and view[3] <= north
        if zoom != drawn_zoom or not inside:
            self._show_fixed(set(self.editable()))

    def _show_fixed(self, editable: set[str]) -> None:
        self._drawn_for, self.left_out = None, 0
        features = []
        if self.areas.aoi is not None:
            frame = self.areas.aoi.frame
            rest = frame[~frame.index.isin(editable)]
            shapes, painted = rest.geometry.to_numpy(), np.array([one or AOI for one in colours(rest)])
            many = shapely.get_num_coordinates(shapes).sum() > FEW
            for colour in dict.fromkeys(painted.tolist()):
                if many:
                    simple, left_out = light(shapes[painted == colour], self._zoom, self._view)
                    self.left_out += left_out
                else:
                    simple = shapes[painted == colour]
                if len(simple):
                    features.append(feature(simple, self._zoom if many else 15, _style(colour, edited=False)))
            if many:
                self._drawn_for = self._zoom, widened(self._view or (-180, -90, 180, 90))
        self.fixed.data = _collection(features)

    def _happened(self, _: Any, action: str, geo_json: Any) -> None:
        """Hear of a deletion before the browser's new list comes, in which it is only missing."""
        if action == "remove":
            for one in geo_json:
                zone = _id(one)
                if zone:
                    self._removed.add(zone)

    def _arrived(self, change: dict[str, Any]) -> None:
        """Take the browser's list of features into the model.

        It may be older than what the model holds by now. So nothing is deleted but what the mouse deleted,
        and nothing comes back that has been deleted since.
        """
        if self._updating:
            return
        known, removed = set(self.areas.ids), self._removed
        self._removed = set()
        edited: dict[str, shapely.Geometry] = {}
        new: dict[bytes, shapely.Geometry] = {}
        for one in change["new"]:
            try:
                shape = _brought_home(shapely.geometry.shape(one["geometry"]))
            except (ValueError, shapely.errors.ShapelyError):  # two corners left, or one
                continue
            key = shapely.to_wkb(shape)
            zone = _id(one) or self._fresh.get(key, "")
            if zone in known:
                if zone not in removed and not _same(shape, self.areas.shape(zone)):
                    edited[zone] = shape
            elif not zone or not self.areas.was_used(zone):
                new[key] = shape
        problem = ""
        try:
            if edited or new or removed & known:
                added = self.areas.apply(edited, new.values(), removed & known)
                self._fresh.update(zip(new, added, strict=True))
                self._touched.update(added, edited)
        except ProbavError as error:
            problem = str(error)
        self.show()  # ids for what is new, and back to the last valid state where something was refused
        self._tell(problem)


def _style(colour: str, *, edited: bool = True) -> dict[str, Any]:
    style = {"color": colour, "weight": 2, "fillColor": colour, "fillOpacity": 0.12}
    return style if edited else {**style, "weight": 1.2, "interactive": False, "snapIgnore": True}


def _for_browser(zone: str, name: str, shape: shapely.Geometry, colour: str) -> dict[str, Any]:
    properties = {"id": zone, "name": name, "type": "polygon", "style": _style(colour)}
    geometry = shapely.geometry.mapping(shape)
    return {"type": "Feature", "id": zone, "properties": properties, "geometry": geometry}


def _id(one: dict[str, Any]) -> str:
    return str((one.get("properties") or {}).get("id") or "")


def _are_same(shown: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    """Whether the browser shows what it ought to, up to its rounding and the styles it adds."""
    if len(shown) != len(wanted):
        return False
    for one, other in zip(shown, wanted, strict=True):
        mine, theirs = one.get("properties") or {}, other["properties"]
        if (mine.get("id"), mine.get("name")) != (theirs["id"], theirs["name"]):
            return False
        if (mine.get("style") or {}).get("color") != theirs["style"]["color"]:
            return False
        if not _same(shapely.geometry.shape(one["geometry"]), shapely.geometry.shape(other["geometry"])):
            return False
    return True


def _same(shape: shapely.Geometry, other: shapely.Geometry) -> bool:
    """Whether two polygons differ by no more than the browser's rounding."""
    mine, theirs = shapely.get_coordinates(shape), shapely.get_coordinates(other)
    return mine.shape == theirs.shape and bool(np.abs(mine - theirs).max(initial=0) <= _BROWSER_DIGITS)


def _brought_home(shape: shapely.Geometry) -> shapely.Geometry:
    """Move a shape by whole turns of the world, where the map was dragged across the antimeridian."""
    turns = math.floor((shape.centroid.x + 180) / 360) if not shape.is_empty else 0
    return shapely.transform(shape, lambda xy: xy - [360 * turns, 0]) if turns else shape


def _collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": features}
