"""Cases that rasterstats publishes in its own tests (BSD-3-Clause, perrygeo), and rasterstats beside us.

Its test shapes are written out here, on a grid of the pixels of its slope.tif (84 x 78 pixels of 25.5 m); the
heights are others, except where a test needs the published ones. Each test names the case it comes from.
Coordinates go to degrees and back on our way, which moves them by nanometres.
"""

import warnings

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import rasterize

import probav
from probav.errors import AoiError, OutsideError, QueryError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own dependencies
    from rasterstats import point_query, zonal_stats

STEP = 25.52514657450613
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rasterstats
SLOPE = Affine(STEP, 0, 244300.61494985913, 0, -STEP, 1000868.7876863468)
SHAPE = (78, 84)
CRS = "EPSG:32633"
NODATA = -9999
POLYGONS = [
    "POLYGON ((244697.451795 1000369.230757, 244827.15494 1000373.045556, 244933.969294 1000353.971564,"
    " 244930.154496 1000147.972452, 244697.451795 1000159.416847, 244697.451795 1000369.230757))",
    "POLYGON ((246082.223602 1000453.156322, 246139.445578 1000460.785918, 246189.037956 1000403.563943,"
    " 246086.0384 1000132.713259, 245990.668441 1000205.194428, 246082.223602 1000453.156322))",
]
LINES = [
    "LINESTRING (246295.852311 999289.64282, 246295.852311 999461.308746, 246272.96352 999575.752697,"
    " 245975.409248 1000022.084106, 246021.186828 1000338.712371, 246017.37203 1000624.822248,"
    " 245902.928079 1000758.340191)",
    "LINESTRING (245208.634776 999453.67915, 245517.633444 999621.530278, 245693.114169 999838.973785,"
    " 245819.002515 999900.010559, 245975.409248 1000022.084106)",
]
POINTS = [
    "POINT (244991.191269 1000353.971564)",
    "POINT (245403.189493 999343.049997)",
    "POINT (246269.148722 999575.752697)",
]
PARTIAL = [  # beyond the west, north and east edge
    "POLYGON ((244137.086384 1000200.924131, 244617.591554 1000200.924131, 244614.47139 999973.1522,"
    " 243928.035434 999966.911873, 243924.91527 1000072.99743, 244137.086384 1000200.924131))",
    "POLYGON ((244024.7605 1000974.724664, 244505.26567 1000974.724664, 244502.145506 1000746.952733,"
    " 243815.70955 1000740.712406, 243812.589386 1000846.797963, 244024.7605 1000974.724664))",
    "POLYGON ((246371.123407 1000943.52303, 246851.628576 1000943.52303, 246848.508413 1000715.751099,"
    " 246162.072456 1000709.510772, 246158.952293 1000815.596329, 246371.123407 1000943.52303))",
]
AWAY = [
    "POLYGON ((243575.456965 1000487.979168, 244055.962135 1000487.979168, 244052.841971 1000260.207236,"
    " 243366.406014 1000253.96691, 243363.285851 1000360.052467, 243575.456965 1000487.979168))",
    "POLYGON ((245335.229145 1001548.834737, 245815.734314 1001548.834737, 245812.614151 1001321.062806,"
    " 245126.178194 1001314.822479, 245123.058031 1001420.908036, 245335.229145 1001548.834737))",
]
HEIGHTS, ALL_NODATA, SOME_NODATA, PUBLISHED = "2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"


@pytest.fixture(scope="module")
def slope():
    """Whole numbers, which float32 and int16 hold alike, with and without gaps; some values of slope.tif."""
    random = np.random.default_rng(5)
    rows, columns = np.indices(SHAPE)
    heights = (300 + 3 * rows - 2 * columns + random.integers(0, 40, SHAPE)).astype("float32")
    gaps = np.where(random.random(SHAPE) < 0.5, NODATA, heights).astype("float32")
    published = np.full(SHAPE, 1, "float32")
    published[20, 27], published[59, 43], published[50, 77] = 11.38649, 35.547047, 53.58441
    published[31:33, 39:41] = [[74.601616, 64.58431], [59.313766, 41.527046]]
    published[30:33, 38] = [18.196806, 64.41585, 67.215706]
    published[30, 39:41] = [46.97856, 59.361706]
    published[18:21, 61:64] = [
        [29.44079, 43.2971, 40.004787], [37.144436, 42.810165, 33.519703], [NODATA, NODATA, NODATA],
    ]  # fmt: skip
    return np.stack([heights, np.full(SHAPE, NODATA, "float32"), gaps, published])


@pytest.fixture(scope="module")
def product(keep, slope):
    whole = slope.round().astype("int16")
    classes = np.where(slope == 1, 1, 2).astype("uint8")
    return keep(
        {
            "SLOPE": (slope, {"nodata": NODATA}), "WHOLE": (whole, {"nodata": NODATA}),
            "CLASS": (classes, {"kind": "categorical", "flags": {"1": "flat", "2": "steep"}}),
        },
        SLOPE, crs=CRS, cut=(2, 20),
    )  # fmt: skip


def area(*shapes):
    return gpd.GeoSeries(shapely.from_wkt(list(shapes)), crs=CRS)


def run(product, shapes, day=HEIGHTS, reducers=("mean",), **options):
    return product.statistics(shapes, time=day, reducers=reducers, **{"coverage": "centre", **options}).isel(
        time=0
    )


def test_counts_of_polygons(product):
    """test_main, test_zonal_global_extent."""
    assert run(product, area(*POLYGONS))["valid"].values.tolist() == [75, 50]


def test_all_touched(product):
    """test_all_touched."""
    assert run(product, area(*POLYGONS), coverage="touched")["valid"].values.tolist() == [95, 73]


def test_multipolygons_multilines_multipoints(product):
    """test_multipolygons, test_multilines, test_multipoints."""
    polygons, points = (area(shapely.union_all(shapely.from_wkt(items)).wkt) for items in (POLYGONS, POINTS))
    assert run(product, polygons)["valid"].item() == 125
    assert run(product, points)["valid"].item() == 3


def test_lines_are_touched(product):
    """test_lines has 58 and 32 pixels of Bresenham's lines; ours are all pixels touched (all_touched)."""
    expected = [
        rasterize([shapely.from_wkt(line)], SHAPE, transform=SLOPE, all_touched=True).sum() for line in LINES
    ]
    found = run(product, area(*LINES))["valid"].values.tolist()
    assert found == expected
    assert found[0] > 58
    assert found[1] > 32
    both = area(shapely.union_all(shapely.from_wkt(LINES)).wkt)
    assert run(product, both)["valid"].item() == sum(expected) - 1  # they meet in one pixel


def test_points(product):
    """test_points, test_ndarray: the values of slope.tif."""
    found = run(product, area(*POINTS), day=PUBLISHED)
    assert found["valid"].values.tolist() == [1, 1, 1]
    assert found["mean"].values.round(3).tolist() == [11.386, 35.547, 53.584]


def test_partial_overlap(product):
    """test_partial_overlap: what lies beyond is counted apart."""
    found = run(product, area(*PARTIAL))
    assert (found["valid"] > 0).all()
    assert (found["outside"] > 0).all()
    expected = zonal_stats(
        shapely.from_wkt(PARTIAL).tolist(), np.ones(SHAPE), affine=SLOPE, stats="count", nodata=-1
    )
    assert found["valid"].values.tolist() == [item["count"] for item in expected]


def test_no_overlap(product):
    """test_no_overlap: a row each with nothing inside; an error where no feature has anything."""
    found = run(product, area(POLYGONS[0], *AWAY))
    assert found["valid"].values.tolist() == [75, 0, 0]
    assert (found["outside"][1:] == found["count"][1:]).all()
    assert (found["count"][1:] > 0).all()
    with pytest.raises(OutsideError):
        run(product, area(*AWAY))


def test_all_nodata(product):
    """test_all_nodata, test_percentile_nodata, test_nodata: counts, and no number where there is none."""
    found = run(product, area(*POLYGONS), day=ALL_NODATA, reducers=("mean", "p90", "mode"))
    assert found["nodata"].values.tolist() == [75, 50]
    assert found["valid"].values.tolist() == [0, 0]
    assert all(np.isnan(found[name]).all() for name in ("mean", "p90", "mode"))


def test_nan_is_no_data(keep):
    """test_nan_nodata, test_nan_counts: we count NaN as no data; rasterstats leaves it out, or apart."""
    array = np.array([[[np.nan, 12.25], [-999, 12.75]]], "float32")
    product = keep({"V": (array, {"nodata": -999})}, Affine(1, 0, 0, 0, -1, 2))
    found = product.statistics(shapely.box(0, 0, 2, 2), reducers=("mean", "min", "max")).isel(zone=0, time=0)
    assert [float(found[name]) for name in ("valid", "mean", "min", "max")] == [2, 12.5, 12.25, 12.75]
    assert found["nodata"] == 2
    array = np.array([[[np.nan] * 3, [0, 0, 0], [1, 4, 5]]], "float32")
    product = keep({"V": (array, {"nodata": 0})}, Affine(1, 0, 1, 0, -1, 3))
    found = product.statistics(shapely.box(1, 0, 4, 3)).isel(zone=0, time=0)
    assert [float(found[name]) for name in ("valid", "nodata", "outside")] == [3, 6, 0]


def test_a_polygon_through_centres(keep):
    """test_geojson_out_with_no_properties: three of four pixels, a mean of 34; exactly on centres."""
    product = keep({"V": np.array([[[100, 1], [100, 1]]], "int16")}, Affine(1, 0, 0, 0, -1, 2))
    shape = shapely.Polygon([[0, 0], [0, 0.5], [1, 1.5], [1.5, 2], [2, 2], [2, 0]])
    found = product.statistics(shape, coverage="centre", reducers="mean")
    assert found["mean"].item() == 34


def test_categories(product):
    """test_categorical, test_points_categorical: pixels by class."""
    found = run(product, area(*POINTS), day=PUBLISHED, by="class")
    assert found["class_name"].values.tolist() == ["steep"]
    found = run(product, area(*POLYGONS), day=PUBLISHED, by="class")
    assert found["valid"].sel({"class": 1}).values.tolist() == [75, 50]


def test_what_is_asked_for_is_what_comes(product):
    """test_specify_stats_list, test_specify_stats_invalid, test_percentile_bad, test_nonsense."""
    found = run(product, area(*POLYGONS), reducers=("min", "max"))
    assert set(found.data_vars) == {
        "min",
        "max",
        "count",
        "valid",
        "masked",
        "nodata",
        "outside",
        "valid_fraction",
    }
    for bad in (("foo", "max"), ("p101",)):
        with pytest.raises(QueryError, match=bad[0]):
            run(product, area(*POLYGONS), reducers=bad)
    with pytest.raises(AoiError):
        probav.aoi("blaghrlargh/")


@pytest.mark.parametrize("variable", ["SLOPE", "WHOLE"])
@pytest.mark.parametrize("rule", ["centre", "touched"])
@pytest.mark.parametrize("day", [HEIGHTS, SOME_NODATA, PUBLISHED])
def test_every_statistic_equals_rasterstats(product, slope, variable, rule, day):
    """test_optional_stats, test_range, test_percentile_good, test_some_nodata: the library itself."""
    names = {
        "valid": "count", "nodata": "nodata", "min": "min", "max": "max", "mean": "mean", "std": "std",
        "sum": "sum", "median": "median", "p10": "percentile_10", "p50": "percentile_50",
        "p90": "percentile_90", "mode": "majority",
    }  # fmt: skip
    raster = slope[int(day[-1]) - 1].astype("float64")
    if variable == "WHOLE":
        raster = raster.round()
    theirs = zonal_stats(
        shapely.from_wkt(POLYGONS).tolist(), raster, affine=SLOPE, nodata=NODATA,
        all_touched=rule == "touched", stats=" ".join(names.values()),
    )  # fmt: skip
    ours = run(
        product, area(*POLYGONS), day=day, coverage=rule, variable=variable, reducers=[*names][2:],
    )  # fmt: skip
    for zone, expected in enumerate(theirs):
        for name, their in names.items():
            assert float(ours[name][zone]) == pytest.approx(expected[their], rel=1e-12), (zone, name)


def test_bilinear(keep):
    """test_bilinear: the four centres are corners of the unit square; x to the east, y to the north."""
    product = keep({"V": np.array([[[1, 2], [3, 4]]], "float32")}, Affine(1, 0, 0, 0, -1, 2))

    def at(x, y):
        found = product.statistics(shapely.Point(0.5 + x, 0.5 + y), coverage="bilinear", reducers="mean")
        return found["mean"].item()

    assert [at(0, 0), at(1, 0), at(1, 1), at(0, 1)] == [3, 4, 2, 1]
    assert at(0.5, 0.5) == 2.5
    assert at(0.95, 0.95) < 4
    assert at(0.05, 0.95) > 1


def test_point_query(product, slope):
    """test_point_query, test_xy_array_bilinear_window: 74 between four heights of slope.tif."""
    point = area("POINT (245309 1000064)")
    found = run(product, point, day=PUBLISHED, coverage="bilinear")["mean"].item()
    assert round(found) == 74
    (theirs,) = point_query(point[0], slope[3].astype("float64"), affine=SLOPE, nodata=NODATA)
    assert found == pytest.approx(theirs, rel=1e-7)
    nearest = run(product, point, day=PUBLISHED)["mean"].item()
    (theirs,) = point_query(point[0], slope[3], affine=SLOPE, nodata=NODATA, interpolate="nearest")
    assert nearest == theirs


def test_point_query_beside_no_data(product):
    """test_point_query_nodata: rasterstats takes the nearest pixel then, we weigh those that have a value."""
    point = area("POINT (245905 1000361)")
    assert round(run(product, point, day=PUBLISHED)["mean"].item()) == 43
    found = run(product, point, day=PUBLISHED, coverage="bilinear", reducers="mean")
    column, row = ~SLOPE @ (245905, 1000361)
    x, y = column - 0.5 - 62, row - 0.5 - 19
    expected = 42.810165 * (1 - x) + 33.519703 * x
    assert found["mean"].item() == pytest.approx(expected, rel=1e-6)
    assert found["nodata"].item() == pytest.approx(y, abs=1e-6)
    gone = run(product, area("POINT (245309 1000308)"), day=ALL_NODATA, coverage="bilinear")
    assert np.isnan(gone["mean"].item())
    with pytest.raises(OutsideError):
        run(product, area("POINT (244000 1000308)"), coverage="bilinear")


def test_tiny_polygons_have_a_mean(product, slope):
    """rasterstats#239: a polygon between centres has no pixel under the centre rule; a fraction has."""
    corner = SLOPE @ (30.1, 40.1)
    tiny = area(shapely.box(corner[0], corner[1] - 2.5, corner[0] + 2.5, corner[1]).wkt)
    assert run(product, area(tiny[0].wkt, POLYGONS[0]))["valid"].values.tolist() == [0, 75]
    found = run(product, tiny, coverage="fraction")
    assert found["mean"].item() == slope[0, 40, 30]
    assert found["valid"].item() == pytest.approx(2.5**2 / STEP**2, rel=1e-6)
