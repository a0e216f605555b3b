"""Why pixels are left out, against NumPy on the source arrays."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.features import geometry_mask
from rasterio.warp import Resampling, reproject

import probav
from probav import storage
from probav.errors import MaskError, OutsideError, QueryError, UnknownNameError
from probav.explanation import mask_table
from probav.explanation_map import map_reasons
from probav.masks import parse_mask

S10, COVER, NDVI300, RAIN = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CGLS_NDVI300_V1", "CHIRPS_V2_DEKAD"


@pytest.fixture(scope="module")
def s10(world):
    return world.archive[S10]


@pytest.fixture(scope="module")
def zones(world):
    """A star and a disc that overlaps it, both within the archive; a box that is half outside of it."""
    transform = world.transforms[S10]
    height, width = world.arrays[S10]["NDVI"].shape[1:]

    def at(x, y):
        return transform @ (x * width, y * height)

    shapes = [
        shapely.Polygon([at(0.1, 0.1), at(0.93, 0.2), at(0.7, 0.95), at(0.45, 0.5), at(0.05, 0.8)]),
        shapely.Point(at(0.5, 0.5)).buffer(0.21),
        shapely.box(*at(-0.2, 0.4), *at(0.2, 0.1)),
    ]
    return gpd.GeoDataFrame(
        {"name": ["star", "disc", "half"]}, index=["a", "b", "c"], geometry=shapes, crs=4326
    )


@pytest.fixture(scope="module")
def layers(world):
    """Boolean layers (time, y, x) on the pixels of S10, made without probav."""
    arrays = world.arrays[S10]
    sm, ndvi = arrays["SM"], arrays["NDVI"]
    cover = np.zeros(sm.shape[1:], "uint8")
    reproject(
        world.arrays[COVER]["LC"][0], cover, src_transform=world.transforms[COVER], src_crs="EPSG:4326",
        dst_transform=world.transforms[S10], dst_crs="EPSG:4326", resampling=Resampling.nearest,
        dst_nodata=255,
    )  # fmt: skip
    return {
        "value": ndvi <= 250,
        "clear": sm % 8 == 0,
        "land": sm // 8 % 2 == 1,
        "green": (ndvi <= 250) & (ndvi > 45),  # 0.1 is DN 45
        "bright": (arrays["RED"] >= 0) & (arrays["RED"] >= 800),
        "kind": sm % 8,
        "crops": np.broadcast_to(cover == 40, sm.shape),
        "others": np.broadcast_to((cover != 40) & (cover != 255), sm.shape),
    }


def inside_of(world, zones, shape):
    found = [~geometry_mask([zone], shape, world.transforms[S10]) for zone in zones.geometry]
    return np.stack(found)


def check(result, world, zones, value, terms, causes):
    """Compare with counts of NumPy: terms is {reason: passes}, causes {reason: (its term, where)}."""
    inside = inside_of(world, zones, value.shape[1:])

    def count(where):
        return np.einsum("zyx,tyx->zt", inside.astype(int), where.astype(int))

    failed = {name: value & ~passes for name, passes in terms.items()}
    times = sum(where.astype(int) for where in failed.values())
    assert sorted(result["reason"].values) == sorted([*terms, *causes])
    np.testing.assert_array_equal(result["valid"], count(value & (times == 0)))
    np.testing.assert_array_equal(result["several"], count(times > 1))
    np.testing.assert_array_equal(result["nodata"], count(~value))
    for name, where in failed.items():
        own = result.sel(reason=name)
        np.testing.assert_array_equal(own["pixels"], count(where), name)
        np.testing.assert_array_equal(own["alone"], count(where & (times == 1)), name)
    for name, (term, where) in causes.items():
        own = result.sel(reason=name)
        assert bool(own["cause"])
        np.testing.assert_array_equal(own["pixels"], count(failed[term] & where), name)
        np.testing.assert_array_equal(own["alone"], count(failed[term] & where & (times == 1)), name)


def adds_up(result):
    whole = result["alone"].where(~result["cause"], 0).sum("reason")
    total = whole + result["valid"] + result["several"] + result["nodata"] + result["outside"]
    np.testing.assert_allclose(total.transpose("zone", "time"), result["count"], rtol=1e-12)


def clear_causes(layers):
    codes = {"shadow": [1], "undefined": [2], "cloud": [3], "snow": [4], "other": [5, 6, 7]}
    return {
        f"not clear: {name}": ("not clear", np.isin(layers["kind"], kinds)) for name, kinds in codes.items()
    }


def test_each_reason_is_counted_as_numpy_counts_it(world, s10, zones, layers):
    result = s10.explain_mask(zones, mask="clear & land & ndvi > 0.1", coverage="centre")
    terms = {"not clear": layers["clear"], "not land": layers["land"], "not ndvi > 0.1": layers["green"]}
    held = zones.loc[["a", "b"]]
    check(result.sel(zone=["a", "b"]), world, held, layers["value"], terms, clear_causes(layers))
    adds_up(result)
    assert (result["outside"].sel(zone="c") > 0).all()
    assert result["zone"].values.tolist() == ["a", "b", "c"]
    assert result["name"].values.tolist() == ["star", "disc", "half"]
    np.testing.assert_allclose(result["share"], result["pixels"] / result["count"])


@pytest.mark.parametrize(
    ("mask", "terms"),
    [
        ("clear", {"not clear": "clear"}),
        ("landcover == 'cropland' & red >= 0.4",
         {"not landcover == 'cropland'": "crops", "not red >= 0.4": "bright"}),
        ("~(ndvi > 0.1) & landcover != 40 & red >= 0.4",
         {"ndvi > 0.1": "~green", "not landcover != 40": "others", "not red >= 0.4": "bright"}),
        ("(clear | landcover == 40) & land",
         {"not (clear | landcover == 40)": "clear|crops", "not land": "land"}),
        ("~(~clear | ~land)", {"not clear": "clear", "not land": "land"}),
    ],
)  # fmt: skip
def test_conditions_of_any_layers_are_told_apart(world, s10, zones, layers, mask, terms):
    def truth(words):
        if "|" in words:
            return np.logical_or.reduce([layers[name] for name in words.split("|")])
        return ~layers[words[1:]] if words[0] == "~" else layers[words]

    held = zones.loc[["a", "b"]]
    result = s10.explain_mask(held, "2015-02", mask, coverage="centre")
    days = np.isin(world.dates[S10], result["time"].values.astype("datetime64[D]"))
    assert days.sum() == 3
    causes = clear_causes(layers) if "not clear" in terms else {}
    check(
        result,
        world,
        held,
        layers["value"][days],
        {name: truth(words)[days] for name, words in terms.items()},
        {name: (term, where[days]) for name, (term, where) in causes.items()},
    )
    adds_up(result)


def test_a_status_map_number_has_causes_that_overlap(s10, zones):
    result = s10.explain_mask(zones, "2015-02-01", "sm == 248")
    causes = ("shadow", "undefined", "cloud", "snow", "sea", "other")
    assert result["reason"].values.tolist() == [
        "not sm == 248",
        *(f"not sm == 248: {name}" for name in causes),
    ]
    causes = result.sel(reason=result["cause"])
    assert (causes["alone"] <= causes["pixels"]).all()
    assert (causes["pixels"].sum("reason") > result["pixels"].sel(reason="not sm == 248")).any()
    adds_up(result)


def test_fractions_of_pixels_are_those_of_statistics(s10, zones):
    mask = "clear & land & ndvi > 0.1"
    result = s10.explain_mask(zones, "2015-02", mask)
    same = s10.statistics(zones, "2015-02", mask)
    for name in ("count", "valid", "nodata", "outside"):
        np.testing.assert_allclose(result[name], same[name], rtol=1e-12, err_msg=name)
    whole = result.sel(reason=~result["cause"])
    np.testing.assert_allclose(
        whole["alone"].sum("reason") + result["several"], same["masked"], rtol=1e-12, atol=1e-9
    )
    for term in ("clear", "land", "ndvi > 0.1"):
        own = s10.statistics(zones, "2015-02", term)["masked"]
        np.testing.assert_allclose(result["pixels"].sel(reason=f"not {term}"), own, rtol=1e-12, atol=1e-9)
    without = s10.statistics(zones, "2015-02", "land & ndvi > 0.1")["valid"]
    np.testing.assert_allclose(
        result["alone"].sel(reason="not clear"), without - same["valid"], rtol=1e-9, atol=1e-9
    )
    adds_up(result)


@pytest.fixture(scope="module")
def recut(world, tmp_path_factory):
    """The dekads of a month in an archive with other chunks."""
    url = tmp_path_factory.mktemp("recut") / "archive"
    with pytest.MonkeyPatch.context() as patch:
        for module in (storage, storage.layout):
            patch.setattr(module, "TIME_CHUNK", 2)
            patch.setattr(module, "PIXEL_CHUNK", 56)
        for folder in sorted(world.folder.glob("2015-02-*")):
            probav.ingest(url, folder)
    archive = probav.open_archive(url)
    assert archive[S10].array("NDVI").chunks == (2, 56, 56)
    return archive[S10]


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    x=st.floats(0.2, 0.8),
    y=st.floats(0.2, 0.8),
    mask=st.sampled_from(["clear & land", "~cloud & ndvi > 0.2", "red > 0.1 & ndvi < 0.7"]),
    threads=st.sampled_from(["1", "2", "5"]),
)
def test_chunks_and_threads_change_no_bit(world, s10, recut, x, y, mask, threads):
    west, south, east, north = s10.extent.bounds
    zone = shapely.Point(west + x * (east - west), south + y * (north - south)).buffer(0.17)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROBAV_THREADS", threads)
        other = recut.explain_mask(zone, "2015-02", mask)
    same = s10.explain_mask(zone, "2015-02", mask)
    for name in same.data_vars:
        assert same[name].values.tobytes() == other[name].values.tobytes(), name


def test_products_without_a_status_map_are_explained_too(world):
    rain, coded = world.archive[RAIN], world.archive[NDVI300]
    result = rain.explain_mask(rain.extent.bounds, "2015-03-01", "rainfall > 10", coverage="centre")
    values = world.arrays[RAIN]["RAINFALL"][list(world.dates[RAIN]).index(np.datetime64("2015-03-01"))]
    held = values != -9999
    assert result["reason"].values.tolist() == ["not rainfall > 10"]
    assert int(result["pixels"].sum()) == int(result["alone"].sum()) == (held & (values <= 10)).sum()
    assert int(result["nodata"].sum()) == (~held).sum()
    # what the codes of CGLS mark holds no value: none of it is masked
    result = coded.explain_mask(coded.extent.bounds, mask="clear & ndvi > 0.1", coverage="centre")
    values = world.arrays[NDVI300]["NDVI"]
    assert float(result["pixels"].sel(reason="not clear").sum()) == 0
    assert int(result["nodata"].sum()) == (values > 250).sum()
    assert int(result["pixels"].sel(reason="not ndvi > 0.1").sum()) == (values <= 45).sum()


def test_the_table_is_sorted_with_causes_beneath_their_condition(s10, zones):
    result = s10.explain_mask(zones.loc[["a"]], "2015-02", "land & clear")
    table = mask_table(result)
    assert list(table.columns) == ["reason", "pixels", "share", "alone"]
    reasons = table["reason"].tolist()
    assert reasons[0] == "not clear"
    assert reasons[-3:] == ["not land", "valid", "no data"]
    causes = table.iloc[1:-3]
    assert causes["reason"].str.startswith("not clear: ").all()
    assert causes["pixels"].is_monotonic_decreasing
    row = table.set_index("reason").loc["not clear"]
    assert row["pixels"] == pytest.approx(float(result["pixels"].sel(reason="not clear").sum()))
    assert row["share"] == pytest.approx(row["pixels"] / float(result["count"].sum()))
    assert np.isnan(table.set_index("reason").loc["valid", "alone"])
    several = mask_table(s10.explain_mask(zones, "2015-02", "land"))
    assert list(several.columns[:3]) == ["zone", "name", "reason"]
    assert "outside of the archive" in several[several["zone"] == "c"]["reason"].tolist()
    assert "outside of the archive" not in several[several["zone"] == "a"]["reason"].tolist()
    flat = result[["pixels", "share", "alone"]].to_dataframe()
    assert {"pixels", "share", "alone"} <= set(flat.columns)


def test_the_result_says_where_it_comes_from_and_progress_moves_on(s10, zones):
    calls = []
    result = probav.explain_mask(
        s10, zones, "2015-02", "clear & ndvi > 0.1", progress=lambda *call: calls.append(call)
    )
    assert result.attrs["mask"] == "clear & ndvi > 0.1"
    assert result.attrs["snapshot"] == s10.store.snapshot
    assert '"call": "explain_mask"' in result.attrs["query"]
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert calls[-1][0] == calls[-1][1]
    read = [call[2] for call in calls]
    assert read == sorted(read)


def test_the_first_reasons_add_up_and_their_map_equals_numpy(world, s10, zones, layers):
    mask, day = "clear & land & ndvi > 0.1", "2015-02-11"
    names = [f"not clear: {name}" for name in ("shadow", "undefined", "cloud", "snow", "other")]
    names += ["not land", "not ndvi > 0.1"]
    result = s10.explain_mask(zones.loc[["b"]], day, mask, coverage="touched")
    found = map_reasons(s10, zones.loc[["b"]], day, mask)
    assert found.attrs["reasons"] == names
    t = list(world.dates[S10]).index(np.datetime64(day))
    expected = np.full(layers["value"].shape[1:], 1)
    expected[~layers["green"][t]] = 9
    expected[~layers["land"][t]] = 8
    for code, kinds in enumerate(([1], [2], [3], [4], [5, 6, 7])):
        expected[np.isin(layers["kind"][t], kinds)] = 3 + code
    expected[~layers["value"][t]] = 2
    column, row = np.meshgrid(np.arange(expected.shape[1]), np.arange(expected.shape[0]))
    west, north = world.transforms[S10] @ (column, row)
    east, south = world.transforms[S10] @ (column + 1, row + 1)
    zone = zones.geometry["b"]  # not the star: of vertices on pixel edges each tool has its own opinion
    shapely.prepare(zone)
    expected[~shapely.intersects(zone, shapely.box(west, south, east, north))] = 0
    rows, columns = np.flatnonzero(expected.any(1)), np.flatnonzero(expected.any(0))
    window = expected[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.testing.assert_array_equal(found, window)
    counts = np.bincount(window.ravel(), minlength=10)
    np.testing.assert_array_equal(result["first"].sel(reason=names).squeeze(), counts[3:])
    assert int(result["valid"].squeeze()) == counts[1]
    whole = result["first"].where(~result["cause"], 0).sum("reason")
    total = whole + result["valid"] + result["nodata"] + result["outside"]
    np.testing.assert_array_equal(total, result["count"])
    with pytest.raises(QueryError, match="is of one date; '2015-02' selects 3"):
        map_reasons(s10, zones, "2015-02", mask)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mask": ""}, MaskError, "expression such as"),
        ({"mask": "clouds"}, UnknownNameError, "Did you mean 'cloud'"),
        ({"mask": "red > 0 & nir > 0 & blue > 0 & swir > 0 & ndvi > 0"}, QueryError, "5 conditions.*most 4"),
        ({"mask": "clear", "variable": ("NDVI", "RED")}, QueryError, "for one variable"),
        ({"mask": "clear", "coverage": "center"}, QueryError, "Did you mean 'centre'"),
        ({"mask": "clear", "aoi": (40, 40, 41, 41)}, OutsideError, "outside"),
    ],
)  # fmt: skip
def test_mistakes_are_named(s10, zones, options, error, words):
    given_ = {"aoi": zones, **options}
    with pytest.raises(error, match=words):
        s10.explain_mask(given_.pop("aoi"), **given_)


# --- conditions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mask", "reasons"),
    [
        ("clear&land&ndvi>.1", ["not clear", "not land", "not ndvi > 0.1"]),
        ("~cloud & not shadow", ["cloud", "shadow"]),
        ("~(cloud | shadow) & (clear & good)", ["cloud", "shadow", "not clear", "not good"]),
        ("~(~cloud & snow)", ["~cloud & snow"]),
        ("clear | snow & land", ["not (clear | (snow & land))"]),
        ("~~clear & clear", ["not clear"]),
        ("ndvi not in (0.1, 0.2) & 'urban' == landcover",
         ["not ndvi not in (0.1, 0.2)", "not 'urban' == landcover"]),
    ],
)  # fmt: skip
def test_a_mask_is_cut_into_conditions(world, s10, mask, reasons):
    terms = parse_mask(mask, s10, world.archive).terms()
    assert [term.reason() for term in terms] == reasons


FLAGS = st.sampled_from(["clear", "cloud", "land", "good", "sm == 248", "sm in (232, 240)", "sm > 100"])
MASKS = st.recursive(
    FLAGS,
    lambda part: st.one_of(
        part.map("~({})".format),
        st.tuples(part, part).map("({0[0]}) & ({0[1]})".format),
        st.tuples(part, part).map("({0[0]}) | {0[1]}".format),
    ),
    max_leaves=7,
)


@given(MASKS)
def test_conditions_together_and_as_text_are_the_mask(world, s10, text):
    mask = parse_mask(text, s10, world.archive)
    codes = np.arange(256, dtype="uint8")
    layer = mask.layers[0]
    terms = mask.terms()
    truth = np.logical_and.reduce([term.evaluate({layer: codes}) for term in terms])
    np.testing.assert_array_equal(truth, mask.evaluate({layer: codes}))
    for term in terms:
        again = parse_mask(term.text, s10, world.archive)
        np.testing.assert_array_equal(again.evaluate({layer: codes}), term.evaluate({layer: codes}))
