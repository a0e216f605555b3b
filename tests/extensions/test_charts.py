"""The interactive chart and its twin for paper show the same numbers, those of the dataset."""

from __future__ import annotations

import base64
import logging

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
import pytest
from bokeh.core.json_encoder import serialize_json
from bokeh.core.validation import check_integrity, process_validation_issues
from bokeh.document import Document
from bokeh.models import (
    ColumnDataSource,
    GlyphRenderer,
    HoverTool,
    Legend,
    LinearAxis,
    Plot,
    RangeTool,
    Title,
)
from drawn import series
from nbconvert import HTMLExporter

from probav.errors import ProbavError
from probav_extensions import timeseries_chart, timeseries_figure
from probav_extensions.chart import COLUMN

LIMIT = 300_000  # bytes of an output


def rain(zones=1, dates=36):
    own = {"variable": "rain", "units": "mm", "long_name": "Rainfall", "product": "CHIRPS_V2_DEKAD"}
    return (series(zones, dates=dates, **own) * 50).assign_attrs(series(**own).attrs)


def sources(chart, name="series"):
    return [
        source for source in chart.interactive().select({"type": ColumnDataSource}) if source.name == name
    ]


def renderers(chart, name):
    """Return what is drawn under a name that begins so."""
    every = chart.interactive().select({"type": GlyphRenderer})
    return [one for one in every if (one.name or "").startswith(name)]


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


CASES = {
    "one": {},
    "zones": {"zones": 3},
    "many": {"zones": 12},
    "classes": {"classes": 4},
    "panels": {"zones": 4, "classes": 3},
    "single date": {"dates": 1},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("other", [False, True])
def test_bokeh_finds_nothing_wrong_with_the_document(case, other, caplog):
    shape = CASES[case]
    secondary = rain(shape.get("zones", 1), shape.get("dates", 36)) if other else None
    document = Document()
    document.add_root(timeseries_chart(series(**shape), secondary).interactive())
    document = Document.from_json(document.to_json())  # as the browser gets it
    issues = check_integrity(document.models)
    assert (issues.error, issues.warning) == ([], [])
    with caplog.at_level(logging.WARNING):
        process_validation_issues(issues)
        document.validate()
    assert caplog.text == ""
    for plot in document.select({"type": Plot}):
        known = {"default", *plot.extra_y_ranges}
        assert {one.y_range_name for one in plot.renderers if isinstance(one, GlyphRenderer)} <= known


def test_the_chart_holds_the_numbers_of_the_dataset():
    data = series(zones=3)
    found = sources(timeseries_chart(data))
    assert len(found) == 3
    by_first = {float(source.data["value"][0]): source for source in found}
    for zone in range(3):
        own = data.isel(zone=zone)
        source = by_first[float(own["mean"][0])]
        np.testing.assert_array_equal(source.data["value"], own["mean"])
        np.testing.assert_array_equal(source.data["time"], own["time"])
        np.testing.assert_array_equal(source.data["low"], own["p10"])
        np.testing.assert_array_equal(source.data["high"], own["p90"])
        np.testing.assert_allclose(source.data["share"], own["valid_fraction"], rtol=1e-6)
        np.testing.assert_allclose(source.data["masked"], own["masked"], rtol=1e-6)


def test_the_twin_draws_the_same_lines_in_the_same_colours():
    chart = timeseries_chart(series(zones=3), rain(3))
    live = [(line.name, line.glyph.line_color) for line in renderers(chart, "district")]
    paper = chart.figure()
    upper = paper.axes[0]
    drawn = [(line.get_ydata(), line.get_color()) for line in upper.lines if len(line.get_xdata()) == 36]
    assert sorted(colour for _, colour in live) == sorted(colour for _, colour in drawn)
    values = {source.data["value"][0] for source in sources(chart)}
    assert {values_[0] for values_, _ in drawn} <= values
    words = " ".join(title.text for title in chart.interactive().select({"type": Title}))
    for part in ("CGLS_NDVI300_V1", "mask: clear", "snapshot: SNAP", "CHIRPS_V2_DEKAD"):
        assert part in words
        assert part in texts(paper)


def test_hovering_tells_date_value_valid_fraction_and_counts():
    tools = list(timeseries_chart(series(zones=2)).interactive().select({"type": HoverTool}))
    assert {dict(tool.tooltips)[""] for tool in tools} == {"district 1", "district 2"}
    for tool in tools:
        rows = dict(tool.tooltips)
        assert list(rows) == [
            "", "date", "mean", "p10 to p90", "valid", "valid pixels", "masked pixels", "nodata pixels",
        ]  # fmt: skip
        assert rows["valid"] == "@share{0.0 %}"
        assert {renderer.data_source.name for renderer in tool.renderers} == {"series"}


@pytest.mark.parametrize(("shape", "labels"), [
    ({"zones": 3}, ["district 1", "district 2", "district 3"]),
    ({"zones": 2, "classes": 3}, ["class 0", "class 1", "class 2"]),
])  # fmt: skip
def test_a_click_on_the_legend_hides_a_line_in_all_panels(shape, labels):
    (legend,) = timeseries_chart(series(**shape)).interactive().select({"type": Legend})
    assert legend.click_policy == "hide"
    assert sorted(item.label.value for item in legend.items) == labels
    panels = shape["zones"] if "classes" in shape else 1
    for item in legend.items:
        lines = [renderer for renderer in item.renderers if renderer.name == item.label.value]
        assert len(lines) == panels


def test_rain_of_a_zone_is_bars_on_an_axis_with_its_units():
    chart = timeseries_chart(series(), rain())
    model = chart.interactive()
    (bars,) = model.select({"name": "second"})
    np.testing.assert_array_equal(bars.data_source.data["value"], rain()["mean"][0])
    assert "mean rain [mm]" in {axis.axis_label for axis in model.select({"type": LinearAxis})}
    right = chart.figure().axes[1]
    heights = [bar.get_height() for bar in right.patches]
    np.testing.assert_array_equal(heights, rain()["mean"][0])
    assert right.get_ylabel() == "mean rain [mm]"
    assert "With it: Chart: mean rain" in chart.figure().alt


def test_rain_of_several_zones_is_lines_and_of_one_zone_stands_in_every_panel():
    lines = renderers(timeseries_chart(series(zones=3), rain(3)), "second")
    assert [type(line.glyph).__name__ for line in lines] == ["Line"] * 3
    panels = renderers(timeseries_chart(series(2, 2), rain()), "second")
    assert [type(bar.glyph).__name__ for bar in panels] == ["VBar", "VBar"]


def test_a_secondary_series_that_does_not_fit_is_told():
    with pytest.raises(ProbavError, match="has dimensions zone, class, time"):
        timeseries_chart(series(), series(classes=2))
    periods = series().assign_coords(time=np.arange(36))
    with pytest.raises(ProbavError, match="different times"):
        timeseries_chart(series(), periods)


def test_the_range_tool_moves_all_panels():
    model = timeseries_chart(series(2, 3)).interactive()
    (tool,) = model.select({"type": RangeTool})
    *panels, share = model.children
    assert all(panel.x_range is tool.x_range for panel in panels)
    assert share.x_range is not tool.x_range
    first, last = series()["time"].to_numpy()[[0, -1]].astype("datetime64[ms]").astype(float)
    assert tool.x_range.start < first < last < tool.x_range.end


def test_a_band_ends_where_values_end():
    model = timeseries_chart(series()).interactive()
    (band,) = [one for one in model.select({"type": ColumnDataSource}) if "xs" in one.data]
    assert [len(xs) // 2 for xs in band.data["xs"]] == [2, 33]  # 36 dates, the third has no value


def test_a_dotted_line_bridges_a_gap():
    data = series()
    (gap,) = renderers(timeseries_chart(data), "gaps")
    found = {name: list(values) for name, values in gap.data_source.data.items()}
    times, mean = data["time"].to_numpy(), data["mean"].to_numpy()[0]
    assert found == {"x0": [times[1]], "y0": [mean[1]], "x1": [times[3]], "y1": [mean[3]]}


def test_no_valid_value_at_all_is_still_a_chart():
    data = series()
    data["mean"][:], data["p10"][:], data["p90"][:] = np.nan, np.nan, np.nan
    data["valid"][:], data["valid_fraction"][:] = 0, 0
    document = Document()
    document.add_root(timeseries_chart(data).interactive())
    assert check_integrity(document.models).error == []
    assert timeseries_chart(data).figure().png()


def test_outputs_of_ten_years_and_ten_zones_stay_small():
    chart = timeseries_chart(series(zones=10, dates=365), rain(10, 365))
    data, _ = chart._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert len(base64.b64encode(data["image/png"])) < LIMIT
    assert sum(len(str(value)) for name, value in data.items() if name != "image/png") < 2000
    bundle = serialize_json(chart.widget.render_bundle)
    assert len(bundle) < LIMIT
    assert "<script" not in bundle


def test_a_notebook_gets_the_live_chart_then_its_picture_then_the_table(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.publish_display_data", lambda data, metadata: shown.append(data))
    chart = timeseries_chart(series())
    chart.show()
    assert [set(data) for data in shown] == [{"image/png", "text/plain"}]  # a terminal
    shown.clear()
    monkeypatch.setattr("probav_extensions.timeseries._is_notebook", lambda: True)
    chart._ipython_display_()
    live, picture, table = shown
    assert set(live) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    assert picture["image/png"] == chart.figure().png()
    assert picture["text/plain"] == chart.figure().alt
    assert table["text/html"].count("<tr>") + table["text/html"].count("<tr ") == 11
    assert "10 of 36 rows" in table["text/plain"]


@pytest.mark.parametrize("width", [COLUMN, 7.2])
@pytest.mark.parametrize("case", ["one", "many", "panels"])
def test_pictures_for_paper_keep_text_as_text_in_the_width_asked_for(tmp_path, width, case):
    chart = timeseries_chart(series(**CASES[case]))
    assert chart.figure(width).get_size_inches()[0] == width
    svg = chart.save(tmp_path / "chart.svg", width).read_text()
    assert "mean NDVI</text>" in svg
    pdf = chart.save(tmp_path / "chart.pdf", width).read_bytes()
    assert b"/Type3" not in pdf.replace(b" ", b"")
    assert b"/Type42" in pdf.replace(b" ", b"") or b"/TrueType" in pdf or b"CIDFontType2" in pdf


def test_numbers_are_saved_and_an_unknown_ending_is_told(tmp_path):
    chart = timeseries_chart(series())
    saved = pd.read_csv(chart.save(tmp_path / "chart.csv"))
    np.testing.assert_allclose(saved["mean"], series()["mean"][0])
    with pytest.raises(ProbavError, match=r"ends in \.xlsx, not in \.png, \.svg, \.pdf or \.csv"):
        chart.save(tmp_path / "chart.xlsx")


def test_equal_charts_are_equal_pictures():
    data = series(zones=2), rain(2)
    one = timeseries_chart(*data).figure().png()
    assert one == timeseries_chart(*data).figure().png()
    assert one == timeseries_figure(*data).png()


def test_nbconvert_keeps_the_picture_and_complains_of_no_widget(monkeypatch):
    outputs = []

    def keep(data, metadata):
        kept = {
            name: base64.b64encode(value).decode() if name == "image/png" else value
            for name, value in data.items()
        }
        outputs.append(nbformat.v4.new_output("display_data", kept, metadata=metadata))

    monkeypatch.setattr("IPython.display.publish_display_data", keep)
    monkeypatch.setattr("probav_extensions.timeseries._is_notebook", lambda: True)
    chart = timeseries_chart(series())
    chart._ipython_display_()
    cell = nbformat.v4.new_code_cell("chart", outputs=outputs)
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert page.count('src="data:image/png;base64,') == 1
    assert "Interactive chart; without a kernel, the picture of it follows." in page
    assert f"<td>{series()['mean'].to_numpy()[0, 0]:.4g}</td>" in page
    assert "widget-view+json" not in page
