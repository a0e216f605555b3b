"""Areas of interest as they are edited: one Aoi at a time, what it was before, and what was undone.

There is no widget here. Whatever edits areas (mouse, list, file, program) does it by these operations, and
whatever shows them is told of each change; so all of them always hold the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

import probav
from probav.errors import AoiError

if TYPE_CHECKING:
    from probav import Aoi

CRS = "EPSG:4326"
STEPS = 100  # that can be undone
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class Areas:
    """An area of interest with several features that can be edited, undone and redone.

    Ids are never used twice: what was deleted and what is new can't be mistaken for each other.

    Parameters
    ----------
    aoi : Aoi, optional
    """

    def __init__(self, aoi: Aoi | None = None) -> None:
        self._aoi = aoi
        self._past: list[Aoi | None] = []
        self._future: list[Aoi | None] = []
        self._used: set[str] = set(self.ids)
        self._callbacks: list[Callable[[Aoi | None], None]] = []

    @property
    def aoi(self) -> Aoi | None:
        """All features; None when there are none. The same object until something changes."""
        return self._aoi

    @property
    def ids(self) -> list[str]:
        """Ids of the features, in their order."""
        return [] if self._aoi is None else [str(zone) for zone in self._aoi.frame.index]

    @property
    def can_undo(self) -> bool:
        """Whether there is something to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone."""
        return bool(self._future)

    def was_used(self, zone: str) -> bool:
        """Whether a feature has, or once had, this id."""
        return zone in self._used

    def shape(self, zone: str) -> shapely.Geometry:
        """Return the geometry of a feature."""
        return self._frame(zone).geometry[zone]

    def name(self, zone: str) -> str:
        """Return the name of a feature."""
        return str(self._frame(zone)["name"][zone])

    def colour(self, zone: str) -> str | None:
        """Return the colour of a feature as #rrggbb, None where it has none of its own."""
        return colours(self._frame(zone).loc[[zone]])[0]

    def on_change(self, callback: Callable[[Aoi | None], None]) -> None:
        """Call `callback(aoi)` after every change; None when nothing is left."""
        self._callbacks.append(callback)

    def assign(self, aoi: Aoi | None) -> None:
        """Put another area of interest in the place of all features."""
        if aoi is not self._aoi:
            self._change(aoi)

    def add(self, shape: shapely.Geometry, name: str | None = None, colour: str | None = None) -> str:
        """Add a feature and return its id.

        Raises
        ------
        AoiError
            If it is no valid geometry in degrees; nothing changes then.
        """
        (zone,) = self.apply(new=[shape], names=[name], colours=[colour])
        return zone

    def replace(self, zone: str, shape: shapely.Geometry) -> None:
        """Give a feature another geometry; id, name and attributes stay."""
        self._frame(zone)
        self.apply({zone: shape})

    def move(self, zone: str, east: float, north: float) -> None:
        """Move a feature by degrees."""
        self.replace(zone, shapely.transform(self.shape(zone), lambda xy: np.add(xy, [east, north])))

    def delete(self, *zones: str) -> None:
        """Delete features."""
        for zone in zones:
            self._frame(zone)
        self.apply(gone=zones)

    def clear(self) -> None:
        """Delete all features."""
        self.assign(None)

    def apply(
        self,
        edited: Mapping[str, shapely.Geometry] | None = None,
        new: Iterable[shapely.Geometry] = (),
        gone: Iterable[str] = (),
        *,
        names: Iterable[str | None] = (),
        colours: Iterable[str | None] = (),
    ) -> list[str]:
        """Edit, add and delete in one step, and return the ids of what was added.

        Raises
        ------
        AoiError
            If a geometry is not valid; nothing changes then.
        """
        edited, new, gone = dict(edited or {}), list(new), set(gone)
        zones = self._new_ids(len(new))
        frame = None if self._aoi is None else self._aoi.frame
        checked = _checked([*edited.items(), *zip(zones, new, strict=True)])
        if frame is not None and edited:
            shapes = frame.geometry.copy()
            for zone in edited:
                shapes[zone] = checked[zone]
            frame = frame.set_geometry(shapes)
        if frame is not None and gone:
            frame = frame[~frame.index.isin(gone)]
        if new:
            named = [*names, *[None] * len(new)][: len(new)]
            columns: dict[str, list[str | None]] = {
                "name": [name or f"area {zone}" for name, zone in zip(named, zones, strict=True)]
            }
            painted = [*colours, *[None] * len(new)][: len(new)]
            if any(painted):
                columns["colour"] = painted
            index = pd.Index(zones, name="zone", dtype=object)
            added = gpd.GeoDataFrame(columns, geometry=[checked[z] for z in zones], index=index, crs=CRS)
            frame = _joined(frame, added)
        if edited or new or gone:
            self._change(self._with(frame))
        return zones

    def rename(self, zone: str, name: str) -> None:
        """Give a feature another name; an empty one names it after its id."""
        frame = self._frame(zone).copy()
        name = name.strip() or f"area {zone}"
        if frame.loc[zone, "name"] != name:
            frame.loc[zone, "name"] = name
            self._change(self._with(frame))

    def recolour(self, zone: str, colour: str) -> None:
        """Give a feature a colour, in its column `colour`.

        Raises
        ------
        AoiError
            If it isn't written #rrggbb.
        """
        if not _COLOUR.fullmatch(colour):
            raise AoiError(f"{colour!r} is no colour; expected #rrggbb, as #0072b2.")
        if self.colour(zone) == colour.lower():
            return
        frame = self._frame(zone).copy()
        if "colour" not in frame:
            frame["colour"] = pd.Series([None] * len(frame), index=frame.index, dtype=object)
        frame["colour"] = frame["colour"].astype(object)
        frame.loc[zone, "colour"] = colour.lower()
        self._change(self._with(frame))

    def load(self, aoi: Aoi) -> list[str]:
        """Add the features of another area and return their ids, new ones where theirs are taken."""
        frame = aoi.frame.copy()
        taken = [zone for zone in frame.index if zone in self._used]
        if taken:
            fresh = dict(zip(taken, self._new_ids(len(taken), set(frame.index)), strict=True))
            frame.index = pd.Index([fresh.get(zone, zone) for zone in frame.index], name="zone", dtype=object)
            unnamed = [zone for zone, new in fresh.items() if frame.loc[new, "name"] == zone]
            for zone in unnamed:
                frame.loc[fresh[zone], "name"] = f"area {fresh[zone]}"
        self._change(self._with(_joined(None if self._aoi is None else self._aoi.frame, frame)))
        return [str(zone) for zone in frame.index]

    def undo(self) -> None:
        """Go back by one change, if there is one."""
        if self._past:
            self._future.append(self._aoi)
            self._show(self._past.pop())

    def redo(self) -> None:
        """Do again what was undone last, if anything."""
        if self._future:
            self._past.append(self._aoi)
            self._show(self._future.pop())

    def _frame(self, zone: str) -> gpd.GeoDataFrame:
        if self._aoi is None or zone not in self._aoi.frame.index:
            known = ", ".join(self.ids[:20]) or "none"
            raise AoiError(f"There is no feature {zone!r}; expected one of {known}.")
        return self._aoi.frame

    def _with(self, frame: gpd.GeoDataFrame | None) -> Aoi | None:
        """Return an area of a frame whose geometries have been looked at."""
        if frame is None or not len(frame):
            return None
        return probav.Aoi(frame) if self._aoi is None else probav.Aoi(frame, self._repairs(frame))

    def _repairs(self, frame: gpd.GeoDataFrame) -> pd.DataFrame:
        assert self._aoi is not None
        return self._aoi.repairs[self._aoi.repairs.index.isin(frame.index)]

    def _new_ids(self, count: int, besides: set[str] | None = None) -> list[str]:
        taken = self._used | (besides or set())
        first = max((int(zone) for zone in taken if zone.isdecimal()), default=0) + 1
        return [str(first + number) for number in range(count)]

    def _change(self, aoi: Aoi | None) -> None:
        self._past = [*self._past[-STEPS + 1 :], self._aoi]
        self._future = []
        self._show(aoi)

    def _show(self, aoi: Aoi | None) -> None:
        self._aoi = aoi
        self._used.update(self.ids)
        for callback in list(self._callbacks):
            callback(aoi)


def colours(frame: gpd.GeoDataFrame) -> list[str | None]:
    """Return the colour of each feature as #rrggbb; None where its column `colour` has no such."""
    if "colour" not in frame:
        return [None] * len(frame)
    return [
        value.lower() if isinstance(value, str) and _COLOUR.fullmatch(value) else None
        for value in frame["colour"]
    ]


def _checked(shapes: Iterable[tuple[str, shapely.Geometry]]) -> dict[str, shapely.Geometry]:
    """Return shapes as `probav.aoi` takes them: a crossing is told, not mended behind the user's back."""
    found = dict(shapes)
    if not found:
        return {}
    index = pd.Index(list(found), dtype=object)
    frame = gpd.GeoDataFrame(geometry=list(found.values()), index=index, crs=CRS)
    return dict(probav.aoi(frame, repair=False).frame.geometry.items())


def _joined(first: gpd.GeoDataFrame | None, second: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    if first is None or not len(first):
        return second
    joined = pd.concat([first, second])
    joined.index = pd.Index(joined.index, name="zone", dtype=object)
    return gpd.GeoDataFrame(joined, geometry="geometry", crs=CRS)
