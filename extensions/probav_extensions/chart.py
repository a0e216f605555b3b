"""The chart of a time series of statistics, with the share of valid pixels beneath it."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from probav_extensions.colours import GREY, LINES, WEAK
from probav_extensions.figure import NotebookFigure, styled

ENOUGH = 0.5  # of the pixels valid: a value of fewer is marked
_MAX_LINES = len(LINES)
_MAX_PANELS = 6
_MAX_BANDS = 3  # more spreads than these hide each other
_MIDDLES = ("mean", "p50", "median", "max", "min", "std")
_SPREADS = (("p10", "p90"), ("p25", "p75"), ("p5", "p95"), ("min", "max"))


def timeseries_figure(series: xr.Dataset) -> NotebookFigure:
    """Draw statistics over time.

    A line a zone, or a panel a zone and a line a class. Where there is no value the line is dotted; a date
    without any valid pixel gets a tick at the bottom, a value of less than half of the pixels a grey marker.

    Parameters
    ----------
    series : xarray.Dataset
        As `Product.statistics` returns it for one variable: (zone, [class, [class2,]] time).

    Returns
    -------
    NotebookFigure
        A matplotlib figure: `savefig` writes it as PNG, SVG or PDF.
    """
    series = _crossed(series.drop_dims("bin", errors="ignore"))
    middle = next((name for name in _MIDDLES if name in series), None) or _first_reducer(series)
    spread = next((pair for pair in _SPREADS if pair[0] in series and pair[1] in series), None)
    panels, left_out = _panels(series)
    lines = max(len(panel) for _, panel in panels)
    with styled():
        figure = NotebookFigure(_alt(series, middle), figsize=(1, 1))
        labels = [label for label, _ in panels[0][1]]
        columns = max(2, min(5, 100 // (max(map(len, labels)) + 8)))
        legend_inches = 0.2 * math.ceil((len(labels) + 3) / columns)
        inches = [legend_inches, *([2.7] if len(panels) == 1 else [1.6] * len(panels)), 0.65]
        figure.set_size_inches(7.2, sum(inches) + 1.2)
        grid = figure.add_gridspec(len(inches), 1, height_ratios=inches)
        axes: list[Any] = []
        for number, (title, panel) in enumerate(panels, 1):
            shared = axes[0] if axes else None
            axis = figure.add_subplot(grid[number], sharex=shared, sharey=shared)
            axes.append(axis)
            for colour, (_, line) in zip(LINES, panel, strict=False):
                if spread is not None and lines <= _MAX_BANDS:
                    _band(axis, line, spread, colour)
                _line(axis, line, middle, colour, size=3.2 if lines == 1 else 2.0)
            axis.set_title(title)
            axis.set_ylabel(_label(series, middle))
            axis.tick_params(labelbottom=False)
        _no_values(axes, panels)
        _share(figure.add_subplot(grid[-1], sharex=axes[0]), panels, _are_dates(series))
        texts = [middle] if lines == 1 else labels
        _legend(figure.add_subplot(grid[0]), texts, columns, spread if lines <= _MAX_BANDS else None)
        figure.suptitle(_heading(series), x=0.01, ha="left", fontsize=11, fontweight="bold")
        figure.provenance(_provenance(series), *left_out)
    return figure


def series_of_each(series: xr.Dataset) -> list[xr.Dataset]:
    """Return the statistics of each variable, as one dataset a variable of its own name and units."""
    if "variable" not in series.dims:
        return [series]
    found = []
    for name in series["variable"].to_numpy():
        one = series.sel(variable=name)
        own = {"variable": str(name), "long_name": str(name), "units": str(one["units"].item())}
        found.append(one.drop_vars(["variable", "units"]).assign_attrs(own))
    return found


def series_table(series: xr.Dataset) -> pd.DataFrame:
    """Return statistics as a flat table, a row a variable, zone, class and date, without the geometries."""
    series = series.drop_vars("geometry", errors="ignore")
    flat = series.drop_dims("bin", errors="ignore").to_dataframe().reset_index()
    keys = ("variable", "zone", "name", "class", "class_name", "class2", "class2_name", "time")
    names = [name for name in keys if name in flat]
    if "name" in names and (flat["name"].astype(str) == flat["zone"].astype(str)).all():
        names.remove("name")
    counts = ("valid", "valid_fraction", "masked", "nodata", "outside", "count")
    rest = [name for name in series.data_vars if name not in counts and name in flat]
    ordered = [*names, *rest, *(name for name in counts if name in flat)]
    flat = flat[ordered].rename(columns={"time": "date"})
    if _are_dates(series):
        flat["date"] = flat["date"].dt.strftime("%Y-%m-%d")
    return flat


def _are_dates(series: xr.Dataset) -> bool:
    """Return whether time is a date, and not a dekad or month of any year."""
    return np.issubdtype(series["time"].dtype, np.datetime64)


def _crossed(series: xr.Dataset) -> xr.Dataset:
    """Make one stratum of two."""
    if "class2" not in series.dims:
        return series
    pairs = [
        f"{one}, {other}"
        for one in series["class_name"].to_numpy()
        for other in series["class2_name"].to_numpy()
    ]
    apart = series.drop_vars(["class_name", "class2_name"])
    flat = apart.stack(both=("class", "class2"))  # noqa: PD013 - of xarray
    flat = flat.drop_vars(["both", "class", "class2"]).rename(both="class")
    flat = flat.assign_coords({"class": np.arange(len(pairs)), "class_name": ("class", pairs)})
    return flat.transpose("zone", "class", "time", ...)


def _first_reducer(series: xr.Dataset) -> str:
    counts = {"count", "valid", "masked", "nodata", "outside", "valid_fraction"}
    return str(next((name for name in series.data_vars if name not in counts), "valid_fraction"))


def _panels(series: xr.Dataset) -> tuple[list[tuple[str, list[tuple[str, xr.Dataset]]]], list[str]]:
    """Return (title, [(label, one series over time)]) a panel, and what had to be left out, in words."""
    zones = _names(series, "zone", "name")
    left_out = []
    if "class" not in series.dims:
        if len(zones) > _MAX_LINES:
            left_out.append(f"The first {_MAX_LINES} of {len(zones)} zones; all are in the dataset.")
        lines = [(name, series.isel(zone=i)) for i, name in enumerate(zones[:_MAX_LINES])]
        return [(_title(zones), lines)], left_out
    valid = series["valid"].sum(("zone", "time")).to_numpy()
    order = [int(i) for i in np.argsort(-valid, kind="stable")[:_MAX_LINES] if valid[i] > 0] or [0]
    if len(order) < (valid > 0).sum():
        left_out.append(f"The {len(order)} largest of {(valid > 0).sum()} classes; all are in the dataset.")
    if len(zones) > _MAX_PANELS:
        left_out.append(f"The first {_MAX_PANELS} of {len(zones)} zones; all are in the dataset.")
    classes = _names(series, "class", "class_name")
    return [
        (
            name if len(zones) > 1 else _title(zones),
            [(classes[c], series.isel({"zone": z, "class": c})) for c in order],
        )
        for z, name in enumerate(zones[:_MAX_PANELS])
    ], left_out


def _title(zones: list[str]) -> str:
    """Return the name of an only zone, unless it is a number for want of a name."""
    return zones[0] if len(zones) == 1 and not zones[0].isdecimal() else ""


def _names(series: xr.Dataset, dim: str, coordinate: str) -> list[str]:
    """Return labels of a dimension: the names where they tell members apart, else the keys."""
    keys = [str(key) for key in series[dim].to_numpy()]
    names = [str(name) for name in series[coordinate].to_numpy()] if coordinate in series.coords else keys
    return [
        name if names.count(name) == 1 else f"{name} ({key})" for name, key in zip(names, keys, strict=True)
    ]


def _line(axis: Any, line: xr.Dataset, middle: str, colour: str, size: float) -> None:
    times, values = line["time"].to_numpy(), line[middle].to_numpy().astype(float)
    there = np.isfinite(values)
    weak = there & (line["valid_fraction"].to_numpy() < ENOUGH)
    axis.plot(times[there], values[there], ":", color=colour, linewidth=0.8, alpha=0.6)
    axis.plot(times, values, color=colour, linewidth=1.5 if size > 3 else 1.1)
    axis.plot(times[there & ~weak], values[there & ~weak], "o", color=colour, markersize=size)
    axis.plot(times[weak], values[weak], "o", color=WEAK, markeredgecolor=GREY, markeredgewidth=0.7,
              markersize=size, zorder=3)  # fmt: skip


def _band(axis: Any, line: xr.Dataset, spread: tuple[str, str], colour: str) -> None:
    low, high = (line[name].to_numpy().astype(float) for name in spread)
    times = line["time"].to_numpy()
    axis.fill_between(times, low, high, color=colour, alpha=0.16, linewidth=0)
    there = np.pad(np.isfinite(low), 1)
    alone = there[1:-1] & ~there[:-2] & ~there[2:]  # a band needs two dates
    axis.vlines(times[alone], low[alone], high[alone], color=colour, alpha=0.2, linewidth=2)


def _no_values(axes: list[Any], panels: list[tuple[str, list[tuple[str, xr.Dataset]]]]) -> None:
    """Tick dates on which no line of a panel has a value."""
    for axis, (_, panel) in zip(axes, panels, strict=True):
        empty = np.logical_and.reduce([line["valid"].to_numpy() == 0 for _, line in panel])
        times = panel[0][1]["time"].to_numpy()[empty]
        if len(times):
            axis.plot(times, np.zeros(len(times)), "|", color=GREY, markersize=5, markeredgewidth=1,
                      transform=axis.get_xaxis_transform(), clip_on=False)  # fmt: skip


def _share(axis: Any, panels: list[tuple[str, list[tuple[str, xr.Dataset]]]], are_dates: bool) -> None:
    """Draw the share of valid pixels; of the whole panel where a panel is split into classes."""
    lines = panels[0][1] if len(panels) == 1 else []
    if not lines:
        lines = [(title, _whole(panel)) for title, panel in panels]
    colours = LINES if len(panels) == 1 else [GREY] * _MAX_PANELS
    for colour, (_, line) in zip(colours, lines, strict=False):
        where = line["time"].to_numpy(), line["valid_fraction"].to_numpy() * 100
        axis.plot(*where, color=colour, linewidth=0.8, alpha=0.8, marker="o", markersize=1.5)
    axis.axhline(ENOUGH * 100, color=GREY, linewidth=0.6, linestyle="--")
    axis.set_ylim(0, 104)
    axis.set_yticks([0, 50, 100], ["0", "50", "100 %"])
    axis.set_ylabel("valid")
    time = panels[0][1][0][1]["time"]
    times = time.to_numpy()
    if not are_dates:
        axis.set_xlabel(time.attrs.get("long_name", ""))
        return
    if len(times) == 1:  # matplotlib would show four years around it
        axis.set_xlim(times[0] - np.timedelta64(30, "D"), times[0] + np.timedelta64(30, "D"))
    locator = mdates.AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _whole(panel: list[tuple[str, xr.Dataset]]) -> xr.Dataset:
    names = ("valid", "masked", "nodata")
    total = sum(line[name].to_numpy() for _, line in panel for name in names)
    valid = sum(line["valid"].to_numpy() for _, line in panel)
    share = np.divide(valid, total, out=np.zeros_like(total, dtype=float), where=total > 0)
    return xr.Dataset({"valid_fraction": ("time", share)}, {"time": panel[0][1]["time"]})


def _legend(axis: Any, texts: list[str], columns: int, spread: tuple[str, str] | None) -> None:
    axis.set_axis_off()
    colours = LINES[: len(texts)]
    handles: list[Any] = [Line2D([], [], color=colour, marker="o", markersize=3) for colour in colours]
    words = list(texts)
    if spread is not None:
        handles.append(Patch(color=LINES[0] if len(texts) == 1 else GREY, alpha=0.2, linewidth=0))
        words.append(f"{spread[0]} to {spread[1]}")
    dot = Line2D([], [], linestyle="", marker="o", color=WEAK, markeredgecolor=GREY, markersize=3.5)
    tick = Line2D([], [], linestyle="", marker="|", color=GREY, markersize=5)
    axis.legend([*handles, dot, tick], [*words, "less than half valid", "no valid pixel"], loc="upper left",
                ncols=columns, borderaxespad=0, borderpad=0, columnspacing=1.4, handlelength=1.6)  # fmt: skip


def _label(series: xr.Dataset, middle: str) -> str:
    units = str(series.attrs.get("units", "1"))
    variable = str(series.attrs.get("variable", ""))
    return f"{middle} {variable}" + (f" [{units}]" if units not in ("", "1") else "")


def _heading(series: xr.Dataset) -> str:
    return str(series.attrs.get("long_name") or series.attrs.get("variable", ""))


def _provenance(series: xr.Dataset) -> str:
    attrs = series.attrs
    parts = [str(attrs[name]) for name in ("product", "variable") if attrs.get(name)]
    parts += [f"{name}: {attrs[name]}" for name in ("mask", "by", "coverage", "snapshot") if attrs.get(name)]
    return " · ".join(parts)


def _alt(series: xr.Dataset, middle: str) -> str:
    values = series[middle].to_numpy()
    dates = [str(date)[:10] for date in series["time"].to_numpy()]
    span = f"{dates[0]} to {dates[-1]}" if dates else "no date"
    words = f"Chart: {middle} {series.attrs.get('variable', '')}, {span}, {series.sizes['zone']} zone(s)"
    if "class" in series.dims:
        words += f", {series.sizes['class']} classes"
    if np.isfinite(values).any():
        words += f"; values from {np.nanmin(values):.4g} to {np.nanmax(values):.4g}"
    return words + f". {_provenance(series)}"
