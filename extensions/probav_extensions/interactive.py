"""The chart of a time series to work with: Bokeh's hover, legend and range tool, of the twin's data."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from bokeh.layouts import column
from bokeh.models import (
    ColumnDataSource,
    DataRange1d,
    HoverTool,
    LinearAxis,
    NumeralTickFormatter,
    RangeTool,
    SaveTool,
)
from bokeh.models.annotations import Legend, LegendItem, Span, Title
from bokeh.plotting import figure

from probav_extensions.colours import GREY, LINES, SECOND, WEAK
from probav_extensions.series import ENOUGH, Shown, are_dates, heading, label, provenance, whole

_WIDEST = 1000  # pixels
_HEIGHT, _PANEL_HEIGHT, _SHARE_HEIGHT = 320, 200, 110
_LEFT = 70  # pixels for an axis and its words: panels stand above each other
_TOOLS = "xpan,xwheel_zoom,box_zoom,undo,redo,reset"
_PARTS = ("valid", "masked", "nodata")


def interactive(shown: Shown, secondary: Shown | None = None) -> Any:
    """Build the chart.

    Parameters
    ----------
    shown : Shown
    secondary : Shown, optional
        Another variable, rainfall for instance: bars of its first zone, with an axis at the right.

    Returns
    -------
    bokeh.models.Column
        The panels, and beneath them the share of valid pixels with the range tool.
    """
    dated = are_dates(shown.series)
    plots: list[Any] = []
    for number, (title, lines) in enumerate(shown.panels):
        height = _HEIGHT if len(shown.panels) == 1 else _PANEL_HEIGHT
        plot = _empty(dated, height, x_range=plots[0].x_range if plots else None)
        if plots:
            plot.y_range = plots[0].y_range
        plot.yaxis.axis_label = label(shown.series, shown.middle)
        if secondary is not None:
            _bars(plot, secondary)
        items = [
            _line(plot, shown, text, line, colour) for colour, (text, line) in zip(LINES, lines, strict=False)
        ]
        if secondary is not None:
            bars = [renderer for renderer in plot.renderers if renderer.name == "secondary"]
            items.append(LegendItem(label=label(secondary.series, secondary.middle), renderers=bars))
        if number == 0:
            legend = Legend(
                items=items, click_policy="hide", ncols=min(4, len(items)), border_line_color=None,
                label_text_font_size="9pt",
            )  # fmt: skip
            plot.add_layout(legend, "above")
        if title and len(shown.panels) > 1:
            plot.add_layout(Title(text=title, text_font_size="9pt"), "above")
        plots.append(plot)
    plots[0].add_layout(Title(text=heading(shown.series), text_font_size="11pt"), "above")
    plots.append(_share(shown, plots[0], dated))
    for line in (*reversed(shown.left_out), provenance(shown.series)):
        plots[-1].add_layout(
            Title(text=line, text_font_size="7pt", text_font_style="normal", text_color="#555555"), "below"
        )
    return column(*plots, sizing_mode="stretch_width", max_width=_WIDEST)


def _empty(dated: bool, height: int, x_range: Any = None, tools: str = _TOOLS) -> Any:
    more = {} if x_range is None else {"x_range": x_range}
    plot = figure(
        height=height, sizing_mode="stretch_width", max_width=_WIDEST, tools=tools, toolbar_location="right",
        x_axis_type="datetime" if dated else "linear", min_border_left=_LEFT, **more,
    )  # fmt: skip
    if tools:
        plot.add_tools(SaveTool(filename="probav-chart"))
        plot.toolbar.logo = None
    plot.outline_line_color = None
    plot.grid.grid_line_color = "#e6e6e6"
    return plot


def _source(shown: Shown, text: str, line: xr.Dataset) -> Any:
    """Return a line's numbers, with what the hover says of them."""
    data: dict[str, Any] = {
        "time": line["time"].to_numpy(),
        "value": line[shown.middle].to_numpy().astype(float),
        "share": line["valid_fraction"].to_numpy().astype(float),
        "name": [text] * line.sizes["time"],
        **{name: line[name].to_numpy().astype(float) for name in _PARTS},
    }
    if shown.spread is not None:
        data |= {
            end: line[name].to_numpy().astype(float)
            for end, name in zip(("low", "high"), shown.spread, strict=True)
        }
    return ColumnDataSource(data)


def _line(plot: Any, shown: Shown, text: str, line: xr.Dataset, colour: str) -> Any:
    source = _source(shown, text, line)
    there = np.isfinite(source.data["value"])
    weak = there & (source.data["share"] < ENOUGH)
    renderers = []
    if shown.spread is not None:
        renderers.append(plot.varea("time", "low", "high", source=source, fill_color=colour, fill_alpha=0.16))
    joined = {name: source.data[name][there] for name in ("time", "value")}
    gaps = ColumnDataSource(joined)
    renderers.append(
        plot.line("time", "value", source=gaps, line_color=colour, line_dash="dotted", line_alpha=0.6)
    )
    renderers.append(plot.line("time", "value", source=source, line_color=colour, line_width=1.7))
    fills = np.where(weak, WEAK, colour)
    source.data["fill"], source.data["edge"] = fills.tolist(), np.where(weak, GREY, colour).tolist()
    dots = plot.scatter("time", "value", source=source, size=6, fill_color="fill", line_color="edge")
    renderers.append(dots)
    plot.add_tools(_hover(shown, dots))
    plot.y_range.renderers = [*(plot.y_range.renderers or []), *renderers]  # bars have an axis of their own
    return LegendItem(label=text, renderers=renderers)


def _hover(shown: Shown, dots: Any) -> Any:
    dated = are_dates(shown.series)
    rows = [
        ("", "@name"),
        (str(shown.series["time"].attrs.get("long_name", "date")) if not dated else "date",
         "@time{%Y-%m-%d}" if dated else "@time"),
        (shown.middle, "@value{0.0000}"),
        ("valid", "@share{0.0 %}"),
        *((f"{name} pixels", f"@{name}{{0,0.0}}") for name in _PARTS),
    ]  # fmt: skip
    if shown.spread is not None:
        rows.insert(3, (" to ".join(shown.spread), "@low{0.0000} to @high{0.0000}"))
    return HoverTool(
        renderers=[dots], tooltips=rows, formatters={"@time": "datetime"} if dated else {}, mode="mouse",
        description=f"what a dot is: {shown.middle} and counts",
    )  # fmt: skip


def _bars(plot: Any, secondary: Shown) -> None:
    """Draw another variable as bars from an axis at the right."""
    _, lines = secondary.panels[0]
    text, line = lines[0]
    source = _source(secondary, text, line)
    times = source.data["time"]
    step = np.median(np.diff(times)) if len(times) > 1 else np.timedelta64(10, "D")
    highest = np.nanmax(source.data["value"]) if np.isfinite(source.data["value"]).any() else 1.0
    plot.extra_y_ranges = {
        "secondary": DataRange1d(start=0, end=float(highest) * 2.2)
    }  # the lines stay above
    plot.add_layout(
        LinearAxis(y_range_name="secondary", axis_label=label(secondary.series, secondary.middle)), "right"
    )
    bars = plot.vbar(
        "time", width=step * 0.8, top="value", source=source, y_range_name="secondary", name="secondary",
        fill_color=SECOND, fill_alpha=0.3, line_color=None,
    )  # fmt: skip
    plot.add_tools(_hover(secondary, bars))


def _share(shown: Shown, above: Any, dated: bool) -> Any:
    """Draw the share of valid pixels of all dates, on which the dates shown above are chosen."""
    plot = _empty(dated, _SHARE_HEIGHT, tools="")
    plot.y_range.start, plot.y_range.end = 0, 1.04
    one = len(shown.panels) == 1
    lines = shown.panels[0][1] if one else [(title, whole(panel)) for title, panel in shown.panels]
    for colour, (_, line) in zip(LINES if one else [GREY] * len(lines), lines, strict=False):
        share = line["valid_fraction"].to_numpy().astype(float)
        data = ColumnDataSource({"time": line["time"].to_numpy(), "share": share})
        plot.line("time", "share", source=data, line_color=colour, line_alpha=0.8)
        nothing = share == 0
        if nothing.any():
            times = line["time"].to_numpy()[nothing]
            none = np.zeros(nothing.sum())
            plot.scatter(times, none, marker="dash", angle=np.pi / 2, size=8, line_color=GREY)
    plot.add_layout(
        Span(location=ENOUGH, dimension="width", line_color=GREY, line_dash="dashed", line_width=1)
    )
    plot.yaxis.axis_label = "valid"
    plot.yaxis.ticker = [0, 0.5, 1]
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    if not dated:
        plot.xaxis.axis_label = str(shown.series["time"].attrs.get("long_name", ""))
    tool = RangeTool(x_range=above.x_range, start_gesture="pan")
    tool.overlay.fill_color, tool.overlay.fill_alpha = LINES[0], 0.08
    plot.add_tools(tool)
    plot.toolbar_location = None
    return plot
