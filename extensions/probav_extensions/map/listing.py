"""The list of areas beside the map: name, colour, size, show and delete."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from probav.area_repair import area_km2
from probav_extensions.colours import AOI, LINES
from probav_extensions.map.model import Areas, colours

SHOWN = 50
COLOURS = (AOI, *LINES)
_HIDDEN_LABEL = {"description_width": "0px"}  # the label stays for screen readers


class Listing:
    """A row an area, for the first 50 of them.

    Parameters
    ----------
    areas : Areas
    show_on_map : callable
        Called with the id of an area to zoom to.
    """

    def __init__(self, areas: Areas, show_on_map: Callable[[str], None]) -> None:
        self._areas, self._show_on_map = areas, show_on_map
        self._rows: list[_Row] = []
        self._table = ipywidgets.VBox(layout=ipywidgets.Layout(flex="0 0 auto"))
        self._note = ipywidgets.HTML()
        clear = ipywidgets.Button(
            description="Delete all", icon="trash", tooltip="Delete all areas; can be undone",
            layout=ipywidgets.Layout(width="9em"),
        )  # fmt: skip
        clear.on_click(lambda _: areas.clear())
        self._clear = clear
        self.widget = ipywidgets.VBox([self._table, self._note, clear])
        areas.on_change(lambda _: self.show())
        self.show()

    @property
    def rows(self) -> list[_Row]:
        """The rows that are shown."""
        return self._rows[: len(self._table.children)]

    def show(self) -> None:
        """Bring the list up to the model."""
        ids = self._areas.ids[:SHOWN]
        while len(self._rows) < len(ids):
            self._rows.append(_Row(self._areas, self._show_on_map))
        if self._areas.aoi is not None:
            head = self._areas.aoi.frame.iloc[:SHOWN]
            sizes = area_km2(head.geometry)
            for row, zone, name, colour, km2 in zip(
                self._rows, ids, head["name"], colours(head), sizes, strict=False
            ):
                row.show(zone, str(name), colour or AOI, float(km2))
        if len(self._table.children) != len(ids):
            self._table.children = [row.widget for row in self._rows[: len(ids)]]
        count = len(self._areas.ids)
        if not count:
            text = "No areas yet: draw one, or add one by file, place or coordinates."
        else:
            text = f"The first {SHOWN} of {count:,} areas are listed." if count > SHOWN else ""
        self._note.value = f'<div style="line-height: 1.4">{text}</div>' if text else ""
        self._clear.layout.display = None if count else "none"


class _Row:
    """Widgets of one area; used again for another when the list changes."""

    def __init__(self, areas: Areas, show_on_map: Callable[[str], None]) -> None:
        self._areas = areas
        self._zone = ""
        self._updating = False
        self.colour = ipywidgets.Button(layout=ipywidgets.Layout(width="28px", flex="0 0 auto"))
        self.name = ipywidgets.Text(
            continuous_update=False,
            style=_HIDDEN_LABEL,
            layout=ipywidgets.Layout(flex="1 1 6em", width="auto", min_width="5em"),
        )
        self.size = ipywidgets.Label(layout=ipywidgets.Layout(width="6.2em", flex="0 0 auto"))
        self.zoom = ipywidgets.Button(
            icon="search-plus", layout=ipywidgets.Layout(width="36px", flex="0 0 auto")
        )
        self.delete = ipywidgets.Button(icon="trash", layout=ipywidgets.Layout(width="36px", flex="0 0 auto"))
        self.colour.on_click(lambda _: self._recolour())
        self.name.observe(self._renamed, names="value")
        self.zoom.on_click(lambda _: show_on_map(self._zone))
        self.delete.on_click(lambda _: self._deleted())
        self.widget = ipywidgets.HBox(
            [self.colour, self.name, self.size, self.zoom, self.delete],
            layout=ipywidgets.Layout(width="100%", align_items="center", flex="0 0 auto"),
        )

    def show(self, zone: str, name: str, colour: str, km2: float) -> None:
        self._updating = True
        try:
            self._zone = zone
            self.colour.style.button_color, self.name.value = colour, name
            self.size.value = f"{km2:,.0f} km²" if km2 >= 100 else f"{km2:.3g} km²"
            self.colour.tooltip = f"Colour of {name}: press for the next one"
            self.name.description = f"Name of {name}"
            self.zoom.tooltip, self.delete.tooltip = f"Show {name} on the map", f"Delete {name}"
        finally:
            self._updating = False

    def _renamed(self, change: dict[str, str]) -> None:
        if not self._updating and self._zone in self._areas.ids:
            self._areas.rename(self._zone, change["new"])
            self.name.value = self._areas.name(self._zone)  # an empty name became another one

    def _recolour(self) -> None:
        """Take the next of the colours that everybody tells apart; a picker of any colour has no label."""
        if self._zone in self._areas.ids:
            colour = self._areas.colour(self._zone) or AOI
            following = COLOURS.index(colour) + 1 if colour in COLOURS else 0
            self._areas.recolour(self._zone, COLOURS[following % len(COLOURS)])

    def _deleted(self) -> None:
        if self._zone in self._areas.ids:  # not twice, by a double click
            self._areas.delete(self._zone)
