"""The chart of a time series of statistics, with the share of valid pixels beneath it."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from probav_extensions.colours import GREY, LINES, SECOND, WEAK
from probav_extensions.figure import NotebookFigure, styled
from probav_extensions.series import ENOUGH, Shown, alt, are_dates, heading, label, provenance, whole

_MAX_PANELS = 6


def timeseries_figure(series: xr.Dataset, secondary: xr.Dataset | None = None) -> NotebookFigure:
    """Draw statistics over time.

    A line a zone, or a panel a zone and a line a class. Where there is no value the line is dotted; a date
    without any valid pixel gets a tick at the bottom, a value of less than half of the pixels a grey marker.

    Parameters
    ----------
    series : xarray.Dataset
        As `Product.statistics` returns it for one variable: (zone, [class, [class2,]] time).
    secondary : xarray.Dataset, optional
        Statistics of another variable, rainfall for instance: bars of its first zone, with an axis at the right.

    Returns
    -------
    NotebookFigure
        A matplotlib figure: `savefig` writes it as PNG, SVG or PDF.
    """
    shown = Shown.of(series)
    other = Shown.of(secondary) if secondary is not None else None
    series, middle, spread, panels = shown.series, shown.middle, shown.spread, shown.panels
    lines = max(len(panel) for _, panel in panels)
    with styled():
        figure = NotebookFigure(alt(series, middle), figsize=(1, 1))
        labels = shown.labels
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
                if spread is not None:
                    _band(axis, line, spread, colour)
                _line(axis, line, middle, colour, size=3.2 if lines == 1 else 2.0)
            if other is not None:
                _bars(axis, other)
            axis.set_title(title)
            axis.set_ylabel(label(series, middle))
            axis.tick_params(labelbottom=False)
        _no_values(axes, panels)
        _share(figure.add_subplot(grid[-1], sharex=axes[0]), panels, are_dates(series))
        texts = [middle] if lines == 1 else labels
        _legend(figure.add_subplot(grid[0]), texts, columns, spread)
        figure.suptitle(heading(series), x=0.01, ha="left", fontsize=11, fontweight="bold")
        figure.provenance(provenance(series), *shown.left_out)
    return figure


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


def _bars(axis: Any, shown: Shown) -> None:
    """Draw another variable as bars behind the lines, from an axis at the right."""
    _, lines = shown.panels[0]
    _, line = lines[0]
    times, values = line["time"].to_numpy(), line[shown.middle].to_numpy().astype(float)
    step = np.median(np.diff(times)) if len(times) > 1 else np.timedelta64(10, "D")
    right = axis.twinx()
    right.bar(times, values, width=step * 0.8, color=SECOND, alpha=0.3, linewidth=0)
    highest = np.nanmax(values) if np.isfinite(values).any() else 1.0
    right.set_ylim(0, float(highest) * 2.2)  # the lines stay above
    right.set_ylabel(label(shown.series, shown.middle))
    right.spines["right"].set_visible(True)
    right.grid(visible=False)
    axis.set_zorder(right.get_zorder() + 1)
    axis.patch.set_visible(False)


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
        lines = [(title, whole(panel)) for title, panel in panels]
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
