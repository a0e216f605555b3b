"""Products of other missions from end to end: a YAML file, GeoTIFFs, an archive."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

import probav
from probav.products.custom import load_definition, to_dict

REAL = Path(__file__).parents[4] / "shared" / "real"
STEP = 231.65635826  # metres: a MODIS tile of 250 m has 4800 of them
WEST, NORTH = -20015109.354, 10007554.677
SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
COLUMN, ROW = 18 * 4800, 4 * 4800  # tile h18v04
MODIS = f"""
id: MOD13Q1
title: MODIS vegetation indices, 16 days, 250 m
cadence: sixteen-day
pattern: 'MOD13Q1\\.A(?P<date>\\d{{7}})\\.(?P<tile>h\\d\\dv\\d\\d)\\.(?P<version>\\d{{3}})\\.(?P<layer>\\w+)'
grid: {{x0: {WEST + STEP / 2}, y0: {NORTH - STEP / 2}, nx: {1 / STEP:.15g}, ny: {1 / STEP:.15g},
       width: 172800, height: 86400, crs: '{SINUSOIDAL}'}}
variables:
  NDVI: {{dtype: int16, long_name: NDVI, scale: 0.0001, nodata: -3000, valid: [-2000, 10000]}}
  RELIABILITY: {{dtype: int8, long_name: Pixel reliability, nodata: -1, kind: categorical,
                flags: {{0: good, 1: marginal, 2: snow or ice, 3: cloudy}}}}
masks:
  good: {{variable: RELIABILITY, doc: good or marginal data, values: [0, 1]}}
citation: Didan (2021)
licence: public domain
"""
LAND_COVER = """
id: CCI_COVER
title: Land cover of New Guinea
cadence: year
pattern: 'landcover(?P<date>[0-9]{4})s'
variables: {LC: {dtype: float32, long_name: Land cover}}
citation: ESA CCI land cover, by way of the R package motif
licence: ESA CCI
role: landcover
"""


def definition(tmp_path, text):
    path = tmp_path / "product.yaml"
    path.write_text(text)
    return load_definition(path)


def write(path, array, corner, nodata=None, **options):
    path.parent.mkdir(exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", dtype=array.dtype, count=1, height=array.shape[0], width=array.shape[1],
        crs=rasterio.crs.CRS.from_proj4(SINUSOIDAL), nodata=nodata,
        transform=Affine(STEP, 0, corner[0], 0, -STEP, corner[1]), **options,
    ) as dataset:  # fmt: skip
        dataset.write(array, 1)


def test_modis_tiles(tmp_path):
    random = np.random.default_rng(4)
    corners = {"h18v04": (WEST + STEP * COLUMN, NORTH - STEP * ROW)}
    corners["h19v04"] = (corners["h18v04"][0] + 60 * STEP, corners["h18v04"][1])  # its neighbour, cut small
    truth = {}
    for tile, corner in corners.items():
        for day in ("2016353", "2017001"):
            ndvi = random.integers(-2000, 10001, (50, 60), "i2")
            ndvi[:3] = -3000
            quality = random.integers(-1, 4, (50, 60)).astype("i1")
            truth[tile, day] = ndvi, quality
            for layer, array, nodata in (("NDVI", ndvi, -3000), ("RELIABILITY", quality, -1)):
                path = tmp_path / "in" / f"MOD13Q1.A{day}.{tile}.061.{layer}.tif"
                write(path, array, corner, nodata)
    modis = definition(tmp_path, MODIS)
    report = probav.ingest(tmp_path / "archive", tmp_path / "in", product=modis)
    assert (report.taken, report.rejected) == (4, [])
    product = probav.open_archive(tmp_path / "archive")["MOD13Q1"]
    assert to_dict(product.definition) == to_dict(modis)  # whoever opens the archive knows the product
    assert product.times.tolist() == np.array(["2016-12-18", "2017-01-01"], "datetime64[D]").tolist()
    assert set(product.footprint()["tile"]) == set(corners)
    for index, day in enumerate(("2016353", "2017001")):
        both = np.hstack([truth[tile, day][0] for tile in corners])
        stored = product.array("NDVI")[int(product.positions[index]), ROW : ROW + 50, COLUMN : COLUMN + 120]
        assert np.array_equal(stored, both)
    with rasterio.open(tmp_path / "in" / "MOD13Q1.A2016353.h18v04.061.NDVI.tif") as gdal:
        x, y = gdal.xy(7, 9)
    assert product.grid.xs()[COLUMN + 9] == pytest.approx(x, abs=0.01)
    assert product.grid.ys()[ROW + 7] == pytest.approx(y, abs=0.01)
    # a statistic under a mask, against NumPy
    west, south, east, north = rasterio.warp.transform_bounds(
        SINUSOIDAL, "EPSG:4326", corners["h18v04"][0], corners["h18v04"][1] - 50 * STEP,
        corners["h18v04"][0] + 120 * STEP, corners["h18v04"][1],
    )  # fmt: skip
    found = product.statistics((west - 1, south - 1, east + 1, north + 1), mask="good", coverage="centre")
    for index, day in enumerate(("2016353", "2017001")):
        ndvi = np.hstack([truth[tile, day][0] for tile in corners])
        good = np.isin(np.hstack([truth[tile, day][1] for tile in corners]), (0, 1)) & (ndvi != -3000)
        assert float(found["mean"].isel(time=index).squeeze()) == pytest.approx(ndvi[good].mean() * 1e-4)
        assert int(found["valid"].isel(time=index).squeeze()) == good.sum()


def test_names_that_the_pattern_does_not_know_are_rejected(tmp_path):
    write(tmp_path / "in" / "holiday.tif", np.zeros((5, 5), "i2"), (0, 0))
    write(tmp_path / "in" / "MOD13Q1.A2017001.h18v04.061.NDVI.tif", np.zeros((5, 5), "i2"), (WEST, NORTH))
    report = probav.ingest(tmp_path / "archive", tmp_path / "in", product=definition(tmp_path, MODIS))
    assert report.taken == 1
    assert "doesn't match the pattern of MOD13Q1" in report.rejected[0].reason


def test_another_definition_of_a_product_that_is_there_is_told(tmp_path):
    write(tmp_path / "in" / "MOD13Q1.A2017001.h18v04.061.NDVI.tif", np.zeros((5, 5), "i2"), (WEST, NORTH))
    archive = tmp_path / "archive"
    probav.ingest(archive, tmp_path / "in", product=definition(tmp_path, MODIS))
    assert not probav.ingest(archive, tmp_path / "in", product=definition(tmp_path, MODIS)).notes
    other = replace(definition(tmp_path, MODIS), citation="somebody else")
    report = probav.ingest(archive, tmp_path / "in", product=other)
    assert "MOD13Q1: the archive has another definition, and keeps it" in str(report)
    assert probav.open_archive(archive)["MOD13Q1"].definition == definition(tmp_path, MODIS)


@pytest.mark.real
def test_a_real_map_on_a_grid_of_its_own(tmp_path):
    real = REAL / "landcover" / "landcover2015s.tif"
    if not real.is_file():
        pytest.skip(f"the real sample data are not at {REAL}")
    with rasterio.open(real) as gdal:
        expected, corner = gdal.read(1), gdal.xy(0, 0)
    cover = definition(tmp_path, LAND_COVER)
    probav.ingest(tmp_path / "archive", real, product=cover)
    product = probav.open_archive(tmp_path / "archive")["CCI_COVER"]
    assert np.array_equal(product.array("LC")[0], expected, equal_nan=True)
    assert (product.grid.x0, product.grid.y0) == pytest.approx(corner)
