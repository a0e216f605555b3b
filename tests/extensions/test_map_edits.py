"""Whatever is done to a map, by mouse, buttons, list or program, map and variable hold the same areas."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import shapely

import probav
from probav_extensions import AoiMap
from probav_extensions.colours import AOI
from probav_extensions.map.model import colours

SEQUENCES, LENGTH, AT_ONCE = 1000, 5, 250
DIGITS = 1.5e-6  # degrees: the browser's rounding


class Browser:
    """Draws what it is sent and sends what the mouse did, as Geoman does; it may hear of changes late."""

    def __init__(self, shown: AoiMap) -> None:
        self.control = shown.drawing.control
        self.features: list[dict] = []
        self.listens = True
        self.control.observe(lambda _: self.listens and self.hear(), names="data")
        self.hear()

    def hear(self) -> None:
        self.features = json.loads(json.dumps(self.control.data))
        for feature in self.features:
            feature["geometry"]["coordinates"] = [
                [[round(x, 6), round(y, 6)] for x, y in ring] for ring in feature["geometry"]["coordinates"]
            ]

    def send(self, action: str, geo_json: object) -> None:
        now = copy.deepcopy(self.features)
        for feature in now:
            feature["properties"].setdefault("style", {})["pane"] = "overlayPane"
        self.control._handle_custom_msg({"event": f"pm:{action}", "geo_json": copy.deepcopy(geo_json)}, [])
        self.control.set_state({"data": now})


def polygon(random):
    """A polygon whose corners go once round, so that it can't cross itself; on the browser's digits."""
    west, south = random.uniform(-179, 170), random.uniform(-60, 70)
    angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(4, 9)))
    ring = np.column_stack([west + np.cos(angles), south + 0.7 * np.sin(angles)]).round(6)
    return shapely.Polygon(ring)


class Session:
    """A map, its browser, the variable, and the moves there are."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.map = AoiMap()
        self.variable = None
        self.map.on_change(lambda aoi: setattr(self, "variable", aoi))
        self.browser = Browser(self.map)

    def any(self, number):
        return int(self.random.integers(number))

    def draw(self):
        shape = shapely.geometry.mapping(polygon(self.random))
        new = {"type": "Feature", "properties": {}, "geometry": json.loads(json.dumps(shape))}
        self.browser.features.append(new)
        self.browser.send("create", new)

    def drag(self):
        if self.browser.features:
            one = self.browser.features[self.any(len(self.browser.features))]
            east, north = self.random.uniform(-0.5, 0.5, 2)
            one["geometry"]["coordinates"] = [
                [[round(x + east, 6), round(y + north, 6)] for x, y in ring]
                for ring in one["geometry"]["coordinates"]
            ]
            self.browser.send("drag", self.browser.features)

    def corner(self):
        if self.browser.features:
            one = self.browser.features[self.any(len(self.browser.features))]
            ring = one["geometry"]["coordinates"][0]
            middle = np.mean(ring[:-1], axis=0)
            at = self.any(len(ring) - 1)
            ring[at] = np.round(middle + (np.array(ring[at]) - middle) * 1.2, 6).tolist()
            ring[-1] = ring[0]
            self.browser.send("vertexdrag", self.browser.features)

    def cross(self):
        if self.browser.features:
            ring = self.browser.features[0]["geometry"]["coordinates"][0]
            ring[1], ring[2] = ring[2], ring[1]
            self.browser.send("vertexdrag", self.browser.features)

    def remove(self):
        if self.browser.features:
            self.browser.send("remove", self.browser.features.pop(self.any(len(self.browser.features))))

    def undo(self):
        self.map.toolbar.undo.click()

    def redo(self):
        self.map.toolbar.redo.click()

    def rename(self):
        rows = self.map.listing.rows
        if rows:
            rows[self.any(len(rows))].name.value = f"n{self.any(1000)}"

    def recolour(self):
        rows = self.map.listing.rows
        if rows:
            rows[self.any(len(rows))].colour.click()

    def delete_in_the_list(self):
        rows = self.map.listing.rows
        if rows:
            rows[self.any(len(rows))].delete.click()

    def assign(self):
        self.map.aoi = probav.aoi(polygon(self.random)) if self.any(3) else None

    def load(self):
        self.map.areas.load(probav.aoi(shapely.MultiPolygon([polygon(self.random)])))

    def edit_before_the_browser_hears_of_a_change(self):
        self.browser.listens = False
        (self.delete_in_the_list, self.load, self.rename)[self.any(3)]()
        (self.drag, self.corner, self.remove, self.draw)[self.any(4)]()
        self.browser.listens = True
        self.browser.hear()  # what the kernel sent last arrives last

    def step(self):
        moves = [
            self.draw, self.draw, self.draw, self.drag, self.corner, self.cross, self.remove, self.undo,
            self.undo, self.redo, self.rename, self.recolour, self.delete_in_the_list, self.assign, self.load,
            self.edit_before_the_browser_hears_of_a_change,
        ]  # fmt: skip
        move = moves[self.any(len(moves))]
        move()
        return move.__name__


def shown_on(session):
    """Return id, name, colour and shape of what the browser shows; of what isn't editable, only the shape."""
    editable = {
        feature["properties"]["id"]: (
            feature["properties"]["name"],
            feature["properties"]["style"]["color"],
            shapely.geometry.shape(feature["geometry"]),
        )
        for feature in session.browser.features
    }
    fixed = [shapely.geometry.shape(one["geometry"]) for one in session.map.drawing.fixed.data["features"]]
    return editable, fixed


def check(session):
    aoi = session.map.aoi
    assert session.variable is aoi
    editable, fixed = shown_on(session)
    if aoi is None:
        assert not editable
        assert not fixed
        assert session.map.listing.rows == []
        return
    painted = dict(zip(aoi.frame.index, colours(aoi.frame), strict=True))
    rest = []
    for zone, name, shape in zip(aoi.frame.index, aoi.frame["name"], aoi.frame.geometry, strict=True):
        if shape.geom_type != "Polygon":
            rest.append(shape)
            continue
        shown_name, shown_colour, shown_shape = editable.pop(zone)
        assert (shown_name, shown_colour) == (name, painted[zone] or AOI)
        assert shapely.hausdorff_distance(shown_shape, shape) < DIGITS
        assert shape.is_valid
    assert not editable
    assert shapely.union_all(fixed).symmetric_difference(shapely.union_all(rest)).area < 1e-9
    rows = session.map.listing.rows
    assert [row.name.value for row in rows] == list(aoi.frame["name"])


@pytest.mark.parametrize("start", range(0, SEQUENCES, AT_ONCE))
def test_map_and_variable_are_the_same_after_any_edits(start):
    session = Session()  # one map for several sequences: to make it takes longer than to edit it
    for seed in range(start, start + AT_ONCE):
        session.random = np.random.default_rng(seed)
        session.map.areas.clear()
        done = []
        for _ in range(LENGTH):
            done.append(session.step())
            try:
                check(session)
            except (AssertionError, KeyError) as error:
                raise AssertionError(f"seed {seed}, after {', '.join(done)}") from error
