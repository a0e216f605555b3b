"""Files and odd GeoJSON, against what GDAL reads and coordinates written by hand."""

import io
import itertools
import json
import tracemalloc
import zipfile

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import probav
from probav import area_geojson, area_limits
from probav.errors import AoiError, RepairWarning

SQUARE = shapely.box(4, 50, 5, 51)
RING = [[4, 50], [5, 50], [5, 51], [4, 51], [4, 50]]
POLYGON = {"type": "Polygon", "coordinates": [RING]}


def feature(**members):
    return {"type": "Feature", "properties": None, "geometry": POLYGON, **members}


def collection(*features, **members):
    return {"type": "FeatureCollection", "features": list(features), **members}


# what is odd about it, and the ids it has to give
ODD = {
    "bbox": (collection(feature(bbox=[4, 50, 5, 51]), feature(), bbox=[4, 50, 5, 51]), ["1", "2"]),
    "bbox first": ({"bbox": [4, 50, 5, 51], **collection(feature(), feature())}, ["1", "2"]),
    "nested foreign members": (
        collection(
            feature(id="a", tag={"features": [{"type": "Feature"}], "geometry": POLYGON}),
            feature(id="b"),
            metadata={"features": [feature(id="z")], "type": "FeatureCollection", "x": {"y": [{}]}},
        ),
        ["a", "b"],
    ),
    "a string that looks like the list": (collection(feature(), note='"features": [{"type": "'), ["1"]),
    "a member whose value is a key": (
        collection(feature(), a="features", b={"x": 1}, c=["features", {"y": 2}]),
        ["1"],
    ),
    "a property called geometry": (collection(feature(properties={"geometry": "poor", "n": 1})), ["1"]),
    "quotes, braces, backslashes": (
        collection(feature(id='a"}{', properties={"n\\": 'say "{[" \\'}), feature(id="b\\")),
        ['a"}{', "b\\"],
    ),
    "3D": (
        collection(feature(geometry={"type": "Polygon", "coordinates": [[[*xy, 7.5] for xy in RING]]})),
        ["1"],
    ),
    "4D": (
        collection(feature(geometry={"type": "Polygon", "coordinates": [[[*xy, 7.5, 1] for xy in RING]]})),
        ["1"],
    ),
    "properties null, missing, empty": (
        collection(
            feature(), {"type": "Feature", "geometry": POLYGON}, feature(properties={}),
            feature(properties={"n": 1}),
        ),
        ["1", "2", "3", "4"],
    ),
    "null attributes": (
        collection(feature(properties={"n": None, "s": "x"}), feature(properties={"n": 3, "s": None})),
        ["1", "2"],
    ),
    "ids of both kinds": (collection(feature(id=7), feature(id="x")), ["7", "x"]),
    "a missing id": (collection(feature(id=7), feature()), ["1", "2"]),
    "ids twice": (collection(feature(id="x"), feature(id="x")), ["1", "2"]),
    "id zero": (collection(feature(id=0), feature(id=1)), ["0", "1"]),
    "members of a geometry": (
        collection(feature(geometry={"bbox": [4, 50, 5, 51], "x": {"y": 1}, **POLYGON})),
        ["1"],
    ),
    "braces in strings of a geometry": (
        collection(feature(geometry={"x": "a}b{", **POLYGON}), feature(geometry={**POLYGON, "x": '"}'})),
        ["1", "2"],
    ),
    "type last": (
        {"features": [{"geometry": POLYGON, "id": "a", "type": "Feature"}], "type": "FeatureCollection"},
        ["a"],
    ),
    "CRS84": (
        collection(feature(), crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}),
        ["1"],
    ),
    "EPSG 4326, longitude first all the same": (
        collection(feature(), crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4326"}}),
        ["1"],
    ),
    "crs null": (collection(feature(), crs=None), ["1"]),
    "other letters": (collection(feature(id="é☃𝄞", properties={"name": "Zoë ☃"})), ["é☃𝄞"]),
    "a feature": (feature(id="a", bbox=[4, 50, 5, 51]), ["a"]),
    "a geometry": ({**POLYGON, "bbox": [4, 50, 5, 51]}, ["1"]),
}  # fmt: skip


def written(data, tmp_path, **options):
    path = tmp_path / "odd.geojson"
    path.write_text(json.dumps(data, **options), encoding="utf-8")
    return path


@pytest.mark.parametrize(("data", "ids"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("options", [{}, {"indent": 3}, {"separators": (",", ":"), "ensure_ascii": False}])
def test_odd_geojson_is_read_the_same_from_a_dict_a_text_and_a_file(
    data, ids, options, tmp_path, monkeypatch
):
    expected = probav.aoi(data)
    assert list(expected.frame.index) == ids
    assert all(shape.equals(SQUARE) for shape in expected.frame.geometry)
    path = written(data, tmp_path, **options)
    forms = [path, path.read_text(encoding="utf-8")]
    for block in (1 << 20, 64, 7, 1):  # tokens cut anywhere
        monkeypatch.setattr(area_geojson, "_BLOCK", block)
        for form in forms:
            area = probav.aoi(form)
            pd.testing.assert_frame_equal(pd.DataFrame(area.frame), pd.DataFrame(expected.frame))
            assert area.digest == expected.digest


@pytest.mark.parametrize(
    "name",
    [name for name in ODD if name not in ("a property called geometry", "4D", "a feature", "a geometry")],
)
def test_odd_geojson_gives_what_gdal_reads(name, tmp_path):
    path = written(ODD[name][0], tmp_path)
    gdal = pyogrio.read_dataframe(path)
    area = probav.aoi(path)
    assert len(area) == len(gdal)
    assert shapely.force_2d(gdal.geometry.to_numpy()).tolist() == area.frame.geometry.tolist()
    shared = {"n", "s"} & set(gdal.columns)
    for column in shared:
        assert gdal[column].isna().tolist() == area.frame[column].isna().tolist()
        assert gdal[column].dropna().tolist() == area.frame[column].dropna().tolist()


def test_attributes_and_nulls_are_kept(tmp_path):
    rows = [{"n": 1, "s": "x", "d": {"k": [1]}, "b": True}, {"n": None, "late": 2.5}, {}]
    frame = probav.aoi(written(collection(*[feature(properties=row) for row in rows]), tmp_path)).frame
    expected = pd.DataFrame(rows)  # pandas' own reading of such rows
    for column in expected:
        pd.testing.assert_series_equal(
            frame[column].reset_index(drop=True), expected[column], check_names=False
        )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{} x', "no JSON"),
        ("{} {}", "no JSON"),
        ("{},", "no JSON"),
        ("/* fields */ {}", "no JSON|no GeoJSON"),
    ],
)  # fmt: skip
def test_junk_around_is_refused_in_a_file(text, words, tmp_path):
    path = tmp_path / "x.geojson"
    path.write_text(text.replace("{}", json.dumps(collection(feature()))))
    with pytest.raises(AoiError, match=words) as caught:
        probav.aoi(path)
    assert "x.geojson" in str(caught.value)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ("{0} {0}", "no JSON, after feature 2"),
        ("{0}, // the last\n {0}", "no JSON, after feature 2"),
        ("{0}, {{\"properties\": {{\"geometry\": {{}}}}}}", "Feature 2 of the GeoJSON can't be read"),
        ("{0},", "no JSON, after feature 1"),
        ("{0}, null", "something else between"),
        ("{0}, 5, {0}", "something else between"),
        ('{0}, {{"geometry": {{"type": "Polygon", "coordinates": [[4, }}}}', "Feature 2 .*can't be read"),
        ('{0}, {{"type": "Feature"}}', "Feature 2 of the GeoJSON can't be read"),
        ('{0}, {{"type": "Feature", "geometry": null, "id": "b"}}', "Feature '2' has an empty geometry"),
        ('{{"id": "a", "geometry": {{"type": "Polygon", "coordinates": []}}}}', "'a' has an empty"),
        ('{0}, {{"id": {{"a": }}, "geometry": {{"type": "Point", "coordinates": [4, 5]}}}}', "Feature 2 .*"),
        ('{0}, {{"geometry": {{"type": "Point", "coordinates": [4, NaN]}}}}', "no numbers|empty"),
        ('{0}, {{"geometry": {{"type": "Point", "coordinates": ["west", 50]}}}}', "Feature 2 .*"),
    ],
)  # fmt: skip
def test_what_is_wrong_between_or_in_features_is_named(features, words):
    text = '{"type": "FeatureCollection", "features": [' + features.format(json.dumps(feature())) + "]}"
    with pytest.raises(AoiError, match=words):
        probav.aoi(text)


def test_a_byte_order_mark_is_none_of_the_text(tmp_path):
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(collection(feature(id="a"))), encoding="utf-8-sig")
    assert list(probav.aoi(path).frame.index) == ["a"]
    assert list(probav.aoi(path.read_text(encoding="utf-8")).frame.index) == ["a"]


def test_half_a_letter_in_an_id_or_a_geometry_is_kept():
    data = collection(feature(id="\ud800", geometry={"x": "\ud800", **POLYGON}))
    areas = [probav.aoi(form) for form in (data, json.dumps(data), json.dumps(data, ensure_ascii=False))]
    assert [list(area.frame.index) for area in areas] == [["\ud800"]] * 3
    assert len({area.digest for area in areas}) == 1


def test_of_a_list_that_is_there_twice_the_last_counts_as_for_any_json():
    text = '{"features": [%s, %s], "type": "FeatureCollection", "features": [%s]}'
    text %= tuple(json.dumps(feature(id=name)) for name in "abc")
    assert list(json.loads(text)["features"][0]["id"]) == list(probav.aoi(text).frame.index) == ["c"]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5).filter(
                lambda name: name not in ("geometry", "id") and name.casefold() != "name"
            ),
            st.none()
            | st.booleans()
            | st.integers(-9, 9)
            | st.text(max_size=8)
            | st.lists(st.text(max_size=3)),
            max_size=4,
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 40),
)
def test_any_attributes_come_through_wherever_the_text_is_cut(rows, block):
    text = json.dumps(collection(*[feature(properties=row) for row in rows]), ensure_ascii=False)
    stream = io.StringIO(text)
    frame, _ = area_geojson.read(lambda size: stream.read(min(size, block)))
    expected = pd.DataFrame(rows, index=range(len(rows)))
    pd.testing.assert_frame_equal(pd.DataFrame(frame.drop(columns="geometry")), expected, check_dtype=False)


def test_a_large_file_is_never_there_as_python_objects(tmp_path, monkeypatch):
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    path, count = tmp_path / "large.geojson", 500
    monkeypatch.setattr(area_geojson, "_BLOCK", 100_000)
    monkeypatch.setattr(area_geojson, "_GEOMETRIES", 400_000)
    monkeypatch.setattr("probav.areas._BATCH", 10_000)
    with path.open("w") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for number in range(count):
            xy = np.column_stack([np.cos(angles), np.sin(angles)]) * 0.01 + [number % 100 / 10, number // 100]
            ring = [*xy.tolist(), xy[0].tolist()]
            shape = {"type": "Polygon", "coordinates": [ring]}
            file.write(
                (", " if number else "") + json.dumps(feature(geometry=shape, properties={"n": number}))
            )
        file.write("]}")
    size = path.stat().st_size
    assert size > 3e6
    tracemalloc.start()
    area = probav.aoi(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(area) == count
    assert peak < size / 2  # a batch of texts and a block; json.loads would take some ten times the file


# (longitude, latitude) of two corners of a box in the Netherlands, and what PROJ makes of them
BOX = (4.5, 52.0, 4.6, 52.1)


def gml(srs, swapped):
    west, south, east, north = BOX
    xy = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    places = " ".join(f"{y} {x}" if swapped else f"{x} {y}" for x, y in xy)
    return f"""<?xml version="1.0"?><ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/"
 xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://ogr.maptools.org/ http://127.0.0.1:9/wfs?REQUEST=DescribeFeatureType">
 <ogr:featureMember><ogr:field gml:id="f.1"><ogr:geometryProperty>
 <gml:Polygon srsName="{srs}" gml:id="g.1"><gml:exterior><gml:LinearRing><gml:posList>{places}</gml:posList>
 </gml:LinearRing></gml:exterior></gml:Polygon></ogr:geometryProperty><ogr:crop>rye</ogr:crop></ogr:field>
 </ogr:featureMember></ogr:FeatureCollection>"""


@pytest.mark.parametrize(
    ("srs", "swapped"),
    [
        ("urn:ogc:def:crs:EPSG::4326", True),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", True),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", False),
        ("EPSG:4326", False),
    ],
)
def test_gml_has_latitude_first_where_its_crs_says_so(srs, swapped, tmp_path):
    path = tmp_path / "field.gml"
    path.write_text(gml(srs, swapped))
    area = probav.aoi(path)
    assert area.bounds == pytest.approx(BOX)
    assert area.bounds == pytest.approx(tuple(pyogrio.read_dataframe(path).total_bounds))
    assert list(area.frame["crop"]) == ["rye"]


def test_reading_gml_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "field.gml").write_text(gml("urn:ogc:def:crs:EPSG::4326", True))
    probav.aoi(tmp_path / "field.gml")
    assert [path.name for path in tmp_path.iterdir()] == ["field.gml"]


@pytest.mark.parametrize(
    "crs", ["EPSG:4326", "OGC:CRS84", "EPSG:4258", "EPSG:28992", "EPSG:2393", "EPSG:3857"]
)
@pytest.mark.parametrize("kind", ["shp", "gpkg", "fgb", "parquet", "geojson"])
def test_axes_are_right_in_every_crs_and_format(crs, kind, tmp_path):
    xs, ys = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(BOX[::2], BOX[1::2])
    frame = gpd.GeoDataFrame(geometry=[shapely.MultiPoint(list(zip(xs, ys, strict=True)))], crs=crs)
    path = tmp_path / f"points.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "geojson":  # as written in 2008: x, y of the CRS that it names
        name = (
            f"urn:ogc:def:crs:EPSG::{crs[5:]}" if crs.startswith("EPSG") else "urn:ogc:def:crs:OGC:1.3:CRS84"
        )
        shape = shapely.geometry.mapping(frame.geometry.iloc[0])
        path.write_text(
            json.dumps(
                collection(feature(geometry=shape), crs={"type": "name", "properties": {"name": name}})
            )
        )
    else:
        frame.to_file(path)
    area = probav.aoi(path)
    assert area.bounds == pytest.approx(BOX, abs=1e-6)
    if kind != "parquet":
        assert area.bounds == pytest.approx(tuple(pyogrio.read_dataframe(path).to_crs(4326).total_bounds))


def test_ewkt_names_its_crs():
    x, y = pyproj.Transformer.from_crs(4326, 28992, always_xy=True).transform(4.5, 52.0)
    assert probav.aoi(f"SRID=28992;POINT({x} {y})").bounds == pytest.approx((4.5, 52, 4.5, 52), abs=1e-6)
    assert probav.aoi("SRID=4326;POINT(4.5 52)").bounds == (4.5, 52, 4.5, 52)
    with pytest.raises(AoiError, match="looks like WKT but can't be read"):
        probav.aoi("SRID=5;POINT(4.5 52)")


# -- limits


@pytest.fixture
def low_limit(monkeypatch):
    monkeypatch.setenv("PROBAV_MAX_VERTICES", "100")


@pytest.mark.parametrize("kind", ["dict", "text", "geojson", "shp", "gpkg", "kml", "parquet", "frame", "wkt"])
def test_too_many_vertices_are_refused_with_the_remedy(kind, tmp_path, low_limit, monkeypatch):
    circles = gpd.GeoDataFrame(geometry=[shapely.Point(x, 50).buffer(0.1, 8) for x in range(4)], crs=4326)
    assert shapely.get_num_coordinates(circles.geometry.to_numpy()).sum() == 132
    x = path = tmp_path / f"x.{kind}"
    if kind == "geojson":
        path.write_text(circles.to_json())
    elif kind == "parquet":
        circles.to_parquet(path)
    elif kind in ("dict", "text", "frame", "wkt"):
        x = {
            "dict": json.loads(circles.to_json()),
            "text": circles.to_json(),
            "frame": circles,
            "wkt": shapely.union_all(circles.geometry).wkt,
        }[kind]
    else:
        circles.to_file(path)
    with pytest.raises(AoiError, match=r"more than 100 vertices, the limit .*PROBAV_MAX_VERTICES.*simplify"):
        probav.aoi(x)
    monkeypatch.setenv("PROBAV_MAX_VERTICES", "132")
    assert len(probav.aoi(x)) == (1 if kind == "wkt" else 4)


@pytest.mark.parametrize("bytes_at_once", [1, 1000, 10_000])
@pytest.mark.parametrize("kind", ["shp", "gpkg"])
def test_a_file_read_in_parts_is_the_same(kind, bytes_at_once, tmp_path, monkeypatch):
    circles = gpd.GeoDataFrame(
        {"id": list("abcdefg")}, geometry=[shapely.Point(x, 50).buffer(0.1, 8) for x in range(7)], crs=4326
    )
    circles.to_file(tmp_path / f"x.{kind}")
    whole = probav.aoi(tmp_path / f"x.{kind}")
    monkeypatch.setattr("probav.area_files._BATCH", bytes_at_once)
    monkeypatch.setenv("PROBAV_MAX_VERTICES", "231")  # as many as there are: they have to be counted
    parts = probav.aoi(tmp_path / f"x.{kind}")
    assert parts.digest == whole.digest
    pd.testing.assert_frame_equal(pd.DataFrame(parts.frame), pd.DataFrame(whole.frame))


def test_too_many_vertices_stop_the_reading_early(low_limit):
    text = json.dumps(feature(geometry={"type": "LineString", "coordinates": [[4, 50], [5, 51]] * 10}))
    endless = itertools.chain(['{"type": "FeatureCollection", "features": ['], itertools.repeat(text + ", "))
    with pytest.raises(AoiError, match="more than 100 vertices"):
        area_geojson.read(lambda size: next(endless))


@pytest.mark.parametrize("given", ["0", "-1", "many", "1.5"])
def test_the_limit_is_a_whole_number(given, monkeypatch):
    monkeypatch.setenv("PROBAV_MAX_VERTICES", given)
    with pytest.raises(AoiError, match=f"PROBAV_MAX_VERTICES is '{given}'; expected a whole number"):
        probav.aoi(SQUARE)


ENTITIES = """<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>&b;</name></Placemark></kml>"""


@pytest.mark.parametrize("kind", ["kml", "kmz", "zip", "gml"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_entities_are_refused(kind, encoding, tmp_path):
    path = tmp_path / f"x.{kind}"
    if kind in ("kmz", "zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("doc.kml", ENTITIES.encode(encoding))
    else:
        path.write_bytes(ENTITIES.encode(encoding))
    with pytest.raises(AoiError, match=r"has a <!DOCTYPE, which no map data needs"):
        probav.aoi(path)


def test_a_data_source_that_names_another_is_refused(tmp_path):
    path = tmp_path / "x.kml"
    path.write_text(
        "<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource>/etc/x</SrcDataSource></OGRVRTLayer>"
    )
    with pytest.raises(AoiError, match="OGRVRTDataSource"):
        probav.aoi(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(area_limits, "MAX_UNPACKED", 1_000_000)
    for kind in ("zip", "kmz"):
        path = tmp_path / f"x.{kind}"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.kml", b" " * 2_000_000)
        assert path.stat().st_size < 10_000
        with pytest.raises(AoiError, match=r"Its 1 members unpack to 2 MB; .*Unpack it and give"):
            probav.aoi(path)


def test_links_are_followed_to_files_and_nothing_else(tmp_path):
    (tmp_path / "x.geojson").write_text(json.dumps(POLYGON))
    (tmp_path / "link.geojson").symlink_to(tmp_path / "x.geojson")
    assert probav.aoi(tmp_path / "link.geojson").bounds == (4, 50, 5, 51)
    (tmp_path / "loop.geojson").symlink_to(tmp_path / "loop.geojson")
    with pytest.raises(AoiError, match="There is no file"):
        probav.aoi(tmp_path / "loop.geojson")
    (tmp_path / "zero.geojson").symlink_to("/dev/zero")
    with pytest.raises(AoiError, match="no regular file"):
        probav.aoi(tmp_path / "zero.geojson")


def test_unclosed_rings_in_files_are_closed_and_told(tmp_path):
    path = tmp_path / "x.kml"
    path.write_text(
        """<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>open</name><Polygon><outerBoundaryIs>
        <LinearRing><coordinates>4,50 5,50 5,51 4,51</coordinates></LinearRing></outerBoundaryIs></Polygon>
        </Placemark></kml>"""
    )
    with pytest.warns(RepairWarning, match="Ring not closed"):
        area = probav.aoi(path)
    assert area.frame.geometry.iloc[0].equals(SQUARE)
