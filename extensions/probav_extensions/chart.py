"""The chart of a time series of statistics, with the share of valid pixels beneath it."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from probav_extensions.colours import GREY, LINES, SECOND, SECOND_ALPHA, WEAK
from probav_extensions.figure import NotebookFigure, styled
from probav_extensions.series import ENOUGH, Second, Shown, are_dates, heading, label

PAGE = 7.2  # inches: the text of an A4 page
COLUMN = 3.5  # one of two columns of a journal


def timeseries_figure(
    series: xr.Dataset, secondary: xr.Dataset | None = None, width: float = PAGE
) -> NotebookFigure:
    """Draw statistics over time.

    A line a zone, or a panel a zone and a line a class. Where there is no value the line is dotted; a date
    without any valid pixel gets a tick at the bottom, a value of less than half of the pixels a grey marker.

    Parameters
    ----------
    series : xarray.Dataset
        As `Product.statistics` returns it for one variable: (zone, [class, [class2,]] time).
    secondary : xarray.Dataset, optional
        Another variable without classes, such as rainfall, on an axis of its own at the right: bars where it
        is amounts of one zone, else dashed lines in the colours of the zones.
    width : float
        Inches; `COLUMN` for one column of a journal.

    Returns
    -------
    NotebookFigure
        A matplotlib figure: `savefig` writes it as PNG, SVG or PDF.
    """
    return draw(Shown.of(series, secondary), width)


def draw(shown: Shown, width: float = PAGE) -> NotebookFigure:
    """Draw what is shown of a series, `width` inches wide."""
    series, middle, spread, panels = shown.series, shown.middle, shown.spread, shown.panels
    lines = max(len(panel) for _, panel in panels)
    with styled():
        figure = NotebookFigure(shown.alt, figsize=(1, 1))
        labels = shown.labels
        columns = max(1, min(5, int(width * 14) // (max(15, *map(len, labels)) + 8)))
        legend_inches = 0.2 * math.ceil((len(labels) + 4) / columns)
        inches = [legend_inches, *([2.7] if len(panels) == 1 else [1.6] * len(panels)), 0.65]
        figure.set_size_inches(width, sum(inches) + 1.2)
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
            axis.set_title(title)
            axis.set_ylabel(label(series, middle))
            axis.tick_params(labelbottom=False)
            if shown.second is not None:
                _second(axis, shown.second, shown.second.panels[number - 1])
        for number, axis in enumerate(axes):
            _no_values(axis, shown.empty(number))
        _share(figure.add_subplot(grid[-1], sharex=axes[0]), shown)
        texts = [middle] if lines == 1 else labels
        _legend(figure.add_subplot(grid[0]), texts, columns, spread, shown.second)
        figure.title(heading(series))
        figure.provenance(*shown.notes)
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


def _second(axis: Any, second: Second, lines: list[tuple[str, xr.Dataset]]) -> None:
    """Draw the second variable behind the first, on an axis at the right."""
    other = axis.twinx()
    other.set_zorder(axis.get_zorder() - 1)
    axis.patch.set_visible(False)
    for colour, (_, line) in zip(LINES, lines, strict=False):
        times, values = line["time"].to_numpy(), line[second.middle].to_numpy().astype(float)
        if second.bars:
            width: Any = np.timedelta64(round(second.days * 24), "h") if are_dates(line) else second.days
            other.bar(times, values, width, color=SECOND, alpha=SECOND_ALPHA, align="center")
        else:
            other.plot(
                times, values, "--", linewidth=1, color=SECOND if len(lines) == 1 else colour, alpha=0.8
            )
    if second.bars:
        top = other.get_ylim()[1]
        other.set_ylim(0, top * 2 or 1)  # bars stay beneath the lines
    other.spines["right"].set_visible(True)
    other.grid(visible=False)
    other.set_ylabel(label(second.series, second.middle))


def _no_values(axis: Any, times: NDArray[Any]) -> None:
    """Tick dates on which no line of a panel has a value."""
    if len(times):
        axis.plot(times, np.zeros(len(times)), "|", color=GREY, markersize=5, markeredgewidth=1,
                  transform=axis.get_xaxis_transform(), clip_on=False)  # fmt: skip


def _share(axis: Any, shown: Shown) -> None:
    """Draw the share of valid pixels; of the whole panel where a panel is split into classes."""
    colours = LINES if len(shown.panels) == 1 else [GREY] * len(shown.panels)
    for colour, (_, line) in zip(colours, shown.shares, strict=False):
        where = line["time"].to_numpy(), line["valid_fraction"].to_numpy() * 100
        axis.plot(*where, color=colour, linewidth=0.8, alpha=0.8, marker="o", markersize=1.5)
    axis.axhline(ENOUGH * 100, color=GREY, linewidth=0.6, linestyle="--")
    axis.set_ylim(0, 104)
    axis.set_yticks([0, 50, 100], ["0", "50", "100 %"])
    axis.set_ylabel("valid")
    time = shown.series["time"]
    times = time.to_numpy()
    if not are_dates(shown.series):
        axis.set_xlabel(time.attrs.get("long_name", ""))
        return
    if len(times) == 1:  # matplotlib would show four years around it
        axis.set_xlim(times[0] - np.timedelta64(30, "D"), times[0] + np.timedelta64(30, "D"))
    locator = mdates.AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _legend(
    axis: Any, texts: list[str], columns: int, spread: tuple[str, str] | None, second: Second | None
) -> None:
    axis.set_axis_off()
    colours = LINES[: len(texts)]
    handles: list[Any] = [Line2D([], [], color=colour, marker="o", markersize=3) for colour in colours]
    words = list(texts)
    if spread is not None:
        handles.append(Patch(color=LINES[0] if len(texts) == 1 else GREY, alpha=0.2, linewidth=0))
        words.append(f"{spread[0]} to {spread[1]}")
    if second is not None:
        style: dict[str, Any] = {"color": SECOND if max(map(len, second.panels)) <= 1 else GREY}
        handles.append(
            Patch(**style, alpha=SECOND_ALPHA, linewidth=0)
            if second.bars
            else Line2D([], [], linestyle="--", **style)
        )
        words.append(f"{label(second.series, second.middle)} (right)")
    dot = Line2D([], [], linestyle="", marker="o", color=WEAK, markeredgecolor=GREY, markersize=3.5)
    tick = Line2D([], [], linestyle="", marker="|", color=GREY, markersize=5)
    axis.legend([*handles, dot, tick], [*words, "less than half valid", "no valid pixel"], loc="upper left",
                ncols=columns, borderaxespad=0, borderpad=0, columnspacing=1.4, handlelength=1.6)  # fmt: skip
