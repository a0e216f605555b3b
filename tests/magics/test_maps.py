"""`%probav aoi NAME`: the variable and the map are the same thing."""

from __future__ import annotations

import pytest

import probav

DRAWN = {
    "type": "Feature",
    "properties": {},
    "geometry": {"type": "Polygon", "coordinates": [[[4, 50], [5, 50], [5, 51], [4, 50]]]},
}


@pytest.fixture
def session(run, shell):
    return shell.magics_manager.registry["ProbavMagics"].session()


def test_before_anything_is_drawn_there_is_no_variable(run, shell, session):
    cell = run("%probav aoi field")
    assert "application/vnd.jupyter.widget-view+json" in cell.displays[0]
    assert "field" not in shell.user_ns
    assert session.maps["field"].images.variable.value == "NDVI"


def test_the_variable_follows_the_mouse_and_goes_with_the_last_feature(run, shell, session):
    run("%probav aoi field")
    session.maps["field"].drawing.control.data = [DRAWN]
    assert shell.user_ns["field"].bounds == (4, 50, 5, 51)
    control = session.maps["field"].drawing.control
    gone = {"event": "pm:remove", "geo_json": control.data[0]}  # as the browser says it
    control._handle_custom_msg(gone, [])
    control.data = []
    assert "field" not in shell.user_ns


def test_the_map_follows_the_variable(run, session):
    run("%probav aoi field")
    run("import probav\nfield = probav.aoi((4, 50, 4.5, 50.5))")
    assert session.maps["field"].aoi.bounds == (4, 50, 4.5, 50.5)
    run("%probav aoi field --bbox 4 50 5 51 --quiet")
    assert session.maps["field"].aoi.bounds == (4, 50, 5, 51)
    run("del field")
    assert session.maps["field"].aoi is None


def test_an_existing_area_is_shown_to_be_edited(run, shell, session):
    run("import probav\nfield = probav.aoi((4, 50, 4.5, 50.5))")
    run("%probav aoi field")
    assert session.maps["field"].aoi.bounds == (4, 50, 4.5, 50.5)
    assert len(session.maps["field"].drawing.control.data) == 1


def test_a_name_used_for_something_else_is_let_go(run, shell, session):
    run("%probav aoi field")
    old = session.maps["field"]
    run("field = 3")
    assert "field" not in session.maps
    old.drawing.control.data = [DRAWN]  # the old map is still on the screen
    assert shell.user_ns["field"] == 3


def test_without_an_archive_there_is_still_a_map(run, session, monkeypatch, tmp_path):
    monkeypatch.setenv("PROBAV_ARCHIVE", str(tmp_path))
    assert run("%probav aoi field").error is None
    assert not session.maps["field"].images.shown


def test_the_image_can_be_chosen(run, session):
    run("%probav aoi field --product CGLS_FAPAR_V2")
    assert session.maps["field"].images.variable.value == "FAPAR"
    assert isinstance(session.variables.get("field"), probav.Aoi | None)
