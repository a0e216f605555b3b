import numpy as np
import pytest
import rasterio

from probav.products.custom import from_dict
from probav.readers import discover, open_granule

pytestmark = pytest.mark.real


def test_all_vietnam_crops_equal_rasterio(real):
    granules, rejected = discover(real / "probav_s1_toc_100m_vietnam")
    assert not rejected
    assert len(granules) == 98
    assert {granule.product for granule in granules} == {"PROBAV_L3_S1_TOC_100M"}
    dates = [granule.date for granule in granules]
    assert dates == sorted(set(dates))
    assert (str(dates[0]), str(dates[-1])) == ("2015-08-01", "2016-07-28")
    empty = 0
    for granule in granules:
        (path,) = granule.files
        assert str(granule.date).replace("-", "") in path.name
        with rasterio.open(path) as gdal, open_granule(granule) as source:
            expected = gdal.read(1)
            assert np.array_equal(source.read("NDVI"), expected)
            assert np.array_equal(source.read("NDVI", 10, 20), expected[10:20])
            assert (source.grid.x0, source.grid.y0) == pytest.approx(gdal.xy(0, 0), abs=1e-10)
            assert (source.grid.xs()[-1], source.grid.ys()[-1]) == pytest.approx(gdal.xy(49, 70), abs=1e-9)
            assert source.variables["NDVI"].nodata == gdal.nodata
            empty += bool((expected == np.float32(gdal.nodata)).all())
    assert empty == 33


def test_copernicus_ndvi(real):
    (granule,), _ = discover(real / "cgls" / "cgls_ndvi300.tif", product="CGLS_NDVI300_V1", date="2015-01-01")
    with rasterio.open(granule.files[0]) as gdal, open_granule(granule) as source:
        assert np.array_equal(source.read("NDVI"), gdal.read(1))
        assert (source.grid.x0, source.grid.y0) == pytest.approx(gdal.xy(0, 0), abs=1e-10)
        assert (source.grid.xs()[-1], source.grid.ys()[-1]) == pytest.approx(gdal.xy(672, 747), abs=1e-9)
        assert source.variables["NDVI"].nodata == 255


def test_files_of_other_programs_are_rejected(real):
    granules, rejected = discover(real / "sentinel2_fields")
    assert not granules
    assert all("not a known product file name" in item.reason for item in rejected)


def test_land_cover_on_a_grid_of_its_own(real):
    definition = from_dict(
        {
            "id": "ESA_CCI_9",
            "title": "ESA CCI land cover, 9 classes, 300 m, equal area",
            "variables": {"cover": {"dtype": "float32", "long_name": "Class", "valid": [0, 9]}},
            "default": "cover",
            "grid": "from file",
            "cadence": "year",
            "date_in_name": "first",
            "pattern": r"landcover(?P<date>\d{4})s",
            "citation": "ESA CCI",
            "licence": "MIT",
        }
    )
    (granule,), rejected = discover(real / "landcover", definition)
    assert not rejected
    assert str(granule.date) == "2015-01-01"
    with rasterio.open(granule.files[0]) as gdal, open_granule(granule) as source:
        expected = gdal.read(1)
        assert np.array_equal(source.read("cover"), expected, equal_nan=True)
        assert np.array_equal(source.variables["cover"].is_valid(expected), ~np.isnan(expected))
        assert (source.grid.x0, source.grid.y0) == pytest.approx(gdal.xy(0, 0), abs=1e-6)
        assert rasterio.crs.CRS.from_user_input(source.grid.crs) == gdal.crs
