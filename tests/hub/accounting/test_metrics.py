"""The figures for Prometheus, and the dashboard that shows them: its queries name figures that exist."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from probav_hub.accounting.enforcing import enforce, stopped
from probav_hub.accounting.metrics import PREFIX, Use
from probav_hub.accounting.recording import Recorder, read
from probav_hub.accounting.service import State
from probav_hub.configuration import Accounting, Budget, Profile


@pytest.fixture
def figures(engine, server):
    """Return the figures of a hub where ann of staff ran for an hour, and read, and was stopped."""
    ann = server(started=0.0, groups=("staff", 'a "group"'), executors=3.0)
    Recorder(engine, "b").see([ann], 3600.0, 3600.0)
    read(engine, "ann", ("staff",), {"session": "0123-4567", "total": 5000}, 3600.0)
    budgets = (Budget(name="b", core_hours=0.5), Budget(name="all", shared=True, core_hours=10, days=366))
    given = Accounting(grace_minutes=0)
    (stop,) = enforce(engine, given, budgets[:1], [ann], 3600.0)
    stopped(engine, stop, 3600.0)
    profile = Profile(name="small", title="Small")
    state = State(engine, given, budgets, {"small": profile}, [ann], looked=3600.0, failures=2)
    registry = CollectorRegistry()
    registry.register(Use(state))
    return generate_latest(registry).decode()


def samples(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_are_what_was_used(figures):
    found = samples(figures)
    assert found[f"{PREFIX}_user_core_hours_total", ("user", "ann")] == pytest.approx(1)
    assert found[f"{PREFIX}_user_memory_gib_hours_total", ("user", "ann")] == pytest.approx(2)
    assert found[f"{PREFIX}_user_executor_hours_total", ("user", "ann")] == pytest.approx(3)
    assert found[f"{PREFIX}_user_read_bytes_total", ("user", "ann")] == 5000
    assert found[f"{PREFIX}_group_core_hours_total", ("group", "staff")] == pytest.approx(1)
    assert found[f"{PREFIX}_group_core_hours_total", ("group", 'a "group"')] == pytest.approx(1)
    assert found[f"{PREFIX}_servers", ("profile", "small")] == 1
    assert found[f"{PREFIX}_stops_total", ("budget", "b")] == 1
    assert found[(f"{PREFIX}_last_look_timestamp_seconds",)] == 3600
    assert found[(f"{PREFIX}_failed_looks_total",)] == 2
    shared = (f"{PREFIX}_budget_used_ratio", ("budget", "all"), ("resource", "core_hours"), ("user", ""))
    assert shared in found


def test_the_dashboard_asks_for_figures_that_exist(figures):
    dashboard = json.loads(files("probav_hub.accounting").joinpath("grafana.json").read_text())
    known = {name for name, *_ in samples(figures)}
    labels = {label for _, *pairs in samples(figures) for label, _ in pairs}
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(rf"{PREFIX}_\w+", query)}
    assert asked <= known
    # all but those that the same figures by group or user tell
    assert {name for name in known if "_user_" not in name and "_group_" not in name} <= asked
    for query in queries:
        for by in re.findall(r"by \(([^)]+)\)", query):
            assert set(by.split(", ")) <= labels
        assert query.count("(") == query.count(")")


def test_the_dashboard_is_one_that_grafana_takes():
    dashboard = json.loads(files("probav_hub.accounting").joinpath("grafana.json").read_text())
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(dashboard)
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    cells = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"])
               for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not own & cells  # no panel lies on another
        cells |= own
        assert panel["title"]
        assert all(target["datasource"] == source for target in panel["targets"])
