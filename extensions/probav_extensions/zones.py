"""A map of results: each zone in the colour of its number."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Patch

from probav.errors import ProbavError
from probav_extensions import outlines
from probav_extensions.colours import GREY, WEAK
from probav_extensions.figure import NotebookFigure, styled
from probav_extensions.picture import background, frame, size
from probav_extensions.series import Shown, are_dates, heading, label, provenance

_MAX_PANELS = 6
_COLUMNS = 3


def zones_figure(series: xr.Dataset, reducer: str | None = None, time: str | None = None) -> NotebookFigure:
    """Draw zones on a map, coloured by a statistic; six dates at most, evenly chosen.

    Parameters
    ----------
    series : xarray.Dataset
        As `Product.statistics` returns it for one variable, without strata: (zone, time), with `geometry`.
    reducer : str, optional
        Which statistic; the mean, or what there is instead.
    time : str, optional
        A date, month or year of it; all dates if not given.

    Raises
    ------
    ProbavError
        If it has strata, no such statistic, or no such date.
    """
    if "class" in series.dims:
        raise ProbavError("A map shows one number a zone: choose a class first, series.sel({'class': ...}).")
    shown = Shown.of(series)
    name = reducer or shown.middle
    if name not in series:
        raise ProbavError(f"There is no {name!r} in it: it has {', '.join(map(str, series.data_vars))}.")
    chosen = series if time is None else series.sel(time=slice(time, time))
    if not chosen.sizes["time"]:
        raise ProbavError(f"It has no date in {time}.")
    total = chosen.sizes["time"]
    chosen = chosen.isel(
        time=np.unique(np.linspace(0, total - 1, min(total, _MAX_PANELS)).round().astype(int))
    )
    shapes = gpd.GeoSeries(chosen["geometry"].to_numpy(), crs=4326)
    area = outlines.neighbourhood(tuple(shapes.total_bounds), margin=0.08)
    values = chosen[name].transpose("time", "zone").to_numpy().astype(float)
    low, high = (np.nanmin(values), np.nanmax(values)) if np.isfinite(values).any() else (0.0, 1.0)
    columns = min(_COLUMNS, len(values))
    rows = -(-len(values) // columns)
    wide, high_ = size(area)
    width = 5.4 if columns == 1 else 6.6 / columns
    height = width * high_ / wide + 0.4  # with the date above it
    with styled():
        words = f"Map: {name} of {len(shapes)} zones, {len(values)} of {total} dates, {low:.4g} to {high:.4g}"
        inches = (width * columns + 1.0, height * rows + 0.8)
        figure = NotebookFigure(f"{words}. {provenance(series)}", figsize=inches)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, date, numbers in zip(panels, chosen["time"].to_numpy(), values, strict=False):
            background(axes, area)
            there = np.isfinite(numbers)
            frame_of = gpd.GeoDataFrame({"value": numbers}, geometry=shapes)
            line = {"edgecolor": "white", "linewidth": 0.4, "zorder": 2}
            if there.any():
                frame_of[there].plot(ax=axes, column="value", cmap="viridis", vmin=low, vmax=high, **line)
            if not there.all():
                frame_of[~there].plot(ax=axes, facecolor=WEAK, hatch="////", **(line | {"edgecolor": GREY}))
            axes.set_title(pd.Timestamp(date).strftime("%Y-%m-%d") if are_dates(series) else str(date))
            frame(axes, area)
            axes.locator_params(nbins=3)
        for axes in panels[len(values) :]:
            axes.set_axis_off()
        colours = figure.colorbar(
            ScalarMappable(Normalize(low, high), "viridis"),
            ax=panels.tolist(),
            label=label(series, name),
            shrink=0.8,
            aspect=30,
        )
        colours.outline.set_visible(False)
        if not np.isfinite(values).all():
            nothing = Patch(facecolor=WEAK, edgecolor=GREY, hatch="////", label="no valid pixel")
            figure.legend(handles=[nothing], loc="outside lower right")
        figure.title(heading(series))
        figure.provenance(provenance(series))
    return figure
