"""Statistics under every combination of options: the same bytes however computed, and NumPy's numbers."""

from concurrent.futures import ThreadPoolExecutor

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from affine import Affine
from rasterio.features import geometry_mask

import probav
from probav.caches import CACHE
from probav.errors import QueryError, TimeError

HEIGHT, WIDTH, DATES = 60, 64, 14
TRANSFORM = Affine(1 / 100, 0, 4, 0, -1 / 100, 48)
DAYS = np.array(
    [f"2015-{month:02d}-{day:02d}" for month in range(1, 6) for day in (1, 11, 21)][:DATES], "M8[D]"
)
MASKS = (
    None,
    None,
    "sm == 0",
    "sm in (0, 2)",
    "~(sm == 'cloud')",
    "landcover != 3",
    "ndvi > 0.3 & sm != 1",
    "red < 0.2",
)
STRATA = (None, None, "landcover", "SM", ("landcover", "SM"), ("SM", "landcover"))
GROUPINGS = (None, None, None, "month", "season", "year", "dekad-of-year", "month-of-year")
VARIABLES = ("NDVI", ["NDVI"], "RED", ["NDVI", "RED"], ["RED", "NDVI", "TEMPERATURE"])
REDUCERS = (
    "mean", "std", "var", "min", "max", "sum", "mode", "median", "iqr", "p0", "p12.5", "p90", "p100",
    "below_0.2", "above_0.35", "area",
)  # fmt: skip


LARGE = ["40000000", "1000000000"]  # less is a budget error for variables of 16 bits


def same_bytes(found, expected, where):
    assert list(found.variables) == list(expected.variables), where
    for name in expected.variables:
        if name != "geometry":
            a, b = found[name].values, expected[name].values
            assert (a.dtype, a.shape) == (b.dtype, b.shape), (name, where)
            assert a.tobytes() == b.tobytes(), (name, where)


def pick(random, items):
    return items[random.integers(len(items))]


def some_zones(random):
    """Two to four features: discs, slivers, boxes, lines and points, overlapping, some partly outside."""
    shapes = []
    for _ in range(random.integers(1, 4)):
        x, y = random.uniform(-0.02, 1.02, 2)
        kind = random.integers(6)
        if kind < 2:
            shapes.append(shapely.Point(at(x, y)).buffer(random.uniform(0.001, 0.12)))
        elif kind == 2:
            dx, dy = random.uniform(-0.3, 0.3, 2)
            shapes.append(
                shapely.LineString([at(x, y), at(x + dx, y + dy)]).buffer(random.uniform(1e-4, 0.01))
            )
        elif kind == 3:
            dx, dy = random.uniform(0.01, 0.25, 2)
            shapes.append(shapely.box(*at(x, y + dy), *at(x + dx, y)))
        elif kind == 4:
            shapes.append(shapely.LineString([at(x, y), at(*random.uniform(0, 1, 2))]))
        else:
            shapes.append(shapely.Point(at(x, y)))
    shapes.append(shapely.Point(at(0.5, 0.5)).buffer(0.01))  # never outside
    return probav.aoi(gpd.GeoSeries(shapes, crs="EPSG:4326"))


def some_query(random):
    variables = pick(random, VARIABLES)
    names = random.choice(REDUCERS, random.integers(1, 7), replace=False).tolist()
    if variables in ("NDVI", ["NDVI"]) and random.random() < 0.3:
        names.append("histogram")
    months = sorted(f"2015-{month:02d}" for month in random.integers(1, 6, 2))
    return {
        "time": None if random.random() < 0.2 else slice(*months),
        "mask": pick(random, MASKS), "by": pick(random, STRATA), "by_time": pick(random, GROUPINGS),
        "variable": variables, "reducers": names, "weights": pick(random, ("pixel", "pixel", "area")),
        "coverage": pick(random, ("fraction", "fraction", "centre", "touched")),
    }  # fmt: skip


@pytest.fixture(scope="module")
def layers():
    """Stored numbers of the product, and a land cover of three by three times as many pixels."""
    random = np.random.default_rng(3)
    shape = (DATES, HEIGHT, WIDTH)
    patches = np.kron(random.random((DATES, 6, 8)), np.ones((10, 8)))
    level = np.clip(patches + random.normal(0, 0.05, shape), 0, 1)
    empty = random.random(shape) < 0.05
    return {
        "NDVI": np.where(empty, 255, level * 250).astype("uint8"),
        "RED": np.where(empty, -1, level * 1200).astype("int16"),
        "TEMPERATURE": np.where(empty, np.nan, 250 + 50 * level).astype("float32"),
        "SM": np.kron(random.integers(0, 5, (DATES, 12, 16)), np.ones((5, 4))).astype("uint8"),
        "LC": np.kron(random.integers(1, 6, (1, 18, 16)), np.ones((10, 12))).astype("uint8"),
    }


def archived(keep, layers, cut):
    flags = {"0": "clear", "1": "shadow", "2": "undefined", "3": "cloud", "4": "snow"}
    product = keep(
        {
            "NDVI": (layers["NDVI"], {"scale": 0.004, "offset": -0.08, "nodata": 255, "valid": [0, 250]}),
            "RED": (layers["RED"], {"scale": 1 / 2000, "nodata": -1}),
            "TEMPERATURE": (layers["TEMPERATURE"], {"nodata": -9999}),
            "SM": (layers["SM"], {"kind": "categorical", "flags": flags}),
        },
        TRANSFORM, days=DAYS, cut=cut,
    )  # fmt: skip
    finer = TRANSFORM @ Affine.scale(1 / 3)
    cover = (
        layers["LC"],
        {"kind": "categorical", "flags": {str(code): f"class {code}" for code in range(1, 6)}},
    )
    keep({"LC": cover}, finer, days=DAYS[:1], role="landcover", into=product.store.url, cut=cut)
    return probav.open_archive(product.store.url)["KEPT"]


@pytest.fixture(scope="module")
def plain(keep, layers):
    return archived(keep, layers, (12, 280))


@pytest.fixture(scope="module")
def other(keep, layers):
    return archived(keep, layers, (5, 24))


def at(x, y):
    return TRANSFORM @ (x * WIDTH, y * HEIGHT)


@pytest.mark.parametrize("configurations", [60, pytest.param(200, marks=pytest.mark.load)])
def test_the_way_of_computing_changes_no_bit(plain, other, tmp_path, monkeypatch, configurations):
    """Random queries with random threads, memory, caches and chunks, warm and from the disk."""
    random = np.random.default_rng(20240229)
    monkeypatch.setenv("PROBAV_RESULTS", str(tmp_path / "results"))
    for number in range(configurations):
        zones, query = some_zones(random), some_query(random)
        is_wide = query["variable"] not in ("NDVI", ["NDVI"])
        environment = {
            "PROBAV_THREADS": pick(random, ["1", "2", "3", "7"]),
            "PROBAV_MEMORY": pick(random, LARGE if is_wide else ["1", "3000000", *LARGE]),
            "PROBAV_CACHE_MEMORY": pick(random, ["0", "20000", "100000000"]),
        }  # fmt: skip
        where = (number, query, environment, zones.geojson)
        kept = number % 3 == 0
        expected = plain.statistics(zones, **query, cache=kept)
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            same_bytes(other.statistics(zones, **query), expected, where)
            if number % 8 == 0:
                same_bytes(plain.statistics(zones, **query), expected, where)
            if number % 8 == 1:
                CACHE.clear()
                same_bytes(plain.statistics(zones, **query), expected, where)
        if kept:
            again = plain.statistics(zones, **query, cache=True)  # from the disk
            assert again.attrs == expected.attrs
            same_bytes(again, expected, where)
    assert len([*(tmp_path / "results").glob("*.npz")]) == len(range(0, configurations, 3))


def test_a_kept_result_has_the_names_of_the_area_asked_with(plain, tmp_path, monkeypatch):
    monkeypatch.setenv("PROBAV_RESULTS", str(tmp_path))
    frame = gpd.GeoDataFrame({"name": ["first"]}, index=["a"], geometry=ZONES[:1], crs="EPSG:4326")
    for name in ("first", "second and longer"):
        found = plain.statistics(frame.assign(name=name), cache=True)
        assert found["name"].values.tolist() == [name]
        xr.testing.assert_identical(found, plain.statistics(frame.assign(name=name)))
    assert len([*tmp_path.glob("*.npz")]) == 1


@pytest.mark.spark
def test_spark_changes_no_bit(other, spark):
    random = np.random.default_rng(7)
    for number in range(5):
        zones, query = some_zones(random), some_query(random)
        expected = other.statistics(zones, **query, engine="local")
        found = other.statistics(zones, **query, engine="spark")
        same_bytes(found, expected, (number, query))


ZONES = [
    shapely.Polygon([at(0.1, 0.1), at(0.9, 0.2), at(0.7, 0.95), at(0.45, 0.5), at(0.05, 0.8)]),
    shapely.Point(at(0.52, 0.5)).buffer(0.1),
    shapely.box(*at(0.02, 0.12), *at(0.11, 0.03)),  # of one block, whatever the chunks
]
FUNCTIONS = {
    "mean": np.mean, "std": np.std, "var": np.var, "min": np.min, "max": np.max, "sum": np.sum,
    "median": np.median, "p12.5": lambda v: np.percentile(v, 12.5), "p90": lambda v: np.percentile(v, 90),
    "iqr": lambda v: np.subtract(*np.percentile(v, [75, 25])), "mode": lambda v: mode(v),
    "below_0.2": lambda v: np.mean(v < 0.2), "above_0.35": lambda v: np.mean(v > 0.35),
}  # fmt: skip


def mode(values):
    distinct, counts = np.unique(values, return_counts=True)
    return distinct[counts.argmax()]  # the smallest of several


def physical(layers, name):
    if name == "NDVI":
        return np.where(layers["NDVI"] == 255, np.nan, np.round(layers["NDVI"] * 0.004 - 0.08, 12))
    if name == "RED":
        return np.where(layers["RED"] == -1, np.nan, layers["RED"] / 2000)
    return layers["TEMPERATURE"].astype(float)


def check(row, values, where):
    assert float(row["valid"]) == len(values), where
    for name, function in FUNCTIONS.items():
        if not len(values):
            assert np.isnan(row[name]), (name, where)
        else:
            assert float(row[name]) == pytest.approx(function(values), rel=1e-11, abs=1e-12), (name, where)


@pytest.fixture(scope="module")
def inside():
    return [~geometry_mask([zone], (HEIGHT, WIDTH), TRANSFORM) for zone in ZONES]


def zones():
    return gpd.GeoSeries(ZONES, crs="EPSG:4326")


PERIODS = {  # written out by hand: January to May 2015, but for its last dekad
    "month": (("2015-01-01", "2015-02-01", "2015-03-01", "2015-04-01", "2015-05-01"), [3, 3, 3, 3, 2]),
    "season": (("2014-12-01", "2015-03-01"), [6, 8]),
    "year": (("2015-01-01",), [14]),
    "dekad-of-year": (tuple(range(1, 15)), [1] * 14),
    "month-of-year": ((1, 2, 3, 4, 5), [3, 3, 3, 3, 2]),
}


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("grouping", PERIODS)
@pytest.mark.parametrize("name", ["NDVI", "RED", "TEMPERATURE"])
def test_all_pixels_of_a_period_count_as_one_image(
    plain, other, layers, inside, grouping, name, threads, monkeypatch
):
    monkeypatch.setenv("PROBAV_THREADS", threads)
    options = {"variable": name, "by_time": grouping, "mask": "sm in (0, 2)", "coverage": "centre"}
    values, passes = physical(layers, name), np.isin(layers["SM"], (0, 2))
    labels, lengths = PERIODS[grouping]
    ends = np.cumsum(lengths)
    for product in (plain, other):
        found = product.statistics(zones(), reducers=[*FUNCTIONS], **options)
        expected = np.array(labels, "M8[D]") if isinstance(labels[0], str) else np.array(labels)
        assert found["time"].values.astype(expected.dtype).tolist() == expected.tolist()
        for z, own in enumerate(inside):
            for t, (end, length) in enumerate(zip(ends, lengths, strict=True)):
                pooled, through = values[end - length : end, own], passes[end - length : end, own]
                row = found.isel(zone=z, time=t)
                check(row, pooled[through & np.isfinite(pooled)], (grouping, z, t))
                assert row["nodata"] == np.isnan(pooled).sum()
                assert row["masked"] == (np.isfinite(pooled) & ~through).sum()
                assert row["count"] == pooled.size


def test_a_period_is_no_mean_of_means(plain, layers, inside):
    """Clouds leave more pixels on one date than on another: each pixel weighs the same, not each date."""
    options = {"mask": "sm == 0", "coverage": "centre", "reducers": ("mean", "std", "median")}
    month = plain.statistics(zones(), by_time="year", **options).isel(time=0)
    dates = plain.statistics(zones(), **options)
    values = physical(layers, "NDVI")
    for z, own in enumerate(inside):
        pooled = values[:, own][(layers["SM"][:, own] == 0) & np.isfinite(values[:, own])]
        assert float(month["mean"][z]) == pytest.approx(pooled.mean(), rel=1e-12)
        for name in ("mean", "std", "median"):
            assert abs(float(month[name][z]) - float(dates[name][z].mean())) > 1e-4, name
        weighed = np.average(dates["mean"][z].fillna(0), weights=dates["valid"][z])
        assert float(month["mean"][z]) == pytest.approx(weighed, rel=1e-12)


def test_first_and_last_periods_hold_the_dates_asked_for(plain, layers, inside):
    found = plain.statistics(
        zones(), time=("2015-01-11", "2015-04-01"), by_time="month", coverage="centre", reducers=[*FUNCTIONS]
    )
    values = physical(layers, "NDVI")
    for t, dates in enumerate((slice(1, 3), slice(3, 6), slice(6, 9), slice(9, 10))):
        for z, own in enumerate(inside):
            pooled = values[dates, own]
            check(found.isel(zone=z, time=t), pooled[np.isfinite(pooled)], (z, t))
    assert found.sizes["time"] == 4


def test_the_same_month_of_several_years_is_one(keep):
    days = ["2014-12-21", "2015-01-01", "2015-12-11", "2016-01-21", "2016-02-29"]
    array = np.arange(5 * 4, dtype="int16").reshape(5, 2, 2) ** 2
    product = keep({"V": array}, Affine(1, 0, 0, 0, -1, 2), days=days)
    found = product.statistics(shapely.box(0, 0, 2, 2), by_time="month-of-year", reducers="median")
    assert found["time"].values.tolist() == [1, 2, 12]
    expected = [np.median(array[[1, 3]]), np.median(array[4]), np.median(array[[0, 2]])]
    assert found["median"].values[0].tolist() == expected
    seasons = product.statistics(shapely.box(0, 0, 2, 2), by_time="season", reducers="sum")
    assert [str(day)[:10] for day in seasons["time"].values] == ["2014-12-01", "2015-12-01"]
    assert seasons["sum"].values[0].tolist() == [array[:2].sum(), array[2:].sum()]
    dekads = product.statistics(shapely.box(0, 0, 2, 2), by_time="dekad-of-year")
    assert dekads["time"].values.tolist() == [1, 3, 6, 35, 36]


@pytest.mark.parametrize("by", ["SM", "landcover", ("SM", "landcover"), ("landcover", "SM")])
@pytest.mark.parametrize("grouping", [None, "month"])
@pytest.mark.parametrize("name", ["NDVI", "RED"])
def test_strata_in_time_equal_numpy(other, layers, inside, by, grouping, name):
    found = other.statistics(
        zones(), variable=name, by=by, by_time=grouping, coverage="centre", reducers=[*FUNCTIONS]
    )
    strata = {
        "SM": layers["SM"],
        "landcover": np.broadcast_to(layers["LC"][0, 1::3, 1::3], layers["SM"].shape),
    }
    levels = [by] if isinstance(by, str) else by
    values = physical(layers, name)
    groups = np.arange(DATES) if grouping is None else np.arange(DATES) // 3
    dims = ["class", "class2"][: len(levels)]
    total = 0.0
    for z, own in enumerate(inside):
        for codes in np.ndindex(*(found.sizes[dim] for dim in dims)):
            cell = found.isel(zone=z, **dict(zip(dims, codes, strict=True)))
            chosen = np.broadcast_to(own, values.shape).copy()
            for level, dim, code in zip(levels, dims, codes, strict=True):
                chosen &= strata[level] == found[dim].values[code]
            for t in range(0, groups[-1] + 1, 2):
                pooled = values[groups == t][chosen[groups == t]]
                row = cell.isel(time=t)
                check(row, pooled[np.isfinite(pooled)], (z, codes, t))
                total += float(row["count"])
    assert total == sum(own.sum() for own in inside) * np.isin(groups, range(0, groups[-1] + 1, 2)).sum()


def test_several_variables_are_each_as_if_alone(other):
    names = ["RED", "NDVI", "TEMPERATURE"]
    options = {
        "mask": "sm in (0, 2)",
        "by": ("landcover", "SM"),
        "by_time": "month",
        "reducers": [*FUNCTIONS],
    }
    together = other.statistics(zones(), variable=names, **options)
    assert together["variable"].values.tolist() == names
    for name in names:
        alone = other.statistics(zones(), variable=name, **options)
        for item in (*FUNCTIONS, "count", "valid", "masked", "nodata", "outside", "valid_fraction"):
            np.testing.assert_array_equal(
                together[item].sel(variable=name), alone[item], err_msg=f"{name} {item}"
            )


def test_histograms_sum_to_the_valid_pixels(other, layers, inside):
    found = other.statistics(
        zones(), mask="sm != 3", by_time="month", reducers="histogram", coverage="centre"
    )
    np.testing.assert_array_equal(found["histogram"].sum("bin"), found["valid"])
    np.testing.assert_allclose(found["bin"], np.arange(251) * 0.004 - 0.08, atol=1e-12)
    dn, passes = layers["NDVI"][:3, inside[0]], layers["SM"][:3, inside[0]] != 3
    expected = np.bincount(dn[passes & (dn != 255)], minlength=251)
    np.testing.assert_array_equal(found["histogram"][0, 0], expected)
    shares = other.statistics(zones(), reducers="histogram")
    np.testing.assert_allclose(shares["histogram"].sum("bin"), shares["valid"], rtol=1e-12)


def test_histograms_need_a_bin_a_value(keep, other):
    for name in ("RED", "TEMPERATURE"):
        with pytest.raises(QueryError, match=r"too many values.*p0 to p100"):
            other.statistics(zones(), variable=name, reducers="histogram")
    array = np.arange(256, dtype="uint8").reshape(1, 16, 16)
    product = keep({"V": (array, {"nodata": 255})}, Affine(1, 0, 0, 0, -1, 16))
    with pytest.raises(QueryError, match="254 values"):
        product.statistics(shapely.box(0, 0, 3, 3), reducers="histogram")
    assert product.statistics(shapely.box(0, 0, 16, 16), reducers="sum")["sum"].item() == np.arange(255).sum()


def test_no_valid_pixel_anywhere(keep):
    arrays = {"A": np.full((3, 9, 9), 255, "uint8"), "B": np.full((3, 9, 9), -1, "int16"),
              "C": np.full((3, 9, 9), np.nan, "float32")}  # fmt: skip
    nodata = {"A": 255, "B": -1, "C": -9999}
    product = keep(
        {name: (array, {"nodata": nodata[name]}) for name, array in arrays.items()},
        Affine(1, 0, 0, 0, -1, 9), cut=(2, 4),
    )  # fmt: skip
    for grouping in (None, "year"):
        found = product.statistics(shapely.box(1, 1, 8, 8), variable=["A", "B", "C"], by_time=grouping)
        assert found["mean"].isnull().all()
        assert found["p50"].isnull().all()
        assert (found["valid"] == 0).all()
        assert (found["nodata"] == 49 * (1 if grouping is None else 3)).all()


def test_groupings_that_are_none(other):
    with pytest.raises(TimeError, match="Did you mean 'month'"):
        other.statistics(zones(), by_time="months")
    with pytest.raises(QueryError, match="one or two"):
        other.statistics(zones(), by=("SM", "landcover", "SM"))


def extremes(dtype):
    """Numbers of a type, its ends, zeros of both signs, and what is no number among them."""
    random = np.random.default_rng(4)
    shape = (9, 30, 30)
    if dtype.startswith("float"):
        array = (random.normal(0, 1, shape) * 10.0 ** random.integers(-20, 20, shape)).astype(dtype)
        array[0, :5], array[1, :9], array[2, 3], array[3, 14] = (
            -0.0,
            0,
            np.nan,
            [np.inf, -np.inf, np.nan] * 10,
        )
        return array
    ends = np.iinfo(dtype)
    array = random.integers(ends.min, ends.max, shape, dtype, endpoint=True)
    array[:, ::3] = random.choice(np.array([ends.min, ends.max, 0, 1], dtype), array[:, ::3].shape)
    return array


@pytest.mark.parametrize(("dtype", "scaling"), [
    ("uint8", {}), ("uint8", {"scale": -0.5, "offset": 3.0}), ("int8", {}), ("int16", {"scale": -0.01}),
    ("uint16", {"scale": 1e-4, "offset": -0.1}), ("int32", {}), ("uint32", {}),
    ("float32", {"nodata": -9999}), ("float64", {"nodata": -9999}),
])  # fmt: skip
def test_every_type_of_number(keep, dtype, scaling, monkeypatch):
    """Dates that came late lie behind later ones in the archive; they are sorted here."""
    array, transform, cut = extremes(dtype), Affine(1, 0, 0, 0, -1, 30), (2, 12)
    days = np.datetime64("2020-01-27") + np.arange(9)  # five in January
    late = np.array([0, 3, 4, 8])
    first = np.setdiff1d(np.arange(9), late)
    product = keep({"V": (array[first], scaling)}, transform, days=days[first], cut=cut)
    product = keep({"V": (array[late], scaling)}, transform, days=days[late], cut=cut, into=product.store.url)
    shapes = [shapely.Point(14, 14).buffer(11), shapely.box(1, 1, 4, 4)]
    names = ["mean", "std", "min", "max", "sum", "median", "p12.5", "p90", "iqr", "mode"]
    for grouping, groups in ((None, np.arange(9)), ("month", np.repeat([0, 1], [5, 4]))):
        for memory in ("1000000000", "200000"):
            monkeypatch.setenv("PROBAV_MEMORY", memory)
            found = product.statistics(
                gpd.GeoSeries(shapes, crs="EPSG:4326"), by_time=grouping, coverage="centre", reducers=names
            )
            for z, shape in enumerate(shapes):
                own = ~geometry_mask([shape], (30, 30), transform)
                for t in range(groups[-1] + 1):
                    values = array[groups == t][:, own].ravel().astype(float)
                    values = values[np.isfinite(values)] * scaling.get("scale", 1) + scaling.get("offset", 0)
                    size = np.abs(values).max(initial=0)
                    row = found.isel(zone=z, time=t)
                    assert float(row["valid"]) == len(values)
                    for name in names:
                        expected = FUNCTIONS[name](values)
                        assert float(row[name]) == pytest.approx(expected, rel=1e-10, abs=1e-11 * size), name


def test_masks_and_thresholds_mean_the_same_number(keep):
    """0.3 is 0.3 as it is written, for the DN that stands for it: each is above, below or equal."""
    array = np.arange(252, dtype="uint8").clip(0, 250).reshape(1, 14, 18)
    product = keep(
        {"V": (array, {"scale": 0.004, "offset": -0.08, "nodata": 255})}, Affine(1, 0, 0, 0, -1, 14)
    )
    whole = shapely.box(0, 0, 18, 14)
    dns = range(20, 250, 5)
    limits = [round(0.004 * dn - 0.08, 3) for dn in dns]
    names = [f"{side}_{limit}" for limit in limits for side in ("below", "above")]
    shares = product.statistics(whole, reducers=names).isel(zone=0, time=0)
    for dn, limit in zip(dns, limits, strict=True):
        sizes = {"<": dn, ">": 251 - dn, "==": 1, ">=": 252 - dn}
        for sign, size in sizes.items():
            assert product.statistics(whole, mask=f"v {sign} {limit}")["valid"].item() == size, (sign, limit)
        assert float(shares[f"below_{limit}"]) * 252 == pytest.approx(dn)
        assert float(shares[f"above_{limit}"]) * 252 == pytest.approx(251 - dn)


def test_calls_at_once_do_not_disturb_each_other(plain, other):
    random = np.random.default_rng(11)
    queries = [(pick(random, (plain, other)), some_zones(random), some_query(random)) for _ in range(24)]
    expected = [product.statistics(zones, **query) for product, zones, query in queries]
    CACHE.clear()
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda job: job[0].statistics(job[1], **job[2]), queries * 2)
        for number, result in enumerate(found):
            same_bytes(result, expected[number % 24], queries[number % 24][2])
