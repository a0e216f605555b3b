"""Search over made-up items, against the same conditions written one item at a time."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from probav.catalogue.search import check_bbox, frame, select, within_world
from probav.catalogue.table import ItemTable, Window, joined
from probav.errors import AoiError, ProbavError, QueryError, TimeError
from probav.grid import Grid

DATES = np.array(["2015-01-01", "2015-02-21", "2015-12-21", "2016-01-01"], "datetime64[D]")


def made(boxes, cloud=None):
    """Return one item a box and date."""
    windows = [
        Window("P", f"T{number}", "dekad", Grid(0, 0, 1, 1, 1, 1), 0, 0, shapely.box(*box))
        for number, box in enumerate(boxes)
    ]
    size = len(boxes) * len(DATES)
    return ItemTable(
        windows,
        np.tile(np.arange(len(boxes), dtype="int32"), len(DATES)),
        np.repeat(DATES, len(boxes)),
        np.ones(size, "int64"),
        np.array([b"%032d" % number for number in range(size)], "S32"),
        np.full(size, np.nan, "float32") if cloud is None else np.asarray(cloud, "float32"),
    )


def tiles(found):
    return {found.windows[index].name for index in found.window}


def overlaps(box, other):
    """Whether two boxes in degrees touch on the globe, as plain arithmetic; `box` may cross 180 degrees."""
    west, south, east, north = box
    if south > other[3] or north < other[1]:
        return False
    pieces = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return any(
        left <= other[2] + turn and right >= other[0] + turn
        for left, right in pieces
        for turn in (-360, 0, 360)
    )


@st.composite
def box(draw):
    west, east = draw(st.integers(-180, 180)), draw(st.integers(-180, 180))
    south = draw(st.integers(-90, 89))
    return west, south, east, draw(st.integers(south, 90))


@st.composite
def tile(draw):
    """Return a box of some degrees, which may lie across 180 degrees."""
    west, south = draw(st.integers(-180, 179)), draw(st.integers(-90, 80))
    return west, south, west + draw(st.integers(1, 15)), south + draw(st.integers(1, 10))


@settings(deadline=None, max_examples=200)
@given(box(), st.lists(tile(), min_size=1, max_size=6))
def test_a_box_finds_the_tiles_it_touches_on_the_globe(bbox, boxes):
    expected = {f"T{number}" for number, other in enumerate(boxes) if overlaps(bbox, other)}
    assert tiles(select(made(boxes), bbox)) == expected


def test_a_box_across_180_degrees_finds_both_sides():
    items = made([(170, 0, 180, 10), (-180, 0, -170, 10), (0, 0, 10, 10), (-180.0015, 60, -170, 70)])
    assert tiles(select(items, (175, -5, -175, 5))) == {"T0", "T1"}
    assert tiles(select(items, (179.9995, 65, 180, 66))) == {"T3"}  # its first half pixel


@pytest.mark.parametrize(
    ("time", "expected"),
    [("2015", 3), ("2015-02/2015-12", 2), (("2015-12-21", None), 2), ("2014", 0), (None, 4)],
)
def test_time_is_of_the_first_day_of_the_period(time, expected):
    assert len(select(made([(0, 0, 1, 1)]), time=time)) == expected


def test_cloud_cover_takes_what_is_known_to_be_clear_enough():
    items = made([(0, 0, 1, 1)], [10.0, 30.0, np.nan, np.inf])
    assert select(items, cloud_cover=10).cloud.tolist() == [10]
    assert select(items, cloud_cover=100).cloud.tolist() == [10, 30]
    assert np.isnan(frame(items)["cloud_cover"].to_numpy()[2:]).all()


def test_limit_takes_the_first():
    items = made([(0, 0, 1, 1), (2, 0, 3, 1)])
    assert frame(select(items, limit=3)).index.tolist() == ["P_T0_20150101", "P_T1_20150101", "P_T0_20150221"]


def test_frame_has_the_last_day_of_the_period():
    found = frame(made([(0, 0, 1, 1)]))
    assert found["end"].astype(str).tolist() == ["2015-01-10", "2015-02-28", "2015-12-31", "2016-01-10"]
    assert found.crs.to_epsg() == 4326
    assert found.index.name == "id"
    assert len(frame(select(made([(0, 0, 1, 1)]), time="1990"))) == 0


def test_tables_join_in_their_order():
    parts = [made([(0, 0, 1, 1)]), made([(5, 5, 6, 6), (7, 7, 8, 8)])]
    both = joined(parts)
    assert len(both) == 12
    assert both.windows == parts[0].windows + parts[1].windows
    assert both.window.tolist() == [0] * 4 + [1, 2] * 4
    assert len(joined([])) == 0
    assert len(select(joined([]), (0, 0, 1, 1))) == 0


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ({"bbox": (0, 10, 5, 0)}, AoiError),
        ({"bbox": (0, 0, 1)}, AoiError),
        ({"bbox": (0, 0, 181, 1)}, AoiError),
        ({"bbox": (0, float("nan"), 1, 1)}, AoiError),
        ({"bbox": "0,0,1,1"}, AoiError),
        ({"bbox": 7}, AoiError),
        ({"time": "yesterday"}, TimeError),
        ({"cloud_cover": -1}, QueryError),
        ({"cloud_cover": float("nan")}, QueryError),
        ({"limit": 0}, QueryError),
    ],
)
def test_what_cannot_be_understood_is_an_error(condition, error):
    with pytest.raises(error, match=r"expected|west"):
        select(made([(0, 0, 1, 1)]), **condition)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(st.floats(), st.text(max_size=3), st.none()), max_size=5))
def test_any_bbox_is_a_box_or_our_error(bbox):
    try:
        west, south, east, north = check_bbox(bbox)
    except ProbavError:
        return
    assert -180 <= west <= 180
    assert -180 <= east <= 180
    assert -90 <= south <= north <= 90


def test_footprints_are_cut_at_180_degrees():
    across = within_world(shapely.box(170, 0, 190, 10))
    assert {part.bounds for part in across.geoms} == {(170, 0, 180, 10), (-180, 0, -170, 10)}
    west = within_world(shapely.box(-190, 0, -170, 10))
    assert {part.bounds for part in west.geoms} == {(170, 0, 180, 10), (-180, 0, -170, 10)}
    assert within_world(shapely.box(-180.0015, 0, -170, 10)).bounds == (-180, 0, -170, 10)
