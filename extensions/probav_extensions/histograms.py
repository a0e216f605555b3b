"""Histograms of statistics: how the values of a zone are spread, and how that changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from probav.errors import ProbavError
from probav_extensions.colours import LINES
from probav_extensions.figure import NotebookFigure, styled
from probav_extensions.series import are_dates, heading, provenance

_MAX_PANELS = 12
_COLUMNS = 4


def histogram_figure(series: xr.Dataset, zone: str | None = None) -> NotebookFigure:
    """Draw the histogram of a zone, a panel a date; twelve dates at most, evenly chosen.

    Parameters
    ----------
    series : xarray.Dataset
        As `Product.statistics` returns it with the reducer `histogram`, without strata: (zone, time, bin).
    zone : str, optional
        The first one if not given.

    Raises
    ------
    ProbavError
        If it has no histogram, has strata, or no such zone.
    """
    if "histogram" not in series:
        raise ProbavError("It has no histogram: ask for the reducer, reducers=('mean', 'histogram').")
    if "class" in series.dims:
        raise ProbavError("It has strata: choose a class first, series.sel({'class': ...}).")
    zones = [str(name) for name in series["zone"].to_numpy()]
    if zone is not None and zone not in zones:
        raise ProbavError(f"It has no zone {zone!r}: it has {', '.join(zones[:10])}.")
    own = series.isel(zone=zones.index(zone) if zone is not None else 0)
    total = own.sizes["time"]
    chosen = own.isel(time=np.unique(np.linspace(0, total - 1, min(total, _MAX_PANELS)).round().astype(int)))
    counts = chosen["histogram"].transpose("time", "bin").to_numpy().astype(float)
    bins = chosen["bin"].to_numpy().astype(float)
    used = np.flatnonzero(counts.sum(axis=0))
    span = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
    wide = float(np.median(np.diff(bins))) if len(bins) > 1 else 1.0
    columns = min(_COLUMNS, len(counts))
    rows = -(-len(counts) // columns)
    units = str(series.attrs.get("units", "1"))
    axis = f"{series.attrs.get('variable', '')}" + ("" if units in ("", "1") else f" [{units}]")
    with styled():
        words = f"Histograms of {axis}: {len(counts)} of {total} dates, {counts.sum():,.0f} valid pixels. "
        figure = NotebookFigure(
            words + provenance(series), figsize=(7.6 if columns > 1 else 4.6, 1.7 * rows + 1.1)
        )
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, date, numbers in zip(panels, chosen["time"].to_numpy(), counts, strict=False):
            axes.bar(bins[span], numbers[span], width=wide, color=LINES[0], linewidth=0)
            text = pd.Timestamp(date).strftime("%Y-%m-%d") if are_dates(series) else str(date)
            axes.set_title(text, fontsize=9)
            if not numbers.sum():
                axes.annotate("no valid pixel", (0.5, 0.5), xycoords="axes fraction", ha="center", fontsize=8)
        for axes in panels[len(counts) :]:
            axes.set_axis_off()
        figure.supylabel("pixels", fontsize=9)
        for axes in panels[max(0, len(counts) - columns) : len(counts)]:
            axes.set_xlabel(axis)
            axes.tick_params(labelbottom=True)
        figure.title(heading(series))
        figure.provenance(provenance(series))
    return figure
