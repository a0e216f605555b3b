"""Why a mask leaves pixels out: shares over time, and a map of one date."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from probav import Aoi
from probav.explanation_map import FIRST, NODATA, OUT, VALID
from probav_extensions.figure import NotebookFigure, styled
from probav_extensions.picture import frame, size

# Okabe & Ito (2008); what is no reason is grey or the one green. Lightness differs, too, so that they are
# told apart in print
_VALID, _NODATA, _OUTSIDE, _REST = "#009e73", "#c9c9c9", "#ededed", "#7a5195"
_KNOWN = {
    "cloud": "#56b4e9", "shadow": "#3a3a3a", "snow": "#cc79a7", "sea": "#0072b2", "not land": "#0072b2",
    "undefined": "#f0e442", "other": "#8c510a",
}  # fmt: skip
_FREE = ("#d55e00", "#e69f00", "#8c510a", "#cc79a7", "#56b4e9", "#0072b2", "#f0e442", "#3a3a3a")
_MOST_REASONS = 8
_MAX_PANELS = 6
_ALONE = 8  # days: width of the bar of an only date
_ORDER = "A pixel that fails for several reasons has the colour of the first one, in the order of the mask."
_MAP_WIDTH, _MAP_HEIGHT = 4.8, 5.6  # inches at most
_MAX_SIDE = 1200  # pixels of a map; more can't be seen


def reasons_figure(explained: xr.Dataset) -> NotebookFigure:
    """Draw the shares of valid pixels, of each reason and of no data over time, a panel a zone.

    A pixel that fails for several reasons stands with the first one, in the order of the mask.

    Parameters
    ----------
    explained : xarray.Dataset
        As `Product.explain_mask` returns it.
    """
    zones = explained.sizes["zone"]
    parts, colours = _parts(explained)
    shown = min(zones, _MAX_PANELS)
    left_out = [] if shown == zones else [f"The first {shown} of {zones} zones; all are in the dataset."]
    days = pd.DatetimeIndex(explained["time"].to_numpy())
    width = pd.Series(days).diff().min().days * 0.92 if len(days) > 1 else _ALONE
    names = [str(name) for name in explained["name"].to_numpy()]
    with styled():
        columns = max(1, min(4, 110 // (max(map(len, parts)) + 8)))
        rows = 0.2 * math.ceil(len(parts) / columns)
        inches = [rows, *([1.9] if shown == 1 else [1.4] * shown)]
        figure = NotebookFigure(_alt(explained, parts), figsize=(7.2, sum(inches) + 1.2))
        legend, *panels = figure.subplots(len(inches), 1, height_ratios=inches)
        for axis in panels[1:]:
            axis.sharex(panels[0])
        _legend(legend, {name: colours[name] for name in parts}, columns)
        for zone, axis in enumerate(panels):
            below = np.zeros(len(days))
            for name, values in parts.items():
                axis.bar(
                    days, values[zone] * 100, width, below, color=colours[name], align="edge", linewidth=0
                )
                below += values[zone] * 100
            axis.set_ylim(0, 100)
            axis.set_yticks([0, 50, 100], ["0", "50", "100 %"])
            if zones > 1 or not names[0].isdecimal():
                axis.set_title(names[zone])
        if len(days) == 1:  # the bar would fill the figure
            panels[0].set_xlim(*(days[0] + pd.Timedelta(shift, "D") for shift in (-30, 30 + _ALONE)))
        locator = mdates.AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
        panels[-1].xaxis.set_major_locator(locator)
        panels[-1].xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        figure.title(f"Pixels by {explained.attrs['mask']}")
        figure.provenance(_provenance(explained.attrs), _ORDER, *left_out)
    return figure


def reasons_map_figure(reasons: xr.DataArray, aoi: Aoi | None = None) -> NotebookFigure:
    """Draw where pixels are valid, hold no data, or fail, each coloured by the first reason.

    Parameters
    ----------
    reasons : xarray.DataArray
        As `probav.explanation_map.map_reasons` returns it.
    aoi : Aoi, optional
        To outline.
    """
    codes = reasons.to_numpy()
    names = list(reasons.attrs["reasons"])
    counts = np.bincount(codes.ravel(), minlength=FIRST + len(names))[: FIRST + len(names)]
    own = _colours(names)
    ramp = ["#00000000", _VALID, _NODATA, *(own[name] for name in names)]
    inside = max(1, int(counts[1:].sum()))
    shown = {"valid": VALID, **{name: FIRST + i for i, name in enumerate(names)}, "no data": NODATA}
    legend = {
        f"{name} ({counts[code] / inside:.1%})": ramp[code] for name, code in shown.items() if counts[code]
    }
    bounds, degrees = _edges(reasons), reasons["y"].attrs.get("units") == "degrees_north"
    width, height = size(bounds) if degrees else (4.8, 4.8 * codes.shape[0] / codes.shape[1])
    shrink = min(1.0, _MAP_WIDTH / width, _MAP_HEIGHT / height)
    step = max(1, -(-max(codes.shape) // _MAX_SIDE))
    date = str(reasons["time"].to_numpy())[:10]
    words = ", ".join(legend)
    with styled():
        alt = f"Map: why pixels are left out on {date}: {words}. {_provenance(reasons.attrs)}"
        figure = NotebookFigure(
            alt, figsize=(width * shrink + 2.6, max(height * shrink, 0.2 * len(legend)) + 1.1)
        )
        axes, beside = figure.subplots(1, 2, width_ratios=[width * shrink, 2.1])
        _legend(beside, {textwrap.fill(name, 30): colour for name, colour in legend.items()}, 1)
        axes.imshow(
            codes[::step, ::step], cmap=ListedColormap(ramp), vmin=OUT - 0.5, vmax=len(ramp) - 0.5,
            interpolation="nearest", extent=(bounds[0], bounds[2], bounds[1], bounds[3]),
        )  # fmt: skip
        if degrees:
            if aoi is not None:
                aoi.frame.geometry.boundary.plot(ax=axes, color="#000000", linewidth=0.9)
            frame(axes, bounds)
        figure.title(f"{date}: pixels by {reasons.attrs['mask']}")
        figure.provenance(_provenance(reasons.attrs), _ORDER)
    return figure


def _edges(reasons: xr.DataArray) -> tuple[float, float, float, float]:
    """Return the outer edges of the pixels: west, south, east, north."""
    x, y = reasons["x"].to_numpy(), reasons["y"].to_numpy()
    dx = (x[-1] - x[0]) / (len(x) - 1) / 2 if len(x) > 1 else 0.0
    dy = (y[0] - y[-1]) / (len(y) - 1) / 2 if len(y) > 1 else dx
    dx, dy = dx or dy or 0.5, dy or dx or 0.5
    return float(x[0] - dx), float(y[-1] - dy), float(x[-1] + dx), float(y[0] + dy)


def _parts(explained: xr.Dataset) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    """Return shares (zone, time) that add up to one, from the bottom up, and their colours."""
    count = explained["count"].transpose("zone", "time").to_numpy()

    def share(array: xr.DataArray) -> NDArray[np.float64]:
        own = array.transpose("zone", "time").to_numpy()
        return np.asarray(np.divide(own, count, out=np.zeros_like(own), where=count > 0))

    split = set(explained["term"].to_numpy()[explained["cause"].to_numpy()])
    leaves = {
        str(name): share(explained["first"].isel(reason=i))
        for i, name in enumerate(explained["reason"].to_numpy())
        if bool(explained["cause"][i]) == (explained["term"].to_numpy()[i] in split)
    }
    own = _colours(list(leaves))
    leaves = {name: values for name, values in leaves.items() if values.any()}
    largest = sorted(leaves, key=lambda name: -leaves[name].sum())[:_MOST_REASONS]
    parts = {"valid": share(explained["valid"])}
    parts |= {name: values for name, values in leaves.items() if name in largest}
    if len(leaves) > len(largest):
        rest = [values for name, values in leaves.items() if name not in largest]
        parts["other reasons"] = np.sum(rest, axis=0)
    for name, words in (("nodata", "no data"), ("outside", "outside of the archive")):
        if float(explained[name].sum()):
            parts[words] = share(explained[name])
    fixed = {
        "valid": _VALID,
        "no data": _NODATA,
        "outside of the archive": _OUTSIDE,
        "other reasons": _REST,
    }
    return parts, own | fixed


def _colours(names: list[str]) -> dict[str, str]:
    """Return a colour for each reason: clouds always have the same one, whatever else there is."""
    found: dict[str, str] = {}
    for name in names:
        known = _KNOWN.get(name.rpartition(": ")[2])
        if known is not None and known not in found.values():
            found[name] = known
    free = [colour for colour in _FREE if colour not in found.values()]
    for name in names:
        if name not in found:
            found[name] = free.pop(0) if free else _REST
    return found


def _legend(axis: Any, colours: dict[str, str], columns: int) -> None:
    axis.set_axis_off()
    handles = [
        Patch(facecolor=colour, edgecolor="#777777", linewidth=0.4, label=name)
        for name, colour in colours.items()
    ]
    axis.legend(handles=handles, loc="upper left", ncols=columns, borderaxespad=0, borderpad=0,
                columnspacing=1.4, handlelength=1.4)  # fmt: skip


def _provenance(attrs: dict[Any, Any]) -> str:
    parts = [str(attrs[name]) for name in ("product", "variable") if attrs.get(name)]
    parts += [f"{name}: {attrs[name]}" for name in ("mask", "coverage", "snapshot") if attrs.get(name)]
    return " · ".join(parts)


def _alt(explained: xr.Dataset, parts: dict[str, NDArray[np.float64]]) -> str:
    days = pd.DatetimeIndex(explained["time"].to_numpy())
    total = float(explained["count"].sum())
    count = explained["count"].transpose("zone", "time").to_numpy()
    shares = ", ".join(
        f"{name} {float((values * count).sum()) / max(total, 1):.1%}" for name, values in parts.items()
    )
    return (
        f"Chart: why pixels are left out, {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}, "
        f"{explained.sizes['zone']} zone(s): {shares}. {_provenance(explained.attrs)}"
    )
