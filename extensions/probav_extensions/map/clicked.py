"""The pixel that was clicked: its outline on the map, and its time series beneath it."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipyleaflet
import ipywidgets
import numpy as np
import shapely
from rasterio.warp import transform as transform_points

import probav
from probav.errors import ProbavError

if TYPE_CHECKING:
    from probav import Product

_STYLE = {"color": "#000000", "weight": 2, "fill": False, "interactive": False, "snapIgnore": True}


class Clicked:
    """The chart of a pixel, empty until one is asked for.

    Parameters
    ----------
    tell : callable
        Called with a sentence when there is no series, with nothing when all is well.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.mark = ipyleaflet.GeoJSON(
            data={"type": "FeatureCollection", "features": []}, name="clicked pixel"
        )
        self._chart = ipywidgets.VBox()
        close = ipywidgets.Button(
            description="Close", icon="times", tooltip="Close the series of the pixel",
            layout=ipywidgets.Layout(width="6em", align_self="flex-end"),
        )  # fmt: skip
        close.on_click(lambda _: self.close())
        self._close = close
        self.widget = ipywidgets.VBox()

    def ask(
        self, product: Product, variable: str, longitude: float, latitude: float, mask: str | None = None
    ) -> None:
        """Show the series of the pixel that holds a point."""
        longitude = (longitude + 180) % 360 - 180
        north, east = ("N" if latitude >= 0 else "S"), ("E" if longitude >= 0 else "W")
        name = f"{abs(latitude):.4f}°{north} {abs(longitude):.4f}°{east}"
        try:
            series = product.statistics(
                probav.aoi((longitude, latitude), name=name), mask=mask, variable=variable, reducers=("mean",)
            )
            drawn = chart(series)
        except ProbavError as error:
            self._tell(str(error))
            return
        self._chart.children = [drawn]
        self.widget.children = [self._close, self._chart]
        self.mark.data = {"type": "FeatureCollection", "features": [_outline(product, longitude, latitude)]}
        self._tell("")

    def close(self) -> None:
        """Take chart and outline away."""
        self.widget.children = []
        self._chart.children = []
        self.mark.data = {"type": "FeatureCollection", "features": []}


def chart(series: Any) -> ipywidgets.Widget:
    """Return the chart of a series as a widget: an interactive one where there is one, else a picture."""
    import probav_extensions

    if "timeseries_chart" in probav_extensions.__all__:
        return probav_extensions.timeseries_chart(series).widget
    return picture(probav_extensions.timeseries_figure(series))


def picture(figure: Any) -> ipywidgets.HTML:
    """Return a figure as a picture with words for who can't see it."""
    coded = base64.b64encode(figure.png()).decode()
    width, alt = round(figure.get_size_inches()[0] * 100), html.escape(figure.alt, quote=True)
    return ipywidgets.HTML(f'<img src="data:image/png;base64,{coded}" width="{width}" alt="{alt}">')


def _outline(product: Product, longitude: float, latitude: float) -> dict[str, Any]:
    """Return the pixel that holds a point as a GeoJSON feature."""
    grid = product.grid
    x, y = [longitude], [latitude]
    if not grid.is_geographic:
        x, y = transform_points("EPSG:4326", grid.crs, x, y)[:2]
    column, row = (math.floor(value[0]) for value in grid.pixels(np.array(x), np.array(y)))
    west, south, east, north = grid.window(row, column, 1, 1).bounds
    corners = [(west, south), (east, south), (east, north), (west, north)]
    if not grid.is_geographic:
        across, up = transform_points(grid.crs, "EPSG:4326", *zip(*corners, strict=True))[:2]
        corners = list(zip(across, up, strict=True))
    shape = shapely.geometry.mapping(shapely.Polygon(corners))
    return {"type": "Feature", "properties": {"style": _STYLE}, "geometry": shape}
