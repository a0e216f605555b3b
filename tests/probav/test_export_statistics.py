"""Statistics as files, read back by pandas, pyarrow, geopandas, netCDF4 and cf_xarray."""

import csv
import io
import json

import geopandas as gpd
import netCDF4
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import probav
from probav.errors import ProbavError

geometry = pytest.importorskip("cf_xarray.geometry", reason="cf_xarray comes with the extra export")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the extra export")

S10 = "PROBAV_L3_S10_TOC_333M"
HOLED = shapely.box(2.2, 48.8, 2.5, 49.1).difference(shapely.box(2.3, 48.9, 2.35, 48.95))
PAIR = shapely.MultiPolygon([shapely.box(2.5, 49.2, 2.6, 49.3), shapely.box(2.7, 49, 2.8, 49.1)])
ZONES = gpd.GeoDataFrame(
    {"name": ['Île "one", of #2', "two"]},
    geometry=[HOLED, PAIR],
    index=["007", "b"],
    crs=4326,
)  # fmt: skip


@pytest.fixture(scope="module")
def result(world):
    return world.archive[S10].statistics(
        ZONES, "2015-03", "clear", by="landcover", reducers=("mean", "p90"), coverage="centre"
    )


@pytest.fixture
def expected(result):
    """The table as xarray makes it."""
    return result.drop_vars("geometry").to_dataframe().reset_index()


def head(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))


def said_in(metadata):
    return {
        name: metadata[name] for name in ("product", "snapshot", "archive", "citation", "license", "mask")
    }


def assert_says_where_it_comes_from(metadata, result):
    assert said_in(metadata) == said_in(result.attrs)
    assert metadata["probav_version"] == probav.__version__
    if "query" in result.attrs:
        assert json.loads(metadata["query"]) == json.loads(result.attrs["query"])


# --- CSV ------------------------------------------------------------------------------------------------


def test_csv_is_read_by_pandas_without_loss(result, expected, tmp_path):
    assert probav.export(result, tmp_path / "x.csv") == [tmp_path / "x.csv"]
    table = pd.read_csv(
        tmp_path / "x.csv",
        comment="#",
        parse_dates=["time"],
        dtype={"zone": str},
        float_precision="round_trip",
    )
    pd.testing.assert_frame_equal(table[list(expected.columns)], expected, check_exact=True)
    assert table.columns[:5].tolist() == ["zone", "name", "class", "class_name", "time"]
    assert len(table) == result.sizes["zone"] * result.sizes["class"] * result.sizes["time"]
    assert table["zone"].drop_duplicates().tolist() == ["007", "b"]


def test_csv_says_where_it_comes_from_in_lines_that_begin_with_a_hash(result, tmp_path):
    probav.export(result, tmp_path / "x.csv")
    said = head(tmp_path / "x.csv")
    assert_says_where_it_comes_from(said, result)
    assert said["column mean"] == "mean of Normalized Difference Vegetation Index, 1"
    assert not (tmp_path / "x.csv").read_bytes().startswith(b"\xef\xbb\xbf")


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@settings(max_examples=60)
@given(
    st.lists(words, min_size=1, max_size=3, unique=True),
    st.lists(st.floats(allow_infinity=False), min_size=6, max_size=6),
)
def test_any_name_and_any_number_survives_csv(tmp_path_factory, names, numbers):
    folder = tmp_path_factory.mktemp("csv")
    values = np.resize(np.array(numbers), (len(names), 2))
    dataset = xr.Dataset(
        {"mean": (("zone", "time"), values)},
        {"zone": names, "name": ("zone", names[::-1]),
         "time": np.array(["2015-01-01", "2015-01-11"], "datetime64[ns]")},
        {"title": "a\nb # c"},
    )  # fmt: skip
    probav.export(dataset, folder / "x.csv")
    text = (folder / "x.csv").read_text(encoding="utf-8")
    comments = [line for line in text.split("\n") if line.startswith("# ")]
    assert comments[0] == "# title: a b # c"
    rest = text.split("\n", text[: text.index("zone")].count("\n"))[-1]
    rows = list(csv.DictReader(io.StringIO(rest, newline="")))
    assert [row["zone"] for row in rows] == list(np.repeat(names, 2))
    assert [row["name"] for row in rows] == list(np.repeat(names[::-1], 2))
    found = np.array([float(row["mean"] or "nan") for row in rows])
    np.testing.assert_array_equal(found, values.ravel())
    again = pd.read_csv(
        folder / "x.csv", comment="#", dtype={"zone": str, "name": str}, keep_default_na=False,
        na_values={"mean": [""]}, float_precision="round_trip",
    )  # fmt: skip
    assert again["zone"].tolist() == list(np.repeat(names, 2))
    np.testing.assert_array_equal(again["mean"], values.ravel())


def test_a_histogram_has_a_column_a_bin_and_no_mean_is_repeated(result, tmp_path):
    counts = np.arange(result["mean"].size * 3).reshape(*result["mean"].shape, 3)
    dataset = result.assign(histogram=((*result["mean"].dims, "bin"), counts)).assign_coords(
        bin=[-0.08, 0.0, 0.5]
    )
    probav.export(dataset, tmp_path / "x.csv")
    table = pd.read_csv(tmp_path / "x.csv", comment="#")
    assert len(table) == result["mean"].size
    columns = ["histogram_-0.08", "histogram_0", "histogram_0.5"]
    np.testing.assert_array_equal(table[columns], counts.reshape(-1, 3))


def test_variables_and_crossed_classes_are_columns(result, tmp_path):
    both = xr.concat(
        [result, result + 1], pd.Index(["NDVI", "RED"], name="variable"), coords="minimal", compat="override"
    )
    crossed = both.expand_dims(class2=[1, 2]).assign_coords(class2_name=("class2", ["low", "high"]))
    probav.export(crossed, tmp_path / "x.parquet")
    table = gpd.read_parquet(tmp_path / "x.parquet")
    assert len(table) == result["mean"].size * 4
    one = table[(table["variable"] == "RED") & (table["class2_name"] == "high")]
    keys = ["zone", "class", "time"]
    found = one.set_index(keys)["mean"].sort_index()
    expected = (result["mean"] + 1).to_dataframe(dim_order=keys)["mean"].sort_index()
    pd.testing.assert_series_equal(found, expected, check_exact=True)


# --- GeoParquet -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.parquet", "x.geoparquet", "X.PARQUET"])
def test_geoparquet_is_read_by_geopandas(result, expected, tmp_path, name):
    probav.export(result, tmp_path / name)
    table = gpd.read_parquet(tmp_path / name)
    assert table.crs == "EPSG:4326"
    pd.testing.assert_frame_equal(pd.DataFrame(table[list(expected.columns)]), expected, check_exact=True)
    for zone, shape in zip(ZONES.index, ZONES.geometry, strict=True):
        assert table.geometry[table["zone"] == zone].geom_equals(shape).all()


def test_geoparquet_is_of_version_1_1_in_zstd_and_says_where_it_comes_from(result, tmp_path):
    probav.export(result, tmp_path / "x.parquet")
    file = parquet.ParquetFile(tmp_path / "x.parquet")
    metadata = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    assert_says_where_it_comes_from(metadata, result)
    assert json.loads(metadata["columns"])["mean"]["units"] == "1"
    geo = json.loads(metadata["geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert geo["columns"]["geometry"]["encoding"] == "WKB"
    assert geo["columns"]["geometry"]["bbox"] == pytest.approx(ZONES.total_bounds.tolist())
    group = file.metadata.row_group(0)
    assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}
    assert file.schema_arrow.field("geometry").type == "binary"


def test_a_geometry_is_stored_once(result, tmp_path):
    shape = shapely.Point(2.5, 49).buffer(0.2, quad_segs=20_000)
    dataset = result.isel(zone=[0]).assign_coords(geometry=("zone", np.array([shape])))
    probav.export(dataset, tmp_path / "x.parquet")
    assert result["class"].size * result["time"].size > 10
    assert (tmp_path / "x.parquet").stat().st_size < 1.5 * len(shape.wkb)
    assert gpd.read_parquet(tmp_path / "x.parquet").geometry.iloc[-1].equals_exact(shape, 0)


# --- netCDF ---------------------------------------------------------------------------------------------


def test_netcdf_decodes_to_the_same_dataset(result, tmp_path):
    probav.export(result, tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc", engine="netcdf4") as file:
        again = geometry.decode_geometries(file.load()).set_coords("geometry").assign_attrs(file.attrs)
    assert set(again.variables) == {*result.variables, "spatial_ref"}
    xr.testing.assert_equal(again.drop_vars(["geometry", "spatial_ref"]), result.drop_vars("geometry"))
    assert gpd.GeoSeries(again["geometry"].values).geom_equals(gpd.GeoSeries(result["geometry"].values)).all()
    assert_says_where_it_comes_from(again.attrs, result)
    assert again["mean"].attrs["units"] == result["mean"].attrs["units"]


def test_netcdf_holds_geometries_as_cf_has_them(result, tmp_path):
    """Rings put together by hand after CF 1.8, section 7.5."""
    probav.export(result, tmp_path / "x.nc")
    with netCDF4.Dataset(tmp_path / "x.nc") as file:
        assert file.Conventions == "CF-1.8"
        container = file[file["mean"].geometry]
        assert container.geometry_type == "polygon"
        assert file[container.grid_mapping].grid_mapping_name == "latitude_longitude"
        x, y = (file[name] for name in container.node_coordinates.split())
        assert (x.axis, y.axis, x.units, y.units) == ("X", "Y", "degrees_east", "degrees_north")
        inner = np.asarray(file[container.interior_ring])
        ends = np.cumsum(file[container.part_node_count])
        rings = np.split(np.column_stack([x, y]), ends[:-1])
        nodes = np.cumsum(file[container.node_count])
        assert nodes[-1] == ends[-1] == len(x)
        for ring, hole in zip(rings, inner, strict=True):
            assert shapely.LinearRing(ring).is_ccw == (not hole)
        for zone, shape in enumerate(result["geometry"].values):
            first = nodes[zone - 1] if zone else 0
            own = [i for i, end in enumerate(ends) if first < end <= nodes[zone]]
            shells = shapely.union_all([shapely.Polygon(rings[i]) for i in own if not inner[i]])
            holes = shapely.union_all([shapely.Polygon(rings[i]) for i in own if inner[i]])
            assert shells.difference(holes).equals(shape)
        assert file["zone"][:].tolist() == ["007", "b"]
        assert file["time"].units == "days since 1970-01-01"
        days = netCDF4.num2date(file["time"][:], file["time"].units, file["time"].calendar)
        assert [f"{day:%Y-%m-%d}" for day in days] == ["2015-03-01", "2015-03-11", "2015-03-21"]
        assert not hasattr(file["time"], "_FillValue")
        assert np.isnan(file["mean"]._FillValue)


@pytest.mark.parametrize(
    "shapes",
    [
        [shapely.Point(2.5, 49), shapely.Point(2.6, 49.1)],
        [
            shapely.LineString([(2.2, 49), (2.4, 49.2)]),
            shapely.LineString([(2.2, 48.9), (2.4, 49), (2.5, 49)]),
        ],
        [shapely.box(2.2, 49, 2.3, 49.1), shapely.box(2.4, 49, 2.5, 49.1)],
    ],
    ids=["points", "lines", "boxes"],
)
def test_netcdf_of_any_one_kind_of_geometry(result, tmp_path, shapes):
    probav.export(result.assign_coords(geometry=("zone", np.array(shapes))), tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as file:
        again = geometry.decode_geometries(file.load())
    assert gpd.GeoSeries(again["geometry"].values).geom_equals(gpd.GeoSeries(shapes)).all()


def test_points_beside_polygons_are_no_cf_cube(result, tmp_path):
    mixed = result.assign_coords(geometry=("zone", np.array([shapely.Point(2.5, 49), HOLED])))
    with pytest.raises(ProbavError, match=r"no cube of Point and Polygon together.*Use \.parquet"):
        probav.export(mixed, tmp_path / "x.nc")
    assert list(tmp_path.iterdir()) == []
    probav.export(mixed, tmp_path / "x.parquet")
    assert set(gpd.read_parquet(tmp_path / "x.parquet").geom_type) == {"Point", "Polygon"}


# --- provenance -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.nc"])
def test_no_secret_of_an_archive_gets_into_a_file(result, tmp_path, name):
    url = "s3://user:pass%40word@bucket/a/b?X-Amz-Signature=5ecret#part"
    probav.export(result.assign_attrs(archive=url), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert b"s3://bucket/a/b" in content
    assert not any(word in content for word in (b"user", b"pass%40", b"5ecret"))


def test_the_table_of_a_result_stays_what_it_is(result, tmp_path):
    before = result.to_dataframe()
    attributes = {name: dict(array.attrs) for name, array in result.variables.items()}
    for name in ("x.csv", "x.parquet", "x.nc"):
        probav.export(result, tmp_path / name)
    pd.testing.assert_frame_equal(result.to_dataframe(), before)
    assert {name: dict(array.attrs) for name, array in result.variables.items()} == attributes
