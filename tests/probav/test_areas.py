import hashlib
import json
import math
import struct
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import probav
from probav.errors import AoiError, RepairWarning, UnknownNameError

BOWTIE = shapely.Polygon([(4, 50), (5, 51), (5, 50), (4, 51)])
KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document>
  <Folder><name>north</name><Placemark><name>Upper field</name><Polygon><outerBoundaryIs><LinearRing>
    <coordinates>4,50.5,7 5,50.5,7 5,51,7 4,51,7 4,50.5,7</coordinates>
  </LinearRing></outerBoundaryIs></Polygon></Placemark></Folder>
  <Folder><name>south</name><Placemark><name>Lower field</name><Polygon><outerBoundaryIs><LinearRing>
    <coordinates>4,50,7 5,50,7 5,50.4,7 4,50.4,7 4,50,7</coordinates>
  </LinearRing></outerBoundaryIs></Polygon></Placemark></Folder>
</Document></kml>"""


@pytest.fixture
def fields():
    """Two features with ids and names that are not their order."""
    return gpd.GeoDataFrame(
        {"id": ["f7", "f2"], "name": ["West field", "East field"], "crop": ["maize", "rye"]},
        geometry=[shapely.box(4, 50, 5, 51), shapely.box(5, 50, 6, 51)],
        crs="EPSG:4326",
    )


def check(area, *, bounds=(4, 50, 5, 51), zones=("1",)):
    assert area.bounds == pytest.approx(bounds, abs=1e-9)
    assert tuple(area.frame.index) == zones
    assert area.frame.crs == "EPSG:4326"
    assert "name" in area.frame
    assert len(area) == len(zones)


SQUARE = shapely.box(4, 50, 5, 51)
AS_GEOJSON = shapely.geometry.mapping(SQUARE)


class Drawn:
    __geo_interface__ = AS_GEOJSON


@pytest.mark.parametrize(
    "form",
    [
        (4, 50, 5, 51),
        [4.0, 50.0, 5.0, 51.0],
        np.array([4, 50, 5, 51], "float32"),
        SQUARE,
        shapely.force_3d(SQUARE, 12),
        gpd.GeoSeries([SQUARE], crs="EPSG:4326"),
        gpd.GeoDataFrame(geometry=[SQUARE]),
        gpd.GeoDataFrame({"shape": [SQUARE]}, geometry="shape", crs="EPSG:4326"),
        AS_GEOJSON,
        json.dumps(AS_GEOJSON),
        f"\n {json.dumps({'type': 'Feature', 'geometry': AS_GEOJSON, 'properties': None})} ",
        {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": AS_GEOJSON}]},
        SQUARE.wkt,
        SQUARE.wkt.lower(),
        "POLYGON Z ((4 50 1, 5 50 1, 5 51 1, 4 51 1, 4 50 1))",
        "POLYGON\n((4 50, 5 50, 5 51, 4 51, 4 50))",
        Drawn(),
        probav.aoi((4, 50, 5, 51)),
    ],
    ids=lambda form: type(form).__name__,
)
def test_every_form_gives_the_same_area(form):
    area = probav.aoi(form)
    check(area)
    assert not area.frame.geometry.has_z.any()
    assert area.frame.geometry.iloc[0].equals(SQUARE)


@pytest.mark.parametrize("kind", ["shp", "zip", "gpkg", "geojson", "json", "parquet", "geoparquet"])
@pytest.mark.parametrize("give", [str, Path])
def test_every_file_keeps_ids_names_and_attributes(fields, tmp_path, kind, give):
    path = tmp_path / f"fields.{kind}"
    if "parquet" in kind:
        fields.to_parquet(path)
    elif kind == "zip":
        fields.to_file(tmp_path / "fields.shp")
        with zipfile.ZipFile(path, "w") as archive:
            for part in tmp_path.glob("fields.[!z]*"):
                archive.write(part, part.name)
    else:
        fields.to_file(path, driver={"json": "GeoJSON", "geojson": "GeoJSON"}.get(kind))
    area = probav.aoi(give(path))
    check(area, bounds=(4, 50, 6, 51), zones=("f7", "f2"))
    assert list(area.frame["name"]) == ["West field", "East field"]
    assert list(area.frame["crop"]) == ["maize", "rye"]


@pytest.mark.parametrize("kind", ["kml", "kmz"])
@pytest.mark.filterwarnings("error", "ignore:The .generic. unit for NumPy timedelta:DeprecationWarning")
def test_kml_gives_the_placemarks_of_all_its_folders(tmp_path, kind):
    path = tmp_path / f"fields.{kind}"
    if kind == "kml":
        path.write_text(KML)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("files/readme.txt", "x")
            archive.writestr("doc.kml", KML)
    area = probav.aoi(path)
    check(area, zones=("1", "2"))
    assert list(area.frame["name"]) == ["Upper field", "Lower field"]


def test_a_file_with_several_layers_asks_which(fields, tmp_path):
    path = tmp_path / "both.gpkg"
    fields.to_file(path, layer="fields")
    fields.to_file(path, layer="copies")
    with pytest.raises(AoiError, match=r"2 layers \(fields, copies\); read one with geopandas"):
        probav.aoi(path)


@pytest.mark.parametrize(
    ("features", "zones"),
    [
        ([{"id": 31}, {"id": 12}], ("31", "12")),
        ([{"id": "a"}, {"id": "b"}], ("a", "b")),
        ([{"properties": {"id": 3}}, {"properties": {"id": 1}}], ("3", "1")),
        ([{"id": "a", "properties": {"id": 9}}, {"id": "b", "properties": {"id": 8}}], ("a", "b")),
        ([{"id": 1}, {"id": "1"}], ("1", "2")),
        ([{"id": "a"}, {}], ("1", "2")),
        ([{}, {}], ("1", "2")),
    ],
)
def test_geojson_ids_become_zones_where_they_tell_features_apart(features, zones):
    data = {
        "type": "FeatureCollection",
        # foreign members (RFC 7946, section 6.1) have confused services into returning one row
        "bbox": [4, 50, 5, 51],
        "name": "fields",
        "features": [
            {"type": "Feature", "bbox": [4, 50, 5, 51], "geometry": AS_GEOJSON, "tag": 1, **feature}
            for feature in features
        ],
    }
    check(probav.aoi(data), zones=zones)


def test_names_are_text_and_the_id_where_there_is_none():
    shapes = [SQUARE, SQUARE, SQUARE]
    frame = gpd.GeoDataFrame({"Name": ["Mol", None, 7]}, geometry=shapes, index=["a", "b", "c"])
    assert list(probav.aoi(frame).frame["name"]) == ["Mol", "b", "7"]
    assert list(probav.aoi(SQUARE, "Mol").frame["name"]) == ["Mol"]
    with pytest.raises(AoiError, match="name='Mol' names one feature, but there are 3"):
        probav.aoi(frame, "Mol")


def test_geojson_goes_out_and_comes_back(fields):
    area = probav.aoi(fields.assign(sown=pd.to_datetime(["2015-04-01", "2015-03-01"])))
    again = probav.aoi(area.geojson)
    check(again, bounds=area.bounds, zones=("f7", "f2"))
    assert again.frame.geometry.equals(area.frame.geometry)
    assert repr(again).startswith("<Aoi West field, East field: ")


def test_the_input_is_not_changed(fields):
    before = fields.copy()
    probav.aoi(fields, buffer_km=1)
    assert before.equals(fields)
    assert list(before.columns) == list(fields.columns)


@pytest.mark.parametrize(
    ("crs", "xy"),
    # Mol, Belgium, as EPSG:3035 (northing first by its definition) and EPSG:31370 give it, checked with PROJ
    [("EPSG:3035", (3979740.0, 3130733.0)), ("EPSG:31370", (202176.0, 208597.0))],
)
@pytest.mark.parametrize("form", ["frame", "gpkg", "geojson"])
def test_projected_coordinates_are_brought_to_longitude_latitude(tmp_path, crs, xy, form):
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*xy)
    assert (lon, lat) == pytest.approx((5.115, 51.185), abs=1e-5)
    shape = shapely.box(xy[0] - 500, xy[1] - 500, xy[0] + 500, xy[1] + 500)
    x = gpd.GeoDataFrame(geometry=[shape], crs=crs)
    if form == "gpkg":
        x.to_file(tmp_path / "x.gpkg")
        x = tmp_path / "x.gpkg"
    elif form == "geojson":
        name = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{crs[5:]}"}}
        x = {**shapely.geometry.mapping(shape), "crs": name}
    area = probav.aoi(x)
    assert area.frame.geometry.iloc[0].centroid.coords[0] == pytest.approx((lon, lat), abs=1e-5)
    assert area.area_km2 == pytest.approx(1, rel=2e-3)


def test_a_box_across_the_antimeridian_is_two_boxes():
    area = probav.aoi((170, -20, -170, -10))
    west, east = sorted(shapely.get_parts(area.frame.geometry.iloc[0]), key=lambda part: part.bounds)
    assert (west.bounds, east.bounds) == ((-180, -20, -170, -10), (170, -20, 180, -10))
    assert area.area_km2 == pytest.approx(2 * probav.aoi((0, -20, 10, -10)).area_km2)


@pytest.mark.parametrize(
    "parts",
    [
        [(170, -20, 180, -10), (-180, -20, -170, -10)],  # cut there, as RFC 7946 (3.1.9) asks for
        [(-180, -20, -170, -10), (170, -20, 180, -10)],
        [(170, -20, 190, -10)],  # running on beyond it
        [(-190, -20, -170, -10)],
    ],
)
@pytest.mark.parametrize("form", ["shape", "geojson"])
def test_a_polygon_across_the_antimeridian_is_the_same_however_it_is_written(parts, form):
    boxes = [shapely.box(*part) for part in parts]
    shape = boxes[0] if len(boxes) == 1 else shapely.MultiPolygon(boxes)
    area = probav.aoi(shape if form == "shape" else json.dumps(shapely.geometry.mapping(shape)))
    expected = probav.aoi((170, -20, -170, -10))
    assert area.bounds == expected.bounds == (-180, -20, 180, -10)
    assert area.frame.geometry.iloc[0].equals(expected.frame.geometry.iloc[0])
    assert area.area_km2 == pytest.approx(expected.area_km2)


@pytest.mark.parametrize("latitude", [90.1, -90.1, 91])
def test_beyond_the_poles_is_nothing(latitude):
    with pytest.raises(AoiError, match="no longitude and latitude"):
        probav.aoi(shapely.box(4, min(0, latitude), 5, max(0, latitude)))


def test_boxes_reach_the_poles():
    geod = pyproj.Geod(ellps="WGS84")
    for south, north in ((80, 90), (-90, -80)):
        area = probav.aoi((-180, south, 180, north))
        assert area.bounds == (-180, south, 180, north)
    cap = probav.aoi((0, 80, 10, 90))
    assert cap.area_km2 == pytest.approx(
        abs(geod.polygon_area_perimeter([0, 10, 10, 0], [80, 80, 90, 90])[0]) / 1e6
    )


def test_a_map_turned_round_means_the_same_place():
    turned = probav.aoi((175, -20, 185, -10))
    assert turned.frame.geometry.iloc[0].equals(probav.aoi((175, -20, -175, -10)).frame.geometry.iloc[0])
    assert probav.aoi((-356, 50, -355, 51)).bounds == (4, 50, 5, 51)
    assert probav.aoi((357, 50)).bounds == (-3, 50, -3, 50)


@given(st.floats(-180, 180), st.floats(-60, 75), st.floats(0.01, 300))  # where the products have land
def test_a_buffer_has_the_area_of_its_circle(lon, lat, km):
    area = probav.aoi((lon, lat), buffer_km=km)
    # on the sphere of equal volume; the ellipsoid differs by far less than 0.1 %
    expected = 2 * math.pi * 6371.0**2 * (1 - math.cos(km / 6371.0))
    assert area.area_km2 == pytest.approx(expected, rel=1e-3)
    assert area.bounds[0] >= -180
    assert area.bounds[2] <= 180


def test_a_buffer_needs_a_radius():
    for km in (0, -1, math.nan, math.inf, 9000):
        with pytest.raises(AoiError, match=f"buffer_km is {km}; expected a radius above 0 km"):
            probav.aoi((4, 50), buffer_km=km)


@given(st.floats(-179, 170), st.floats(-59, 70), st.floats(0.001, 9), st.floats(0.001, 5), st.booleans())
def test_area_is_that_of_the_ellipsoid_whatever_the_direction(west, south, width, height, clockwise):
    box = shapely.box(west, south, west + width, south + height, ccw=not clockwise)
    hole = shapely.box(
        west + width / 4, south + height / 4, west + width / 2, south + height / 2, ccw=clockwise
    )
    geod = pyproj.Geod(ellps="WGS84")
    outer, inner = (
        abs(geod.polygon_area_perimeter(*zip(*ring.exterior.coords, strict=True))[0]) for ring in (box, hole)
    )
    ring = shapely.Polygon(box.exterior.coords, [hole.exterior.coords])
    assert probav.aoi(box).area_km2 == pytest.approx(outer / 1e6)
    assert probav.aoi(ring).area_km2 == pytest.approx((outer - inner) / 1e6)


def test_area_adds_up_over_features_and_points_have_none(fields):
    single = probav.aoi(SQUARE).area_km2
    assert probav.aoi(fields).area_km2 == pytest.approx(2 * single)
    assert probav.aoi((4, 50)).area_km2 == 0


def test_a_self_crossing_polygon_is_refused_with_the_place_and_mended_otherwise():
    with pytest.raises(
        AoiError, match=r"Self-intersection at longitude 4\.5, latitude 50\.5.*pass repair=True"
    ):
        probav.aoi(BOWTIE, repair=False)
    with pytest.warns(
        RepairWarning, match=r"'1': Self-intersection at longitude 4\.5, latitude 50\.5, area 0 ->"
    ):
        mended = probav.aoi(BOWTIE)
    halves = shapely.MultiPolygon([
        shapely.Polygon([(4, 50), (4.5, 50.5), (4, 51)]), shapely.Polygon([(5, 50), (4.5, 50.5), (5, 51)]),
    ])  # fmt: skip
    assert mended.frame.geometry.iloc[0].equals(halves)


def test_mending_leaves_no_lines_behind():
    spike = shapely.Polygon([(4, 50), (5, 50), (5, 52), (5, 51), (4, 51)])
    with pytest.warns(RepairWarning, match="area unchanged"):
        mended = probav.aoi(spike)
    assert mended.frame.geometry.iloc[0].equals(SQUARE)
    assert mended.area_km2 == pytest.approx(probav.aoi(SQUARE).area_km2)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ((4, 51, 5, 50), r"south < north, got south 51 and north 50 \(order: W S E N\)"),
        ((4, 50, 4, 51), "two different longitudes"),
        ((math.nan, 50, 5, 51), "four numbers, got nan"),
        ((4, 50, math.inf, 51), "four numbers, got 4, 50, inf"),
        ((50, 104), "no longitude and latitude; give longitude first"),
        ((50, 104, 51, 105), "no longitude and latitude"),
        (shapely.box(3962799, 3118889, 3963799, 3119889), "projected coordinates with their CRS"),
        ((math.nan, 50), "empty geometry|no numbers"),
        (shapely.Polygon([(4, 50), (5, 50), (math.inf, 51)]), "no numbers"),
        (shapely.Polygon(), "empty geometry"),
        ("POLYGON EMPTY", "empty geometry"),
        (gpd.GeoDataFrame(geometry=[]), "no feature"),
        (gpd.GeoDataFrame(geometry=[None]), "Feature '1' has an empty geometry"),
        ({"type": "FeatureCollection", "features": []}, "no feature"),
        ({"type": "FeatureCollection"}, "no list of features"),
        ({"type": "FeatureCollection", "features": 5}, "no list of features, but 5"),
        ({"type": "FeatureCollection", "features": ["x"]}, "Feature 1 of the GeoJSON can't be read"),
        ({"type": "Feature", "geometry": None}, "Feature '1' has an empty geometry"),
        ({"type": "Feature", "geometry": AS_GEOJSON, "properties": "x"}, "Feature 1 of the GeoJSON"),
        ({"type": "Topology", "objects": {}}, "can't be read"),
        ({"type": "Polygon", "coordinates": [[[4, 50], ["x", 51]]]}, "can't be read"),
        ({"hello": 1}, "no 'type'"),
        ({**AS_GEOJSON, "crs": {"properties": {"name": "EPSG:banana"}}}, "coordinate system .* is unknown"),
        ({**AS_GEOJSON, "crs": {"properties": "x"}}, "coordinate system .* is unknown"),
        ('{"type": "Polygon", "coordinates": [[[4, 50],', "looks like GeoJSON but is no JSON"),
        ('{"a":' * 100_000, "looks like GeoJSON but is no JSON"),
        ("POLYGON((4 50, 5 50", "looks like WKT but can't be read"),
        ("nowhere.geojson", "There is no file nowhere.geojson"),
        ("maps/belgium", "There is no file maps/belgium"),
        ("~no such user/fields.shp", "There is no file"),
        ("long/" * 500, "There is no file|too long"),
        ("a\0/b.shp", "There is no file"),
        ("x" * 5_000_000, "no GeoJSON or WKT, and too long to name anything"),
        ((4, 50, 5), "Can't make an area of interest of a tuple; expected"),
        (42, "Can't make an area of interest of a int; expected"),
        (None, "of a NoneType"),
    ],
)  # fmt: skip
def test_what_is_no_area_is_refused_in_words(x, words):
    with pytest.raises(AoiError, match=words) as caught:
        probav.aoi(x)
    assert len(str(caught.value)) < 5000  # never the whole of a long input


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.geojson", b"{", "is no JSON"),
        ("x.geojson", b"\xff\xfe", "can't be read as vector data"),
        ("x.geojson", b"[1, 2]", "no 'type'"),
        ("x.shp", b"PK", "can't be read as vector data"),
        ("x.zip", b"PK", "can't be read as vector data"),
        ("x.kmz", b"", "can't be read as vector data"),
        ("x.gpkg", b"SQLite", "can't be read as vector data"),
        ("x.parquet", b"PAR1", "can't be read as vector data"),
        ("x.geojson", b'{"type": "FeatureCollection", "features": []}', "no feature"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AoiError, match=words) as caught:
        probav.aoi(tmp_path / name)
    assert name in str(caught.value)


def test_an_invalid_feature_of_many_is_named():
    frame = gpd.GeoDataFrame(geometry=[SQUARE, BOWTIE], index=["good", "bad"])
    with pytest.raises(AoiError, match="Feature 'bad' is no valid polygon"):
        probav.aoi(frame, repair=False)


def test_a_place_name_gives_its_country():
    belgium = probav.aoi("belgium")
    assert list(belgium.frame["name"]) == ["Belgium"]
    assert belgium.frame.geometry.iloc[0].contains(shapely.Point(4.35, 50.85))
    assert belgium.area_km2 == pytest.approx(30_700, rel=0.02)
    with pytest.raises(UnknownNameError, match=r"There is no country 'Belgim'\. Did you mean 'Belgium'"):
        probav.aoi("Belgim")


def test_a_digest_is_of_ids_and_geometries_in_order(fields):
    digest = probav.aoi(fields).digest
    expected = hashlib.blake2b(digest_size=16)
    for zone, (west, east) in (("f7", (4, 5)), ("f2", (5, 6))):
        ring = [(east, 50), (east, 51), (west, 51), (west, 50), (east, 50)]  # as shapely.box goes
        code = struct.pack("<BIII", 1, 3, 1, 5) + struct.pack("<10d", *np.ravel(ring))  # OGC 06-103r4, 8.2
        expected.update(f"{len(zone)},{len(code)};{zone}".encode() + code)
    assert digest == expected.hexdigest()
    assert digest == probav.aoi(fields.assign(crop="x", name="y")).digest  # attributes give no other numbers
    assert digest == probav.aoi(probav.aoi(fields)).digest
    assert digest == probav.aoi(fields.set_geometry(shapely.force_3d(fields.geometry, 9))).digest
    assert digest != probav.aoi(fields.iloc[::-1]).digest
    assert digest != probav.aoi(fields.assign(id=["f7", "f3"])).digest
    assert digest != probav.aoi(fields.set_geometry(fields.geometry.translate(1e-12))).digest


@pytest.mark.parametrize("batch", [1, 7, 10, 11, 1_000_000])
def test_a_digest_does_not_depend_on_how_it_is_computed(fields, monkeypatch, batch):
    digest = probav.aoi(fields).digest
    monkeypatch.setattr("probav.areas._BATCH", batch)
    assert probav.aoi(fields).digest == digest


COAST = shapely.Polygon(
    np.column_stack([
        4 + np.cos(np.linspace(0, 2 * np.pi, 2000)[:-1]) * (1 + 0.001 * np.sin(np.arange(1999))),
        60 + np.sin(np.linspace(0, 2 * np.pi, 2000)[:-1]) * 0.5,
    ]),
    [shapely.Point(4, 60).buffer(0.001).exterior.coords],
)  # fmt: skip


@pytest.mark.parametrize("metres", [30, 1000])
def test_simplifying_leaves_vertices_out_and_moves_none(metres):
    area = probav.aoi(gpd.GeoDataFrame({"id": ["a", "b"], "crop": ["rye", "oat"]}, geometry=[COAST, SQUARE]))
    simple = area.simplify(metres)
    assert list(simple.frame.index) == ["a", "b"]
    assert list(simple.frame["crop"]) == ["rye", "oat"]
    shape = simple.frame.geometry["a"]
    assert shape.is_valid
    assert len(shape.interiors) == 1  # a hole of 100 m stays, if only as a triangle
    before, after = (set(map(tuple, shapely.get_coordinates(s))) for s in (COAST, shape))
    assert after < before
    assert len(after) < len(before) / 2
    # against the distance in a metric projection of its own
    metric = gpd.GeoSeries([COAST, shape], crs=4326).to_crs(32631)
    assert shapely.hausdorff_distance(metric.iloc[0].exterior, metric.iloc[1].exterior) < 1.05 * metres
    assert simple.frame.geometry["b"].equals_exact(SQUARE)
    assert list(simple.repairs.index) == ["a"]
    row = simple.repairs.loc["a"]
    assert row["reason"].startswith(f"Simplified by {metres} m: 2,065 to ")
    assert row["km2_before"] == pytest.approx(probav.aoi(COAST).area_km2)
    assert row["km2_after"] == pytest.approx(probav.aoi(shape).area_km2)
    assert len(area.repairs) == 0


@pytest.mark.parametrize("metres", [0, -5, math.nan, math.inf])
def test_simplifying_needs_a_distance(metres):
    with pytest.raises(AoiError, match="expected a distance above 0 metres"):
        probav.aoi(SQUARE).simplify(metres)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=30), st.floats(1, 1e5))
def test_whatever_is_simplified_stays_valid(points, metres):
    hull = shapely.MultiPoint([(x + 4, y + 50) for x, y in points]).convex_hull.buffer(0.01)
    simple = probav.aoi(shapely.union_all([hull, shapely.box(8, 50, 9, 51)])).simplify(metres)
    shape = simple.frame.geometry.iloc[0]
    assert shape.is_valid
    assert len(shapely.get_parts(shape)) == 2


def test_an_area_that_is_one_is_not_checked_again():
    area = probav.aoi(SQUARE)
    assert probav.aoi(area) is area
    assert probav.aoi(area, "field") is not area
    assert list(area.frame["name"]) == ["1"]
