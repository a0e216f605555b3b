"""Statistics of real PROBA-V and Copernicus data against plain rasterio and NumPy."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.features import geometry_mask

import probav

REAL = Path(__file__).parents[3] / "shared" / "real"
SERIES = REAL / "probav_s1_toc_100m_vietnam"
CGLS = REAL / "cgls" / "cgls_ndvi300.tif"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not REAL.is_dir(), reason="the real sample data are not beside the checkout (../shared/real)"
    ),
]
ZONES = gpd.GeoDataFrame(
    {"name": ["hill", "coast"]},
    index=["a", "b"],
    geometry=[
        shapely.Point(108.88, 11.475).buffer(0.0123).difference(shapely.Point(108.878, 11.474).buffer(0.003)),
        shapely.Polygon([(108.9, 11.45), (108.921, 11.4531), (108.9153, 11.4907), (108.9049, 11.4772)]),
    ],
    crs="EPSG:4326",
)
REDUCERS = (
    "mean",
    "std",
    "var",
    "min",
    "max",
    "sum",
    "median",
    "p5",
    "p10",
    "p25",
    "p50",
    "p75",
    "p90",
    "p99",
)


@pytest.fixture(scope="module")
def vietnam(tmp_path_factory):
    url = tmp_path_factory.mktemp("vietnam") / "archive"
    report = probav.ingest(url, SERIES)
    assert (report.taken, report.rejected) == (98, [])
    return probav.open_archive(url)["PROBAV_L3_S1_TOC_100M"]


def files():
    return sorted(SERIES.glob("*.tif"), key=lambda file: file.name.split("_")[3])


def test_the_98_dates_go_in_and_come_out_unchanged(vietnam):
    pixels = vietnam.load()["NDVI"]
    assert pixels.shape == (98, 50, 71)
    for index, file in enumerate(files()):
        with rasterio.open(file) as source:
            expected = source.read(1, masked=True)
            assert pixels.x.values[0] == pytest.approx(source.xy(0, 0)[0], abs=1e-12)
            assert pixels.y.values[-1] == pytest.approx(source.xy(49, 0)[1], abs=1e-12)
        assert str(pixels.time.values[index])[:10].replace("-", "") == file.name.split("_")[3]
        np.testing.assert_array_equal(pixels[index].values, expected.filled(np.nan))


def test_every_statistic_of_every_date_equals_numpy(vietnam):
    result = vietnam.statistics(ZONES, coverage="centre", reducers=REDUCERS)
    assert result.sizes == {"zone": 2, "time": 98}
    empty = 0
    for t, file in enumerate(files()):
        with rasterio.open(file) as source:
            band, transform, nodata = source.read(1), source.transform, source.nodata
        for z, shape in enumerate(ZONES.geometry):
            inside = ~geometry_mask([shape], band.shape, transform)
            row = result.isel(zone=z, time=t)
            values = band[inside & (band != np.float32(nodata))].astype("float64")
            assert int(row["count"]) == inside.sum()
            assert int(row["valid"]) == len(values)
            assert int(row["nodata"]) == inside.sum() - len(values)
            assert row["masked"] == row["outside"] == 0
            if not len(values):
                empty += 1
                assert all(np.isnan(row[name]) for name in REDUCERS), (
                    "a date without a valid pixel has no number"
                )
                continue
            expected = {
                "mean": values.mean(), "std": values.std(), "var": values.var(), "min": values.min(),
                "max": values.max(), "sum": values.sum(), "median": np.median(values),
                **{f"p{p}": np.percentile(values, p) for p in (5, 10, 25, 50, 75, 90, 99)},
            }  # fmt: skip
            for name, number in expected.items():
                assert float(row[name]) == pytest.approx(number, rel=1e-12, abs=1e-13), (file.name, z, name)
    assert empty == 2 * 33


def test_33_dates_have_no_valid_pixel_and_are_reported(vietnam):
    table = vietnam.statistics(ZONES).to_dataframe()
    of_hill = table.loc["a"]
    assert len(of_hill) == 98
    assert (of_hill["valid"] == 0).sum() == 33
    assert of_hill.loc[of_hill["valid"] == 0, "mean"].isna().all()
    assert (of_hill["valid_fraction"] == of_hill["valid"] / of_hill["count"]).all()


def test_exact_fractions_equal_exactextract(vietnam):
    from exactextract import exact_extract

    result = vietnam.statistics(ZONES, reducers=("mean", "std", "min", "max"))
    for t in range(0, 98, 7):
        answer = exact_extract(
            str(files()[t]), ZONES, ["count", "mean", "stdev", "min", "max"], output="pandas"
        )
        for z in range(2):
            row = result.isel(zone=z, time=t)
            assert float(row["valid"]) == pytest.approx(answer["count"][z], rel=1e-6)
            for ours, theirs in (("mean", "mean"), ("std", "stdev"), ("min", "min"), ("max", "max")):
                if row["valid"] > 0:
                    assert float(row[ours]) == pytest.approx(answer[theirs][z], rel=2e-6), (ours, t)


def test_the_real_cgls_crop_keeps_its_own_grid_and_codes(tmp_path):
    report = probav.ingest(tmp_path / "a", CGLS, "CGLS_NDVI300_V1", date="2016-01-01")
    assert report.taken == 1
    product = probav.open_archive(tmp_path / "a")["CGLS_NDVI300_V1"]
    with rasterio.open(CGLS) as source:
        expected, bounds = source.read(1), source.bounds
    loaded = product.load(keep_dn=True)["NDVI"]
    np.testing.assert_array_equal(loaded[0].values, expected)
    np.testing.assert_allclose(product.extent.bounds, bounds, atol=1e-9)
    west, south, *_ = bounds
    box = (west + 0.3, south + 0.3, west + 0.9, south + 0.8)
    row = product.statistics(box, coverage="centre").isel(zone=0, time=0)
    with rasterio.open(CGLS) as source:
        inside = ~geometry_mask([shapely.box(*box)], expected.shape, source.transform)
    values = expected[inside]
    values = values[values <= 250] / 250 - 0.08
    assert int(row["valid"]) == len(values)
    assert float(row["mean"]) == pytest.approx(values.mean(), rel=1e-12)
    assert float(row["p90"]) == pytest.approx(np.percentile(values, 90), rel=1e-12)
