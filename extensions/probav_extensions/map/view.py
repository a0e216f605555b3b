"""The map with its buttons, list and images; what is drawn and the Aoi are always the same thing."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import ipyleaflet
import ipywidgets
from IPython.display import display, update_display

from probav.archive import Archive
from probav_extensions import outlines
from probav_extensions.map import background, measure, twin
from probav_extensions.map.clicked import Clicked
from probav_extensions.map.drawing import Drawing
from probav_extensions.map.images import Images
from probav_extensions.map.listing import Listing
from probav_extensions.map.model import Areas
from probav_extensions.map.sources import Sources
from probav_extensions.map.toolbar import Toolbar

if TYPE_CHECKING:
    from probav import Aoi, Product

_HINT = "Draw a polygon or a rectangle with the buttons above, or add an area by file, place or coordinates."
_CLICK = "A click on the map shows the series of that pixel."
_WAIT = 1.0  # seconds after the last change until the picture of the saved notebook is drawn anew
_show: Any = display  # IPython gives them no types
_update: Any = update_display


class AoiMap(ipywidgets.VBox):  # type: ignore[misc]
    """A map to draw, edit and measure areas of interest on, over images of the archive.

    Nothing is requested from outside.

    Parameters
    ----------
    aoi : Aoi, optional
        Shown at first.
    product : Product, optional
        Its image lies under the drawing, and its extent is shown where there is no `aoi`.
    archive : Archive, optional
        Whose products can be chosen and are counted in pixels; that of `product` if not given.

    Attributes
    ----------
    areas : Areas
        What is on the map, to be edited by program as by mouse.
    map : ipyleaflet.Map
    """

    def __init__(
        self, aoi: Aoi | None = None, product: Product | None = None, archive: Archive | None = None
    ) -> None:
        if archive is None and product is not None:
            archive = Archive(product.store)
        held = tuple(product.footprint().total_bounds) if product is not None else None
        self._view = aoi.bounds if aoi is not None else held
        area = outlines.neighbourhood(self._view, margin=1.5) if self._view is not None else None
        self._products = list(archive) if archive is not None else []
        self._message, self._measured = "", ""
        self._handles: tuple[str, str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.status = ipywidgets.HTML()
        self.areas = Areas(aoi)
        self.drawing = Drawing(self.areas, self.tell)
        self.toolbar = Toolbar(self.areas, self.drawing.control, self._guide, self.fit)
        self.listing = Listing(self.areas, self._show_area)
        self.sources = Sources(self.areas, self.tell, lambda found: self.fit(found.bounds))
        self.clicked = Clicked(partial(self.tell, what="No series"))
        self._below, self._borders = background.below(area), background.borders(area)
        self.images = Images(archive, product, area, partial(self.tell, what="No image"), self._lay)
        centre, zoom = background.camera(self._view or background.WORLD)
        self._controls = [
            ipyleaflet.ZoomControl(position="topleft"),
            self.drawing.control,
            ipyleaflet.ScaleControl(position="bottomleft", imperial=False),
            ipyleaflet.AttributionControl(position="bottomright", prefix="Natural Earth"),
        ]
        self.map = background.Map(
            center=centre, zoom=zoom, layers=self._layers(), controls=self._controls, panes=background.PANES,
            zoom_control=False, attribution_control=False, scroll_wheel_zoom=True, prefer_canvas=True,
            layout=ipywidgets.Layout(height=f"{background.SCREEN[1]}px", flex="1 1 24em", min_width="18em"),
        )  # fmt: skip
        self.map.on_interaction(self._interacted)
        self.map.observe(self._looked, names=["zoom", "bounds"])
        self.drawing.look(self.map.zoom, None)
        self.areas.on_change(self._changed)
        super().__init__([self.toolbar.widget, self._beside(), self.status, self.clicked.widget])
        self._changed(aoi, first=True)

    @property
    def aoi(self) -> Aoi | None:
        """What is on the map; None when nothing is. Setting it redraws the map."""
        return self.areas.aoi

    @aoi.setter
    def aoi(self, aoi: Aoi | None) -> None:
        self.areas.assign(aoi)

    def on_change(self, callback: Callable[[Aoi | None], None]) -> None:
        """Call `callback(aoi)` after every change, by mouse or by program; None when all is deleted."""
        self.areas.on_change(callback)

    def fit(self, bounds: outlines.Bounds | None = None) -> None:
        """Show west, south, east, north; all areas, or what the map began with, if not given."""
        if bounds is None:
            bounds = self.aoi.bounds if self.aoi is not None else self._view or background.WORLD
        centre, zoom = background.camera(bounds)
        with self.map.hold_sync():
            self.map.center, self.map.zoom = centre, zoom

    def tell(self, problem: str, what: str = "Not taken") -> None:
        """Show a sentence beneath the map: why something wasn't taken; nothing takes it away again."""
        self._message = f"<b>{what}:</b> {html.escape(problem)}" if problem else ""
        self._say()

    def _guide(self, hint: str) -> None:
        self._message = hint
        self._say()

    def _say(self) -> None:
        rest = self._message or (_HINT if self.aoi is None else _CLICK if self.images.shown else "")
        if self.drawing.left_out:
            rest += f" {self.drawing.left_out:,} small areas here are not drawn; zoom in to see them."
        lines = [line for line in (self._measured, rest) if line]
        self.status.value = f'<div role="status" style="line-height: 1.4">{"<br>".join(lines)}</div>'

    def _beside(self) -> ipywidgets.HBox:
        """Return the map with its panel, of which one part shows at a time."""
        parts = {
            "Areas": self.listing.widget, "Add": self.sources.widget, "Image": self.images.widget,
        }  # fmt: skip
        chooser = ipywidgets.ToggleButtons(
            options=list(parts), style={"button_width": "5.5em"}, tooltip="What the panel shows",
        )  # fmt: skip
        shown = ipywidgets.VBox([parts["Areas"]], layout=ipywidgets.Layout(overflow="auto"))
        chooser.observe(lambda change: setattr(shown, "children", [parts[change["new"]]]), names="value")
        panel = ipywidgets.VBox(
            [chooser, shown],
            layout=ipywidgets.Layout(
                flex="0 0 24em", max_height=f"{background.SCREEN[1]}px", padding="0 0 0 8px"
            ),
        )
        return ipywidgets.HBox([self.map, panel], layout=ipywidgets.Layout(width="100%"))

    def _layers(self) -> list[ipyleaflet.Layer]:
        return [
            *self._below, *self.images.layers, self._borders, self.images.holdings.layer, self.drawing.fixed,
            self.clicked.mark,
        ]  # fmt: skip

    def _lay(self) -> None:
        """Put the chosen images on the map; the two of a split belong to its divider."""
        self.map.controls = self._controls
        self.map.layers = self._layers()
        if self.images.split is not None:
            self.map.controls = [*self._controls, self.images.split]
        self._redraw_twin()

    def _show_area(self, zone: str) -> None:
        self.drawing.take_up(zone)
        self.fit(self.areas.shape(zone).bounds)

    def _changed(self, aoi: Aoi | None, *, first: bool = False) -> None:
        if not first:
            self._message = ""
        self._measured = measure.words(aoi, self._products)
        self._say()
        self._redraw_twin()

    def _looked(self, _: Any) -> None:
        if self.map.bounds:
            (south, west), (north, east) = self.map.bounds
            before = self.drawing.left_out
            self.drawing.look(self.map.zoom, (west, south, east, north))
            if self.drawing.left_out != before:
                self._say()

    def _interacted(self, **event: Any) -> None:
        if event.get("type") != "click" or self.toolbar.mode is not None:
            return
        product = self.images.shown
        if product is not None:
            latitude, longitude = event["coordinates"]
            self.clicked.ask(
                product, self.images.variable.value, longitude, latitude, self.images.chosen_mask
            )

    def __repr__(self) -> str:
        return f"<AoiMap {self.aoi!r}>" if self.aoi is not None else "<AoiMap, nothing drawn>"

    def _twin(self) -> tuple[Any, dict[str, str]]:
        area = twin.extent(self.aoi, self._view)
        return twin.picture(self.aoi, self._view, self.images.picture(area)), twin.table(self.aoi)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live map, and picture and table for when the notebook is read without a kernel."""
        live = super()._repr_mimebundle_(**options) or {}
        data, metadata = twin.bundle(*self._twin())
        return {**live, **data}, metadata

    def _ipython_display_(self) -> None:
        """Show the live map, or where there is none a picture and a table, which follow its changes."""
        live = super()._repr_mimebundle_() or {}
        _show({**live, "text/plain": repr(self)}, raw=True)
        figure, words = self._twin()
        data, metadata = figure._repr_mimebundle_()
        self._handles = f"probav-map-{id(self)}-picture", f"probav-map-{id(self)}-table"
        _show(data, metadata=metadata, raw=True, display_id=self._handles[0])
        _show(words, raw=True, display_id=self._handles[1])

    def _redraw_twin(self) -> None:
        """Draw the picture of the saved notebook anew, once the user pauses."""
        if self._handles is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        try:
            self._timer = asyncio.get_running_loop().call_later(_WAIT, self._update_twin)
        except RuntimeError:  # no loop: not in a kernel
            self._update_twin()

    def _update_twin(self) -> None:
        self._timer = None
        if self._handles is None:
            return
        figure, words = self._twin()
        data, metadata = figure._repr_mimebundle_()
        _update(data, metadata=metadata, raw=True, display_id=self._handles[0])
        _update(words, raw=True, display_id=self._handles[1])
