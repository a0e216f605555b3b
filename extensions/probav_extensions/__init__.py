"""Map, area-of-interest and chart widgets for probav notebooks.

Everything is computed by the engine and drawn from what it returns; nothing is requested from outside.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probav_extensions.chart import timeseries_figure
    from probav_extensions.footprint import footprint_figure
    from probav_extensions.histograms import histogram_figure
    from probav_extensions.map import AoiMap
    from probav_extensions.raster import raster_figure
    from probav_extensions.reasons import reasons_figure, reasons_map_figure
    from probav_extensions.series import series_of_each, series_table
    from probav_extensions.timeseries import timeseries_chart
    from probav_extensions.zones import zones_figure

_HOMES = {
    "AoiMap": "map",
    "footprint_figure": "footprint",
    "histogram_figure": "histograms",
    "raster_figure": "raster",
    "reasons_figure": "reasons",
    "reasons_map_figure": "reasons",
    "series_of_each": "series",
    "series_table": "series",
    "timeseries_chart": "timeseries",
    "timeseries_figure": "chart",
    "zones_figure": "zones",
}
__all__ = [
    "AoiMap",
    "footprint_figure",
    "histogram_figure",
    "raster_figure",
    "reasons_figure",
    "reasons_map_figure",
    "series_of_each",
    "series_table",
    "timeseries_chart",
    "timeseries_figure",
    "zones_figure",
]

# a first figure says so in red beneath the user's cell where the disk is slow
logging.getLogger("matplotlib.font_manager").addFilter(
    lambda record: "building the font cache" not in record.getMessage()
)


def __getattr__(name: str) -> Any:
    # matplotlib and ipyleaflet take a second to import: only with the first figure or map
    if name in _HOMES:
        return getattr(import_module(f"probav_extensions.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'probav_extensions' has no attribute {name!r}")
