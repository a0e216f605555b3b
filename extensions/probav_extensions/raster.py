"""Pictures of loaded pixels: a small map a date."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.patches import Patch

from probav.products import Variable, get_product
from probav_extensions.colours import colormap
from probav_extensions.figure import NotebookFigure, styled
from probav_extensions.picture import frame

_MAX_DATES = 12
_COLUMNS = 4
_MAX_SIDE = 800  # pixels of a panel; more can't be seen


def raster_figure(pixels: xr.Dataset, variable: str | None = None) -> NotebookFigure:
    """Draw pixels in the product's own colours, a panel a date; twelve dates at most, evenly chosen.

    Parameters
    ----------
    pixels : xarray.Dataset
        As `Product.load` returns it: (time, y, x).
    variable : str, optional
        The product's default variable if not given and loaded, else the first one.
    """
    product = get_product(pixels.attrs["product"])
    name = variable or (product.default if product.default in pixels else str(next(iter(pixels.data_vars))))
    definition = product.variable(name)
    total = pixels.sizes["time"]
    chosen = np.unique(np.linspace(0, total - 1, min(total, _MAX_DATES)).round())
    step = max(1, math.ceil(max(pixels.sizes["y"], pixels.sizes["x"]) / _MAX_SIDE))
    thin = pixels[name].isel(y=slice(None, None, step), x=slice(None, None, step))
    # date by date: asked for together, lazy pixels would be read with all the dates between
    layer = xr.concat([thin.isel(time=[index]).load() for index in chosen.astype(int)], "time")
    cmap, norm = colormap(definition)
    columns = min(_COLUMNS, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    bounds = _bounds(pixels)
    dates = pd.DatetimeIndex(layer["time"].to_numpy()).strftime("%Y-%m-%d")
    alt = f"{name} of {product.id}, {len(dates)} of {total} dates, {dates[0]} to {dates[-1]}"
    with styled():
        panel = 4.2 if columns == 1 else 7.6 / columns
        figure = NotebookFigure(alt, figsize=(panel * columns + 0.8, panel * _ratio(bounds) * rows + 0.9))
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes, date, values in zip(panels.flat, dates, layer.to_numpy(), strict=False):
            image = axes.imshow(
                values, cmap=cmap, norm=norm, interpolation="nearest",
                extent=(bounds[0], bounds[2], bounds[1], bounds[3]),
            )  # fmt: skip
            axes.set_title(date, fontsize=9)
            axes.set_facecolor("#d9d9d9")
            if pixels["y"].attrs.get("units") == "degrees_north":
                frame(axes, bounds)
            axes.locator_params(nbins=3)
            axes.label_outer()
        for axes in panels.flat[len(dates) :]:
            axes.set_axis_off()
        _key(figure, panels, image, definition, layer)
        figure.title(definition.long_name)
        attrs = pixels.attrs
        parts = [product.id, *(f"{key}: {attrs[key]}" for key in ("mask", "snapshot") if attrs.get(key))]
        figure.provenance(" · ".join([*parts, "grey: no value"]))
    return figure


def _key(figure: Any, panels: Any, image: Any, variable: Variable, layer: xr.DataArray) -> None:
    """Add a colour bar, or the classes that occur."""
    if variable.kind == "continuous":
        units = "" if variable.units == "1" else f" [{variable.units}]"
        figure.colorbar(image, ax=panels, label=variable.name + units, shrink=0.8, aspect=30)
        return
    present = np.unique(layer.to_numpy()[np.isfinite(layer.to_numpy())]).astype(int)
    handles = [
        Patch(color=variable.colours[code], label=variable.flags.get(code, str(code)))
        for code in present.tolist()
        if code in variable.colours
    ]
    figure.legend(handles=handles, loc="outside right upper")


def _bounds(pixels: xr.Dataset) -> tuple[float, float, float, float]:
    """Outer pixel edges: west, south, east, north, in the units of the coordinates."""
    x, y = pixels["x"].to_numpy(), pixels["y"].to_numpy()
    dx = (x[-1] - x[0]) / (len(x) - 1) / 2 if len(x) > 1 else 0.5
    dy = (y[0] - y[-1]) / (len(y) - 1) / 2 if len(y) > 1 else dx
    return float(x[0] - dx), float(y[-1] - dy), float(x[-1] + dx), float(y[0] + dy)


def _ratio(bounds: tuple[float, float, float, float]) -> float:
    west, south, east, north = bounds
    squeeze = math.cos(math.radians((south + north) / 2)) if abs(north) <= 90 else 1.0
    return float(np.clip((north - south) / ((east - west) * max(squeeze, 0.1)), 0.4, 2.5))
