"""Statistics of random polygons on random rasters beside exactextract, rasterio, NumPy and rasterstats."""

import warnings
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from hypothesis import HealthCheck, assume, example, given, reject, settings
from hypothesis import strategies as st
from rasterio.features import geometry_mask

import probav
from probav.errors import OutsideError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own dependencies
    from rasterstats import zonal_stats

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rasterstats
WIDTH, HEIGHT, STEP = 52, 44, 1 / 8  # an eighth of a degree: corners of pixels are exact numbers
WEST, NORTH = 10.0, 50.0
TRANSFORM = Affine(STEP, 0, WEST, 0, -STEP, NORTH)
BOUNDS = (WEST, NORTH - HEIGHT * STEP, WEST + WIDTH * STEP, NORTH)
EDGE = shapely.box(0, 0, WIDTH, HEIGHT).exterior
HOLE_ON_CENTRES = shapely.from_wkt(
    "POLYGON ((39 2, 39 0, 35.5 -4, 22.5 3, 34 7, 36 9, 46 11, 47.5 7, 39 2),"
    " (38.5 4, 36.5 4, 36.5 2.5, 38.5 2.5, 38.5 4))"
)  # its hole begins on centres of pixels
MARGIN = 60  # pixels around the raster that a zone can reach
TOUCHING_THE_EDGE = shapely.from_wkt(
    "POLYGON ((1 0, -0.875 -0.5, -0.5 -0.875, 1 0))"
)  # in one point, a corner
TOUCHING_BY_ROUNDING = shapely.from_wkt("POLYGON ((1 0, -1 0, -0.5 -0.866, 1 0))")
SCALES = {"U8": (0.004, -0.08, 255), "I16": (1 / 2000, 0, -1), "F32": (1, 0, -9999)}
REDUCERS = (
    "mean",
    "std",
    "var",
    "min",
    "max",
    "sum",
    "mode",
    "median",
    "p0",
    "p10",
    "p33.3",
    "p90",
    "p100",
    "iqr",
)
REAL = Path(__file__).parents[3] / "shared" / "real"
RELAXED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def rasters():
    """Stored numbers of each type on ten dates: from noise to a constant, from full to empty."""
    random = np.random.default_rng(77)
    shape = (10, HEIGHT, WIDTH)
    patches = np.kron(random.random((10, 11, 13)), np.ones((4, 4)))
    holes = np.array([0, 0.02, 0.5, 0.98, 0, 0.1, 0.3, 0.02, 1, 0.1])[:, None, None]
    empty = np.where(np.arange(10)[:, None, None] % 2 == 1, patches, random.random(shape)) < holes
    level = np.clip(patches + random.normal(0, 0.05, shape), 0, 1)
    level[4] = 0.5
    level[5] = random.random(shape[1:])
    level[6] = (random.random(shape[1:]) < 0.5) * 0.25 + 0.25  # two values
    found = {
        "U8": np.where(empty, 255, (level * 250).round()).astype("uint8"),
        "I16": np.where(empty, -1, (level * 3000).round()).astype("int16"),
        "F32": np.where(empty, -9999, level * 90).astype("float32"),
    }
    found["F32"][7, :3] = np.nan
    return found


class Stored(dict):
    """Arrays by name, too large to be shown where a test fails."""

    def __repr__(self):
        return "arrays"


@pytest.fixture(scope="module")
def stored():
    return Stored(rasters())


@pytest.fixture(scope="module")
def product(keep, stored):
    described = {
        name: (stored[name], {"scale": scale, "offset": offset, "nodata": nodata})
        for name, (scale, offset, nodata) in SCALES.items()
    }
    return keep(described, TRANSFORM, cut=(4, 12))


def physical(stored, name, date):
    """Values as float64, NaN where there is none; written without probav."""
    scale, offset, nodata = SCALES[name]
    dn = stored[name][date].astype(float)
    return np.where((dn == nodata) | np.isnan(dn), np.nan, dn * scale + offset)


@st.composite
def polygons(draw, snapped=False):
    """Stars with and without holes, several parts, slivers, boxes on pixel edges, inside and partly outside.

    Coordinates are multiples of 2**-24 degrees, so that every way of computing with them is exact; `snapped`
    puts them on edges and centres of pixels.
    """
    x, y = draw(st.floats(-3, WIDTH + 3)), draw(st.floats(-3, HEIGHT + 3))
    kind = draw(st.sampled_from(["star", "star", "sliver", "box", "speck"]))
    if kind == "star":
        count = draw(st.integers(3, 16))
        angles = 2 * np.pi * (np.arange(count) + np.array(draw(st.lists(
            st.floats(0, 0.9), min_size=count, max_size=count
        )))) / count  # fmt: skip
        radii = np.array(draw(st.lists(st.floats(0.3, 16), min_size=count, max_size=count)))
        points = np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)])
    elif kind == "sliver":
        length, width = draw(st.floats(3, 40)), draw(st.floats(0.01, 0.4))
        angle = draw(st.floats(0, np.pi))
        along = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        across = np.array([-np.sin(angle), np.cos(angle)]) * width / 2
        points = np.array([x, y]) + np.array(
            [along + across, along - across, -along - across, across - along]
        )
    else:
        width, height = (
            draw(st.floats(0.01, 1) if kind == "speck" else st.floats(0.5, 25)) for _ in range(2)
        )
        points = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    step = draw(st.sampled_from([1.0, 0.5, 0.25])) if snapped else 2.0**-21
    shape = shapely.Polygon(np.round(points / step) * step)
    if not shape.is_valid or shape.area == 0:
        return shapely.box(4, 5, 9.5, 12.25)
    if draw(st.booleans()):
        hole = shapely.box(*(np.round(np.array([x - 1.3, y - 0.8, x + 0.9, y + 1.1]) / step) * step))
        if shape.contains_properly(hole):
            shape = shape.difference(hole)
    if draw(st.integers(0, 3)) == 0:
        other = shapely.box(2.25, 3.5, 4.125, 6)
        if not shape.intersects(other):
            shape = shapely.MultiPolygon([*shapely.get_parts(shape), other])
    return shape


def to_degrees(shape):
    return shapely.transform(
        shape, lambda xy: np.column_stack([WEST + xy[:, 0] * STEP, NORTH - xy[:, 1] * STEP])
    )


def in_degrees(shapes):
    return gpd.GeoSeries([to_degrees(shape) for shape in shapes], crs="EPSG:4326")


several = st.lists(polygons(), min_size=1, max_size=4)
names = st.sampled_from(sorted(SCALES))
dates = st.integers(0, 9)


def computed(product, zones, date, name, rule):
    try:
        return product.statistics(
            zones, time=str(product.times[date]), variable=name, coverage=rule, reducers=REDUCERS
        ).isel(time=0)  # fmt: skip
    except OutsideError:
        held = shapely.box(*BOUNDS)
        masks = [geometry_mask([zone], (HEIGHT, WIDTH), TRANSFORM, all_touched=True).all() for zone in zones]
        assert (
            all(masks) or rule == "centre" or not any(zone.intersection(held).area > 1e-12 for zone in zones)
        )
        return None


def check_whole(row, values, where):
    """All statistics of whole pixels, as NumPy has them."""
    assert float(row["valid"]) == len(values), where
    if not len(values):
        assert all(np.isnan(row[name]) for name in REDUCERS), where
        return
    distinct, counts = np.unique(values, return_counts=True)
    expected = {
        "mean": values.mean(), "std": values.std(), "var": values.var(), "min": values.min(),
        "max": values.max(), "sum": values.sum(), "mode": distinct[counts.argmax()],
        "median": np.median(values),
        "iqr": np.percentile(values, 75) - np.percentile(values, 25),
        **{f"p{p}": np.percentile(values, p) for p in (0, 10, 33.3, 90, 100)},
    }  # fmt: skip
    for name, number in expected.items():
        assert float(row[name]) == pytest.approx(number, rel=1e-11, abs=1e-12), (name, where)


def drawn_touched(shape):
    """Pixels that GDAL finds touched, on a raster with a margin: an archive ends, its grid does not.

    None where that depends on where the raster begins: whether GDAL gives a pixel to an outline that meets it
    in a corner alone is a matter of rounding.
    """
    found = set()
    for more in range(8):
        margin = MARGIN + more
        size = (HEIGHT + 2 * margin, WIDTH + 2 * margin)
        begin = Affine.translation(-margin, -margin)
        for drawn, transform in ((shape, begin), (to_degrees(shape), TRANSFORM @ begin)):
            whole = ~geometry_mask([drawn], size, transform, all_touched=True)
            found.add(whole[more : size[0] - more, more : size[1] - more].tobytes())
    if len(found) > 1:
        return None
    return np.frombuffer(found.pop(), bool).reshape(HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN)


def holes_of(shapes):
    return [ring for part in shapely.get_parts(shapes) for ring in part.interiors]


def centres(shape, margin=0):
    """Pixels whose centre lies in a shape, as rasterio has them; centres on an outline are in one shape only.

    On a raster with north up, GDAL lets a centre exactly on a horizontal outline be in the shapes on both
    sides (and in neither where it is a hole's); with y downwards, in the one below only, but a hole's upper
    outline in both. Ours is always the one below, so that neighbours share no pixel, and a hole none with
    what fills it: so rings are burnt one by one.
    """
    size = (HEIGHT + 2 * margin, WIDTH + 2 * margin)
    downwards = Affine.translation(-margin, -margin)

    def burnt(geometry, transform):
        return ~geometry_mask([geometry], size, transform)

    found = np.zeros(size, bool)
    for part in shapely.get_parts(shape):
        inside = burnt(shapely.Polygon(part.exterior), downwards)
        for hole in part.interiors:
            inside &= ~burnt(shapely.Polygon(hole), downwards)
        found |= inside
    holes = holes_of([shape])
    whole, north_up = burnt(shape, downwards), burnt(to_degrees(shape), TRANSFORM @ downwards)
    for row, column in np.argwhere((found != whole) | (found != north_up)):
        centre = shapely.Point(column + 0.5 - margin, row + 0.5 - margin)
        assert shape.boundary.distance(centre) == 0
        of_hole = any(ring.distance(centre) == 0 for ring in holes)
        if found[row, column] != whole[row, column]:
            assert of_hole
            assert whole[row, column]
        if found[row, column] != north_up[row, column]:
            assert north_up[row, column] != of_hole
    return found


@settings(max_examples=100, **RELAXED)
@example([HOLE_ON_CENTRES], 0, "F32")
@given(st.one_of(several, st.lists(polygons(snapped=True), min_size=1, max_size=4)), dates, names)
def test_centre_equals_rasterio_and_numpy(product, stored, shapes, date, name):
    zones = in_degrees(shapes)
    found = computed(product, zones, date, name, "centre")
    if found is None:
        return
    values = physical(stored, name, date)
    for index, shape in enumerate(shapes):
        inside = centres(shape)
        row = found.isel(zone=index)
        check_whole(row, values[inside & np.isfinite(values)], shape.wkt)
        assert float(row["nodata"]) == (inside & np.isnan(values)).sum()
        assert float(row["outside"]) == centres(shape, 40).sum() - inside.sum()


def test_few_outlines_are_touched_by_rounding_alone():
    drawn = [
        drawn_touched(shapely.Point(column, row).buffer(radius, 7))
        for column in np.arange(0.5, 40, 5.125)
        for row in np.arange(0.5, 40, 5.125)
        for radius in (0.3, 2, 7)
    ]
    assert sum(one is None for one in drawn) < len(drawn) / 20


def test_neighbours_share_no_centre(product):
    """Whole degrees are pixel centres of PROBA-V's grids, so that boxes often meet there."""
    edges = [2.5, 9.5, 20.5, 33.5]
    boxes = [
        shapely.box(left, top, right, bottom)
        for left, right in pairwise(edges)
        for top, bottom in pairwise(edges)
    ]
    found = product.statistics(in_degrees(boxes), time=str(product.times[0]), coverage="centre")
    assert found["count"].sum() == 31 * 31
    burnt = sum(~geometry_mask([to_degrees(box)], (HEIGHT, WIDTH), TRANSFORM) for box in boxes)
    assert burnt.max() == 2  # GDAL


@settings(max_examples=60, **RELAXED)
@example([TOUCHING_THE_EDGE], 0, "F32")
@example([TOUCHING_BY_ROUNDING], 0, "F32")
@given(several, dates, names)
def test_touched_equals_rasterstats(product, stored, shapes, date, name):
    zones = in_degrees(shapes)
    found = computed(product, zones, date, name, "touched")
    if found is None:
        return
    values = physical(stored, name, date)
    their = zonal_stats(
        list(zones), np.where(np.isnan(values), -9999, values), affine=TRANSFORM, nodata=-9999,
        all_touched=True,
        stats="count nodata mean std min max sum majority median percentile_10 percentile_90",
    )  # fmt: skip
    for index, expected in enumerate(their):
        row = found.isel(zone=index)
        touched = drawn_touched(shapes[index])
        if touched is None:
            continue
        inside = touched[MARGIN:-MARGIN, MARGIN:-MARGIN]
        check_whole(row, values[inside & np.isfinite(values)], zones[index].wkt)
        assert float(row["nodata"]) == (inside & np.isnan(values)).sum()
        assert float(row["outside"]) == touched.sum() - inside.sum()
        if expected["count"] + expected["nodata"] != touched.sum():
            # GDAL draws no outline that lies exactly on the end of the raster it is given, and rasterstats
            # gives it one that ends where the zone ends
            assert any(bound == round(bound) for bound in shapes[index].bounds)
            continue
        assert float(row["valid"]) == expected["count"]
        # rasterstats#105, #243: it takes what lies outside of the raster for no data
        assert float(row["nodata"] + row["outside"]) == expected["nodata"]
        if not expected["count"]:
            continue
        for ours, theirs in {
            "mean": "mean", "std": "std", "min": "min", "max": "max", "sum": "sum", "mode": "majority",
            "median": "median", "p10": "percentile_10", "p90": "percentile_90",
        }.items():  # fmt: skip
            assert float(row[ours]) == pytest.approx(expected[theirs], rel=1e-11, abs=1e-12), ours


@settings(max_examples=100, **RELAXED)
@given(st.one_of(several, st.lists(polygons(snapped=True), min_size=1, max_size=4)), dates, names)
def test_fraction_equals_exactextract(product, stored, shapes, date, name):
    zones = in_degrees(shapes)
    found = computed(product, zones, date, name, "fraction")
    if found is None:
        return
    values = physical(stored, name, date)
    # exactextract 0.3 crashes, with the whole process, where a side of a hole lies on the raster's edge
    assume(not any(ring.intersection(EDGE).length for ring in holes_of(shapes)))
    source = NumPyRasterSource(values, *BOUNDS, nodata=np.nan, srs_wkt=zones.crs.to_wkt())
    operations = ["count", "mean", "stdev", "variance", "sum", "values", "coverage"]
    # and runs out of memory, or fails, on outlines that have a point twice in a row
    once = shapely.remove_repeated_points(zones.to_numpy())
    their_zones = gpd.GeoDataFrame(geometry=once, crs=zones.crs, index=zones.index)
    try:
        answer = exact_extract(source, their_zones, operations, output="pandas")
    except RuntimeError as error:
        if str(error) != "Never get here.":  # its own failure, on one shape in some thousands
            raise
        reject()
    for index in range(len(zones)):
        row, their = found.isel(zone=index), answer.iloc[index]
        area = shapely.area(shapes[index])
        assert float(row["count"]) == pytest.approx(area, rel=1e-9, abs=1e-9)
        # exactextract keeps fractions of pixels as float32
        near = 1e-7 * (1 + len(their["values"]))
        assert float(row["valid"]) == pytest.approx(their["count"], rel=1e-6, abs=near)
        if their["count"] < 0.01:
            continue  # its fractions have 7 digits, and a mean of few pixels not even that
        rough = {"rel": 1e-5, "abs": 1e-5 * np.nanmax(np.abs(values))}
        assert float(row["mean"]) == pytest.approx(their["mean"], **rough)
        assert float(row["std"]) == pytest.approx(
            their["stdev"], rel=1e-4, abs=1e-4 * np.nanmax(np.abs(values))
        )
        assert float(row["sum"]) == pytest.approx(their["sum"], **rough)
        sure = np.asarray(their["values"])[np.asarray(their["coverage"]) > 1e-6]
        touched = np.asarray(their["values"])
        assert min(touched.min(), values[np.isfinite(values)].min()) <= row["min"] <= sure.min() + 1e-12
        assert sure.max() - 1e-12 <= row["max"] <= np.nanmax(values) + 1e-12
        distinct, which = np.unique(touched, return_inverse=True)
        weights = np.bincount(which, their["coverage"])
        order = np.sort(weights)
        if len(order) == 1 or order[-1] - order[-2] > 1e-4:
            assert float(row["mode"]) == pytest.approx(distinct[weights.argmax()], abs=1e-12)


@settings(max_examples=60, **RELAXED)
@given(polygons(), dates, st.floats(0, 100).map(lambda p: round(p, 1)))
def test_percentiles_of_fractions_are_means_of_the_step_function(product, stored, shape, date, p):
    """The definition on the areas that shapely finds: no library has the same one."""
    zones = in_degrees([shape])
    try:
        found = product.statistics(zones, time=str(product.times[date]), variable="I16", reducers=f"p{p}")
    except OutsideError:
        return
    corners = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    areas = shapely.area(shapely.intersection(shape, shapely.box(*corners, *(edge + 1 for edge in corners))))
    values = physical(stored, "I16", date)
    chosen = np.isfinite(values) & (areas > 0)
    values, areas = values[chosen], areas[chosen]
    if areas.sum() < 0.01:
        return
    order = np.argsort(values)
    ends = np.cumsum(areas[order])
    start = p / 100 * max(ends[-1] - 1, 0)
    stop = min(start + 1, ends[-1])
    overlap = np.clip(np.minimum(ends, stop) - np.maximum(ends - areas[order], start), 0, None)
    assert float(found[f"p{p}"].squeeze()) == pytest.approx(
        np.average(values[order], weights=overlap), abs=1e-9
    )


@settings(max_examples=25, **RELAXED)
@given(st.integers(2, 60), st.integers(0, 2**32 - 1), dates, names, st.sampled_from([None, 2.0**-21, 0.5]))
def test_zones_that_share_their_borders_share_out_every_pixel(product, stored, count, seed, date, name, step):
    """Cells of a Voronoi diagram, vertices rounded or not: together they are the whole raster."""
    random = np.random.default_rng(seed)
    points = shapely.MultiPoint(random.uniform([0, 0], [WIDTH, HEIGHT], (count, 2)))
    frame = shapely.box(0, 0, WIDTH, HEIGHT)
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=frame.buffer(9)))
    if step is not None:
        cells = shapely.transform(cells, lambda xy: np.round(xy / step) * step)
    cells = [cell for cell in cells if cell.is_valid and cell.area > 0]
    rounded = shapely.union_all(cells)
    if not rounded.covers(frame) or shapely.area(cells).sum() > rounded.area * (1 + 1e-9):
        return  # rounding has made two cells overlap
    values = physical(stored, name, date)
    options = {"time": str(product.times[date]), "variable": name, "reducers": "sum"}
    for rule, exact in (("centre", 0), ("fraction", 1e-9)):
        found = product.statistics(in_degrees(cells), coverage=rule, **options).isel(time=0)
        inside = found["valid"] + found["nodata"]
        assert float(inside.sum()) == pytest.approx(WIDTH * HEIGHT, rel=exact)
        assert float(found["valid"].sum()) == pytest.approx(np.isfinite(values).sum(), rel=exact, abs=exact)
        assert float(found["sum"].sum()) == pytest.approx(np.nansum(values), rel=1e-9, abs=1e-9)


@pytest.mark.real
@pytest.mark.skipif(
    not REAL.is_dir(), reason="the real sample data are not beside the checkout (../shared/real)"
)
@settings(max_examples=25, **RELAXED)
@given(st.data())
def test_real_ndvi_equals_all_three(real, data):
    product, values, transform = real
    width, height = values.shape[1], values.shape[0]
    shape = data.draw(polygons())
    shape = shapely.transform(shape, lambda xy: xy * [width / WIDTH, height / HEIGHT])
    shape = shapely.transform(shape, lambda xy: np.column_stack(transform @ xy.T))
    zones = gpd.GeoSeries([shape], crs="EPSG:4326")
    for rule in ("centre", "touched", "fraction"):
        try:
            row = product.statistics(zones, coverage=rule, reducers=REDUCERS).isel(zone=0, time=0)
        except OutsideError:
            continue
        if rule != "fraction":
            inside = ~geometry_mask([shape], values.shape, transform, all_touched=rule == "touched")
            check_whole(row, values[inside & np.isfinite(values)], shape.wkt)
            continue
        west, north = transform @ (0, 0)
        east, south = transform @ (width, height)
        source = NumPyRasterSource(
            values, west, south, east, north, nodata=np.nan, srs_wkt=zones.crs.to_wkt()
        )
        frame = zones.to_frame("geometry")
        their = exact_extract(source, frame, ["count", "mean", "stdev"], output="pandas").iloc[0]
        assert float(row["valid"]) == pytest.approx(their["count"], rel=1e-5, abs=1e-4)
        if their["count"] > 1:
            assert float(row["mean"]) == pytest.approx(their["mean"], abs=1e-5)
            assert float(row["std"]) == pytest.approx(their["stdev"], abs=1e-4)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A real map of NDVI with its codes for sea, cloud and snow."""
    file = REAL / "cgls" / "cgls_ndvi300.tif"
    url = str(tmp_path_factory.mktemp("real") / "archive")
    probav.ingest(url, file, "CGLS_NDVI300_V1", date="2016-01-01")
    product = probav.open_archive(url)["CGLS_NDVI300_V1"]
    with rasterio.open(file) as source:
        dn = source.read(1)
        return product, np.where(dn <= 250, dn / 250 - 0.08, np.nan), source.transform
