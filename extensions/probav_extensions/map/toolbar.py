"""Buttons above the map: what the mouse does, undo and redo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipyleaflet
import ipywidgets

from probav_extensions.map.model import Areas

HINTS = {
    "draw:Polygon": "Click the corners one after the other, and the first one again to finish.",
    "draw:Rectangle": "Click two opposite corners.",
    "edit": "Drag corners; press the faint handle between two corners for another one; right-click takes "
    "one away.",
    "drag": "Drag whole areas.",
    "remove": "Click the areas to delete.",
}
_MODES = (
    ("draw:Polygon", "Polygon", "pencil", "Draw a polygon"),
    ("draw:Rectangle", "Rectangle", "square-o", "Draw a rectangle"),
    ("edit", "Edit", "edit", "Edit corners of areas"),
    ("drag", "Move", "arrows", "Move whole areas"),
    ("remove", "Delete", "eraser", "Delete areas by clicking them"),
)


class Toolbar:
    """The buttons, and the mode that the mouse is in.

    Parameters
    ----------
    areas : Areas
    control : GeomanDrawControl
    tell : callable
        Called with the hint of a mode.
    fit : callable
        Called to show all areas.
    """

    def __init__(
        self,
        areas: Areas,
        control: ipyleaflet.GeomanDrawControl,
        tell: Callable[[str], None],
        fit: Callable[[], None],
    ) -> None:
        self._areas, self._control, self._tell = areas, control, tell
        self._quiet = False
        self.modes = {
            mode: ipywidgets.ToggleButton(description=text, icon=icon, tooltip=tip, layout=_fitting(text))
            for mode, text, icon, tip in _MODES
        }
        for mode, button in self.modes.items():
            button.observe(lambda change, mode=mode: self._pressed(mode, change["new"]), names="value")
        self.undo = _button("Undo", "undo", "Undo the last change", areas.undo)
        self.redo = _button("Redo", "repeat", "Do again what was undone", areas.redo)
        self.fit = _button("All", "search", "Show all areas on the map", fit)
        control.on_draw(self._drawn)
        areas.on_change(lambda _: self.show())
        self.show()
        self.widget = ipywidgets.HBox(
            [*self.modes.values(), self.undo, self.redo, self.fit],
            layout=ipywidgets.Layout(flex_flow="row wrap"),
        )

    @property
    def mode(self) -> str | None:
        """What the mouse does on the map; None when it pans and asks for series."""
        return next((mode for mode, button in self.modes.items() if button.value), None)

    def show(self) -> None:
        """Bring the buttons up to the model."""
        self.undo.disabled = not self._areas.can_undo
        self.redo.disabled = not self._areas.can_redo

    def leave(self) -> None:
        """Let the mouse pan again."""
        for button in self.modes.values():
            button.value = False

    def _pressed(self, mode: str, on: bool) -> None:
        if self._quiet:
            return
        self._quiet = True
        try:
            for other, button in self.modes.items():
                if other != mode:
                    button.value = False
        finally:
            self._quiet = False
        self._end()
        if on:
            self._control.current_mode = mode
        self._tell(HINTS[mode] if on else "")

    def _end(self) -> None:
        """End the browser's mode: only a drawing can be ended, and beginning one ends the rest."""
        if self._control.current_mode is not None:
            if not self._control.current_mode.startswith("draw"):
                self._control.current_mode = "draw:Rectangle"
            self._control.current_mode = None

    def _drawn(self, _: Any, action: str, geo_json: Any) -> None:
        if action == "create":
            self.leave()


def _button(text: str, icon: str, tip: str, press: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=text, icon=icon, tooltip=tip, layout=_fitting(text))
    button.on_click(lambda _: press())
    return button


def _fitting(text: str) -> ipywidgets.Layout:
    return ipywidgets.Layout(width=f"{len(text) * 0.6 + 3.6:.1f}em")
