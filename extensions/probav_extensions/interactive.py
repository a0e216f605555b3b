"""The chart of a time series to work with: Bokeh's hover, legend and range tool, of the twin's data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from bokeh.layouts import column
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    HoverTool,
    IndexFilter,
    LinearAxis,
    NumeralTickFormatter,
    Range1d,
    RangeTool,
    SaveTool,
    WheelZoomTool,
)
from bokeh.models.annotations import Legend, LegendItem, Span, Title
from bokeh.plotting import figure
from numpy.typing import NDArray

from probav_extensions.colours import GREY, LINES, SECOND, SECOND_ALPHA, WEAK
from probav_extensions.series import ENOUGH, Second, Shown, are_dates, heading, label

_WIDEST = 1000  # pixels
_HEIGHT, _PANEL_HEIGHT, _SHARE_HEIGHT = 320, 200, 90
_NOTE_HEIGHT = 21
_LEFT = 70  # pixels for an axis and its words: panels stand above each other
_RIGHT = 64
_TOOLS = "xpan,box_zoom,undo,redo,reset"
_PARTS = ("valid", "masked", "nodata")
_LETTERS = 160  # of a line beneath
_TOP = 2.2  # times the highest bar: the lines stay above


def interactive(shown: Shown) -> Any:
    """Build the chart.

    Returns
    -------
    bokeh.models.Column
        The panels, and beneath them the share of valid pixels with the range tool.
    """
    dated, several = are_dates(shown.series), len(shown.panels) > 1
    x_range = _x_range(shown.series["time"].to_numpy())
    plots: list[Any] = []
    sources: list[Any] = []
    items: dict[str, list[Any]] = {}
    for number, (title, lines) in enumerate(shown.panels):
        plot = _empty(dated, _PANEL_HEIGHT if several else _HEIGHT, x_range)
        if plots:  # the ranges are one, hence one toolbar does
            plot.y_range = plots[0].y_range
        plot.toolbar_location = None if plots else "above" if several else "right"
        plot.yaxis.axis_label = label(shown.series, shown.middle)
        if shown.second is not None:
            seconds = _second(plot, shown.second, shown.second.panels[number])
        for colour, (text, line) in zip(LINES, lines, strict=False):
            sources.append(_source(line, shown.middle, shown.spread))
            items.setdefault(text, []).extend(_line(plot, shown, text, sources[-1], colour))
        _no_values(plot, shown.empty(number))
        if shown.second is not None:
            items.setdefault(f"{label(shown.second.series, shown.second.middle)} (right)", []).extend(seconds)
        if title:
            plot.add_layout(Title(text=title, text_font_size="9pt"), "above")
        plots.append(plot)
    # one legend for all panels: a click hides a line in each
    legend = Legend(
        items=[LegendItem(label=text, renderers=own) for text, own in items.items()], click_policy="hide",
        ncols=min(4, len(items)), border_line_color=None, label_text_font_size="9pt", margin=2,
    )  # fmt: skip
    plots[0].add_layout(legend, "above")
    plots[0].add_layout(Title(text=heading(shown.series), text_font_size="11pt"), "above")
    plots.append(_share(shown, x_range, sources))
    notes = [piece for words in _key(shown) + shown.notes for piece in _folded(words)]
    plots[-1].height += _NOTE_HEIGHT * len(notes)
    for note in notes:
        plots[-1].add_layout(
            Title(text=note, text_font_size="7.5pt", text_font_style="normal", text_color="#555555"), "below"
        )
    return column(*plots, sizing_mode="stretch_width", max_width=_WIDEST)


def _key(shown: Shown) -> list[str]:
    band = "" if shown.spread is None else f"band: {shown.spread[0]} to {shown.spread[1]} · "
    return [f"{band}grey dot: less than half valid · tick at the bottom: no valid pixel"]


def _folded(note: str) -> list[str]:
    words: list[str] = []
    for part in note.split(" · "):
        if words and len(words[-1]) + len(part) < _LETTERS:
            words[-1] += f" · {part}"
        else:
            words.append(part)
    return words


def _x_range(times: NDArray[Any]) -> Any:
    """Return the range of all times with a margin: a range tool wants numbers, not a fit to what is seen."""
    if np.issubdtype(times.dtype, np.datetime64):
        times = times.astype("datetime64[ms]").astype(float)
        least = 30 * 86_400_000.0
    else:
        times, least = times.astype(float), 1.0
    low, high = (float(times.min()), float(times.max())) if len(times) else (0.0, 1.0)
    margin = (high - low) * 0.02 or least
    return Range1d(start=low - margin, end=high + margin)


def _empty(dated: bool, height: int, x_range: Any, tools: str = _TOOLS) -> Any:
    plot = figure(
        height=height, sizing_mode="stretch_width", max_width=_WIDEST, tools=tools,
        x_axis_type="datetime" if dated else "linear", x_range=x_range, min_border_left=_LEFT,
        min_border_right=_RIGHT,
    )  # fmt: skip
    if tools:
        # a wheel that zooms at once would stop who scrolls through the notebook
        plot.add_tools(WheelZoomTool(dimensions="width"), SaveTool(filename="probav-chart"))
        plot.toolbar.active_scroll = None
    plot.toolbar.logo = None
    plot.outline_line_color = None
    plot.grid.grid_line_color = "#e6e6e6"
    return plot


def _source(line: xr.Dataset, middle: str, spread: tuple[str, str] | None) -> Any:
    """Return a line's numbers, with what the hover says of them."""
    data: dict[str, Any] = {
        "time": line["time"].to_numpy(),
        "value": line[middle].to_numpy().astype(float),
        "share": line["valid_fraction"].to_numpy().astype(np.float32),
        **{name: line[name].to_numpy().astype(np.float32) for name in _PARTS},
    }
    if spread is not None:
        ends = zip(("low", "high"), spread, strict=True)
        data |= {end: line[name].to_numpy().astype(float) for end, name in ends}
    return ColumnDataSource(data, name="series")


def _line(plot: Any, shown: Shown, text: str, source: Any, colour: str) -> list[Any]:
    value, share = source.data["value"], source.data["share"]
    there = np.isfinite(value)
    weak = there & (share < ENOUGH)
    renderers = []
    if shown.spread is not None:
        renderers.append(_band(plot, source.data, colour))
    before, after = _gaps(there)
    if len(before):
        times = source.data["time"]
        renderers.append(
            plot.segment(
                times[before], value[before], times[after], value[after], line_color=colour,
                line_dash="dotted", line_alpha=0.8, name="gaps",
            )
        )  # fmt: skip
    renderers.append(plot.line("time", "value", source=source, line_color=colour, line_width=1.7, name=text))
    dots = plot.scatter("time", "value", source=source, size=6, fill_color=colour, line_color=colour)
    if weak.any():
        view = CDSView(filter=IndexFilter(indices=np.flatnonzero(weak).tolist()))
        grey = plot.scatter(
            "time", "value", source=source, view=view, size=6, fill_color=WEAK, line_color=GREY
        )
        renderers.append(grey)  # before the dots, of which the legend is to tell
    renderers.append(dots)
    plot.add_tools(_hover(text, shown.series, shown.middle, shown.spread, [dots]))
    plot.y_range.renderers = [*(plot.y_range.renderers or []), *renderers]  # bars have an axis of their own
    return renderers


def _gaps(there: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places before and after each gap."""
    places = np.flatnonzero(there)
    jump = np.diff(places) > 1
    return places[:-1][jump], places[1:][jump]


def _band(plot: Any, data: dict[str, Any], colour: str) -> Any:
    """Draw the spread as an area for each run of dates with values: Bokeh's own area joins over gaps."""
    there = np.isfinite(data["low"]) & np.isfinite(data["high"])
    edges = np.flatnonzero(np.diff(np.pad(there.astype(np.int8), 1)))
    times = data["time"]
    if np.issubdtype(times.dtype, np.datetime64):
        times = times.astype("datetime64[ms]").astype(float)
    runs = [slice(start, stop) for start, stop in edges.reshape(-1, 2)]
    source: dict[str, Any] = {
        "xs": [[*times[run], *times[run][::-1]] for run in runs],
        "ys": [[*data["low"][run], *data["high"][run][::-1]] for run in runs],
    }
    return plot.patches(
        "xs", "ys", source=ColumnDataSource(source), fill_color=colour, fill_alpha=0.16, line_color=colour,
        line_alpha=0.16,
    )  # fmt: skip


def _no_values(plot: Any, times: NDArray[Any]) -> None:
    """Tick dates on which no line of a panel has a value, at the bottom whatever the axis shows."""
    if len(times):
        plot.extra_y_ranges["bottom"] = Range1d(start=0, end=1)
        plot.scatter(
            times, np.full(len(times), 0.02), marker="dash", angle=np.pi / 2, size=9, line_color=GREY,
            line_width=1.5, y_range_name="bottom",
        )  # fmt: skip


def _hover(
    text: str, series: xr.Dataset, middle: str, spread: tuple[str, str] | None, renderers: list[Any]
) -> Any:
    dated = are_dates(series)
    units = str(series.attrs.get("units", "1"))
    unit = "" if units in ("", "1") else f" {units}"
    rows = [
        (
            "",
            (heading(series) if text.isdecimal() else text).replace("@", "@\u200b").replace("$", "$\u200b"),
        ),  # a name is no field
        ("date", "@time{%Y-%m-%d}")
        if dated
        else (str(series["time"].attrs.get("long_name", "time")), "@time"),
        (middle, f"@value{{0.0000}}{unit}"),
        ("valid", "@share{0.0 %}"),
        *((f"{name} pixels", f"@{name}{{0,0.0}}") for name in _PARTS),
    ]
    if spread is not None:
        rows.insert(3, (" to ".join(spread), "@low{0.0000} to @high{0.0000}"))
    return HoverTool(
        renderers=renderers, tooltips=rows, formatters={"@time": "datetime"} if dated else {}, mode="mouse",
        point_policy="snap_to_data", visible=False, description=f"{text}: {middle} and counts",
    )  # fmt: skip


def _second(plot: Any, second: Second, lines: list[tuple[str, xr.Dataset]]) -> list[Any]:
    """Draw another variable behind the lines, on an axis at the right."""
    values = [line[second.middle].to_numpy().astype(float) for _, line in lines]
    known = np.concatenate([value[np.isfinite(value)] for value in values] or [np.zeros(0)])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    margin = (high - low) * 0.05 or 1.0
    start, end = (0.0, high * _TOP or 1.0) if second.bars else (low - margin, high + margin)
    plot.extra_y_ranges["second"] = Range1d(start=start, end=end)
    words = label(second.series, second.middle)
    plot.add_layout(LinearAxis(y_range_name="second", axis_label=words), "right")
    width: Any = pd.Timedelta(days=second.days) if are_dates(second.series) else second.days
    renderers = []
    for colour, (text, line) in zip(LINES, lines, strict=False):
        source = _source(line, second.middle, None)
        if second.bars:
            glyph = plot.vbar(
                "time", width=width, top="value", source=source, y_range_name="second", name="second",
                fill_color=SECOND, fill_alpha=SECOND_ALPHA, line_color=None, level="underlay",
            )  # fmt: skip
        else:
            glyph = plot.line(
                "time", "value", source=source, y_range_name="second", name="second", line_dash="dashed",
                line_color=SECOND if len(lines) == 1 else colour,
            )  # fmt: skip
        plot.add_tools(_hover(text, second.series, second.middle, None, [glyph]))
        renderers.append(glyph)
    return renderers


def _shares(panel: xr.Dataset) -> Any:
    share = panel["valid_fraction"].to_numpy().astype(np.float32)
    return ColumnDataSource({"time": panel["time"].to_numpy(), "share": share}, name="share")


def _share(shown: Shown, x_range: Any, sources: list[Any]) -> Any:
    """Draw the share of valid pixels of all dates, on which the dates shown above are chosen."""
    dated = are_dates(shown.series)
    margin = (x_range.end - x_range.start) * 0.02  # the edges of the box lie within: they can be dragged
    all_times = Range1d(start=x_range.start - margin, end=x_range.end + margin)
    plot = _empty(dated, _SHARE_HEIGHT, all_times, tools="")
    plot.y_range = Range1d(start=0, end=1.04)
    colours = LINES if len(shown.panels) == 1 else [GREY] * len(shown.panels)
    if len(shown.panels) > 1:  # of several lines together
        sources = [_shares(line) for _, line in shown.shares]
    for colour, data in zip(colours, sources, strict=False):
        plot.line("time", "share", source=data, line_color=colour, line_alpha=0.8)
        plot.scatter("time", "share", source=data, color=colour, alpha=0.8, size=2)
    plot.add_layout(
        Span(location=ENOUGH, dimension="width", line_color=GREY, line_dash="dashed", line_width=1)
    )
    plot.yaxis.axis_label = "valid"
    plot.yaxis.ticker = [0, 0.5, 1]
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    if not dated:
        plot.xaxis.axis_label = str(shown.series["time"].attrs.get("long_name", ""))
    tool = RangeTool(x_range=x_range)
    tool.overlay.fill_color, tool.overlay.fill_alpha = LINES[0], 0.08
    plot.add_tools(tool)
    plot.toolbar_location = None
    return plot
