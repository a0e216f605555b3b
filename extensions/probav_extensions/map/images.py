"""Images of the archive on the map: product, variable, date, mask, opacity, and two dates side by side."""

from __future__ import annotations

import base64
import datetime
import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipyleaflet
import ipywidgets

from probav.errors import ProbavError
from probav_extensions import outlines
from probav_extensions.map.background import IMAGES, OTHER_IMAGES
from probav_extensions.map.holdings import Holdings
from probav_extensions.overlay import Overlay, image, latest_image

if TYPE_CHECKING:
    from probav import Archive, Product

_NONE = ""
_LABEL = {"description_width": "4.5em"}


class Images:
    """The layer of an image and the widgets that choose it.

    Tiles come from the notebook server where it serves them; elsewhere (a terminal, another editor) the image
    is a picture of the neighbourhood that the map began with.

    Parameters
    ----------
    archive : Archive, optional
    product : Product, optional
        Shown at first.
    area : west, south, east, north, optional
        Where pictures are made of.
    tell : callable
        Called with a sentence when there is no image, with nothing when all is well.
    changed : callable
        Called when `layers` or `split` have changed.
    """

    def __init__(
        self,
        archive: Archive | None,
        product: Product | None,
        area: outlines.Bounds | None,
        tell: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._area, self._tell, self._changed = area, tell, changed
        self._busy = True  # several widgets change at once: layers are made anew when all have
        self._products = {one.id: one for one in archive} if archive is not None else {}
        if product is not None:
            self._products.setdefault(product.id, product)
        self.layers: list[ipyleaflet.Layer] = []
        self.split: ipyleaflet.SplitMapControl | None = None
        self.holdings = Holdings()
        self._make_widgets(product)
        self._offer()
        self._lay()
        self._busy = False
        for widget, then in (
            (self.product, self._choose_product), (self.variable, self._redraw), (self.mask, self._redraw),
            (self.compare, self._redraw), (self.date, self._move), (self.other_date, self._move),
            (self.opacity, self._fade), (self.held, self._show_holdings),
        ):  # fmt: skip
            widget.observe(then, names="value")

    def _make_widgets(self, product: Product | None) -> None:
        titles = [(f"{one.id}: {one.title}", one.id) for one in self._products.values()]
        self.product = ipywidgets.Dropdown(
            description="Product", options=[("No image", _NONE), *titles], layout=_wide(), style=_LABEL,
            value=product.id if product is not None else _NONE,
        )  # fmt: skip
        self.variable = ipywidgets.Dropdown(description="Variable", layout=_wide(), style=_LABEL)
        self.date = _date_slider("Date", "Date of the image")
        self.compare = ipywidgets.Checkbox(
            description="Compare with another date", indent=False, layout=_wide(),
            tooltip="Two dates side by side; drag the divider on the map",
        )  # fmt: skip
        self.other_date = _date_slider("Right", "Date of the image right of the divider")
        self.mask = ipywidgets.Text(
            description="Mask", placeholder="clear & land", continuous_update=False, layout=_wide(),
            style=_LABEL, tooltip="Pixels that count, in the image and in series of clicked pixels",
        )  # fmt: skip
        self.opacity = ipywidgets.FloatSlider(
            description="Opacity", value=1, min=0, max=1, step=0.05, layout=_wide(), style=_LABEL,
            readout_format=".0%", tooltip="Opacity of the image",
        )  # fmt: skip
        self.held = ipywidgets.Checkbox(
            description="What the archive holds", indent=False, layout=_wide(),
            tooltip="Outlines of what was taken in, coloured by number of dates",
        )  # fmt: skip
        self.bar = ipywidgets.HTML()
        self._chosen = ipywidgets.VBox()
        self.widget = ipywidgets.VBox([self.product, self._chosen], layout=ipywidgets.Layout(width="100%"))

    @property
    def shown(self) -> Product | None:
        """The product whose image is shown."""
        return self._products.get(self.product.value)

    def picture(self, area: outlines.Bounds) -> Overlay | None:
        """Return the image as a still picture of an area."""
        product = self.shown
        if product is None or not self.date.value:
            return None
        try:
            return image(product, area, self.variable.value, self.date.value, self.chosen_mask)
        except ProbavError:
            return None

    @property
    def _laid(self) -> list[ipyleaflet.Layer]:
        return [self.split.left_layer, self.split.right_layer] if self.split is not None else self.layers

    @property
    def chosen_mask(self) -> str | None:
        """The mask that was typed in; None for none."""
        return self.mask.value.strip() or None

    def _choose_product(self, _: Any) -> None:
        self._busy = True
        try:
            self._offer()
        finally:
            self._busy = False
        self._show_holdings(None)
        self._redraw(None)

    def _offer(self) -> None:
        """Offer the variables and dates of the product."""
        product = self.shown
        if product is None:
            self._chosen.children = []
            return
        names, default = list(product.variables), product.definition.default
        self.variable.options = names
        self.variable.value = default if default in names else names[0]
        dates = [str(day) for day in product.times] or [_NONE]
        for slider in (self.date, self.other_date):
            slider.options = dates
        latest = latest_image(product, self._area or tuple(product.footprint().total_bounds))
        self.date.value = latest.date if latest is not None else dates[-1]
        self.other_date.value = _half_a_year_before(dates, self.date.value)
        self._chosen.children = [
            self.variable, self.date, self.compare, self.other_date, self.bar, self.opacity, self.mask,
            self.held, self.holdings.key,
        ]  # fmt: skip

    def _redraw(self, _: Any) -> None:
        if not self._busy:
            self._lay()
            self._changed()

    def _lay(self) -> None:
        """Make layers anew: of another product, variable, mask, or side by side."""
        self.other_date.layout.display = None if self.compare.value else "none"
        self.layers, self.split, self.bar.value = [], None, ""
        product = self.shown
        if product is None or not self.date.value:
            return
        try:
            left = self._layer(product, self.date.value, IMAGES)
            right = self._layer(product, self.other_date.value, OTHER_IMAGES) if self.compare.value else None
            self.bar.value = _colour_bar(product, self.variable.value)
        except ProbavError as error:
            if not self._busy:
                self._tell(str(error))
            return
        if left is not None and right is not None:
            self.split = ipyleaflet.SplitMapControl(left_layer=left, right_layer=right)
        elif left is not None:
            self.layers = [left]
        if not self._busy:
            self._tell("" if left is not None else f"{product.id} has no picture here.")

    def _move(self, _: Any) -> None:
        """Show another date in the layers there are: nothing flickers."""
        product = self.shown
        if self._busy or product is None:
            return
        for layer, date in zip(self._laid, (self.date.value, self.other_date.value), strict=False):
            if isinstance(layer, ipyleaflet.TileLayer):
                layer.url = self._template(product, date) or layer.url
            else:
                self._redraw(None)
                return

    def _fade(self, _: Any) -> None:
        for layer in self._laid:
            layer.opacity = self.opacity.value

    def _show_holdings(self, _: Any) -> None:
        self.holdings.show(self.shown if self.held.value else None)

    def _layer(self, product: Product, date: str, pane: str) -> ipyleaflet.Layer | None:
        url = self._template(product, date)
        if url is not None:
            west, south, east, north = (float(edge) for edge in product.footprint().total_bounds)
            return ipyleaflet.TileLayer(
                url=url, pane=pane, opacity=self.opacity.value, bounds=[[south, west], [north, east]],
                no_wrap=True, max_zoom=22, name=f"{self.variable.value} {date}",
            )  # fmt: skip
        area = self._area or tuple(product.footprint().total_bounds)
        found = image(product, area, self.variable.value, date, self.chosen_mask)
        if found is None:
            return None
        return ipyleaflet.ImageOverlay(
            url=found.url, bounds=found.corners, pane=pane, opacity=self.opacity.value,
            name=f"{found.variable} {found.date}",
        )  # fmt: skip

    def _template(self, product: Product, date: str) -> str | None:
        from probav_extensions import tiles

        template: Callable[..., str | None] | None = getattr(tiles, "template", None)
        if template is None:
            return None
        return template(product, variable=self.variable.value, time=date, mask=self.chosen_mask)


def _half_a_year_before(dates: list[str], date: str) -> str:
    """Return the date nearest to half a year before another one: the other season."""
    if not date:
        return date
    wanted = datetime.date.fromisoformat(date).toordinal() - 182
    return min(dates, key=lambda one: abs(datetime.date.fromisoformat(one).toordinal() - wanted))


def _date_slider(text: str, tip: str) -> ipywidgets.SelectionSlider:
    return ipywidgets.SelectionSlider(
        description=text, options=[_NONE], continuous_update=False, layout=_wide(), style=_LABEL, tooltip=tip
    )


def _colour_bar(product: Product, variable: str) -> str:
    """Return the colours of a variable with its range and units as HTML."""
    from probav_extensions import tiles

    bar: Callable[..., tuple[bytes, float, float, str]] | None = getattr(tiles, "colour_bar", None)
    if bar is None:
        return ""
    png, low, high, units = bar(product.variables[variable])
    coded = base64.b64encode(png).decode()
    units = "" if units in ("", "1", None) else f" {units}"
    name = html.escape(f"{variable}{units}")
    return (
        f'<div style="line-height: 1.2"><img src="data:image/png;base64,{coded}" style="width: 100%; height: '
        f'12px" alt="Colours of {name} from {low:g} to {high:g}"><div style="display: flex; justify-content: '
        f'space-between"><span>{low:g}</span><span>{name}</span><span>{high:g}</span></div></div>'
    )


def _wide() -> ipywidgets.Layout:
    return ipywidgets.Layout(width="auto")
