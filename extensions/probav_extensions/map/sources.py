"""Areas that aren't drawn: a file from the user's machine, a country, coordinates typed in."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import ipywidgets

import probav
from probav.errors import AoiError, ProbavError
from probav.places import names, place
from probav_extensions.map.model import Areas

if TYPE_CHECKING:
    from probav import Aoi

MAX_UPLOAD = 9_000_000  # bytes: the notebook server closes the connection on messages of 10 MiB
FORMATS = (".geojson", ".json", ".zip", ".kml", ".kmz", ".gpkg", ".fgb", ".gml", ".parquet")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class Sources:
    """Widgets that add areas.

    Parameters
    ----------
    areas : Areas
    tell : callable
        Called with a sentence when something can't be taken, with nothing when all is well.
    show_on_map : callable
        Called with the Aoi that was added.
    """

    def __init__(self, areas: Areas, tell: Callable[[str], None], show_on_map: Callable[[Aoi], None]) -> None:
        self._areas, self._tell, self._show_on_map = areas, tell, show_on_map
        self.upload = ipywidgets.FileUpload(
            accept=",".join(FORMATS), description="Choose a file", icon="upload", layout=_wide(),
            tooltip="Add the areas of a file",
        )  # fmt: skip
        self.upload.observe(self._uploaded, names="value")
        self.place = ipywidgets.Combobox(
            description="Country", placeholder="Belgium", layout=_wide(), continuous_update=False,
            options=names(), tooltip="Name of a country, in English",
        )  # fmt: skip
        self.numbers = ipywidgets.Text(
            description="Coordinates", placeholder="LON LAT, or W S E N", layout=_wide(),
            tooltip="Degrees: longitude and latitude of a point, or west, south, east and north of a box",
        )  # fmt: skip
        self.radius = ipywidgets.BoundedFloatText(
            description="Radius, km", value=5, min=0.01, max=2000, layout=ipywidgets.Layout(width="13em"),
            tooltip="Kilometres around the point; a box needs none",
        )  # fmt: skip
        find = _button("Add country", "Add the country", self.add_place)
        add = _button("Add coordinates", "Add the point with its radius, or the box", self.add_numbers)
        note = ipywidgets.HTML(
            '<div style="line-height: 1.4">GeoJSON, zipped shapefile, KML, KMZ or GeoPackage, of up to '
            f"{MAX_UPLOAD // 1_000_000} MB; larger ones by <code>%probav aoi --file</code>.</div>"
        )
        self.widget = ipywidgets.VBox(
            [self.upload, note, self.place, find, self.numbers, self.radius, add],
            layout=ipywidgets.Layout(width="100%"),
        )

    def add_place(self) -> None:
        """Add the country that was typed in."""
        if self.place.value.strip():
            self._add(lambda: probav.aoi(_country(self.place.value)))

    def add_numbers(self) -> None:
        """Add the box, or the circle around the point, that was typed in."""
        self._add(lambda: _typed(self.numbers.value, self.radius.value))

    def _uploaded(self, change: dict[str, Any]) -> None:
        for file in change["new"]:
            name, content = str(file["name"]), bytes(file["content"])
            self._add(partial(read_upload, name, content))
        self.upload.value = ()

    def _add(self, make: Callable[[], Aoi]) -> None:
        try:
            found = make()
            self._areas.load(found)
        except ProbavError as error:
            self._tell(str(error))
            return
        self._tell("")
        self._show_on_map(found)


def read_upload(name: str, content: bytes) -> Aoi:
    """Return the area of a file that came from the browser.

    Raises
    ------
    AoiError
        If it is too large or can't be read; the message has the file's name, not where it lay for a moment.
    """
    if len(content) > MAX_UPLOAD:
        raise AoiError(
            f"{name} has {len(content) / 1e6:,.0f} MB; up to {MAX_UPLOAD // 1_000_000} MB can be uploaded. "
            "Put it into your files and read it by %probav aoi --file."
        )
    suffix = Path(name).suffix.lower()
    if suffix not in FORMATS:
        raise AoiError(
            f"{name} is none of {', '.join(FORMATS)}; a shapefile needs all its parts in one .zip."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(content)
        try:
            return probav.aoi(path)
        except ProbavError as error:
            raise AoiError(str(error).replace(str(path), name)) from error


def _country(name: str) -> Any:
    found, shape = place(name)
    return gpd.GeoDataFrame({"name": [found]}, geometry=[shape], crs="EPSG:4326")


def _typed(text: str, radius: float) -> Aoi:
    found = tuple(float(number) for number in _NUMBER.findall(text))
    rest = _NUMBER.sub("", text).strip(" \t,;()[]°")
    if len(found) not in (2, 4) or rest:
        raise AoiError(
            f"Coordinates {text!r}: expected longitude and latitude of a point (4.35 50.85), or west, south, "
            "east and north of a box (4.0 50.5 4.6 51.0), in degrees."
        )
    return probav.aoi(found) if len(found) == 4 else probav.aoi(found, buffer_km=radius)


def _button(text: str, tip: str, press: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(
        description=text, tooltip=tip, icon="plus", layout=ipywidgets.Layout(width="12em")
    )
    button.on_click(lambda _: press())
    return button


def _wide() -> ipywidgets.Layout:
    return ipywidgets.Layout(width="auto")
