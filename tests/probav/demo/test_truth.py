"""The truth beside the demo comes back out of its files by plain NumPy."""

import json

import numpy as np
import pytest
import rasterio.features

from probav.demo.world import World

FOREST = 114


@pytest.fixture(scope="session")
def world():
    return World(1998, (2015, 2016, 2017), 0.25)


@pytest.fixture(scope="session")
def districts(demo):
    """Number (from 1) of the district of each 300 m pixel, from the GeoJSON alone; and their names."""
    collection = json.loads((demo.folder / "truth" / "districts.geojson").read_text())
    transform = rasterio.Affine(1 / 336, 0, 4 - 0.5 / 336, 0, -1 / 336, 51.5 + 0.5 / 336)
    shapes = [(feature["geometry"], feature["id"]) for feature in collection["features"]]
    names = {feature["id"]: feature["properties"]["name"] for feature in collection["features"]}
    return rasterio.features.rasterize(shapes, (84, 84), transform=transform), names


def test_clear_ndvi_is_the_truth_but_for_noise_and_rounding(world, s10):
    largest = 0.012 + 0.002 + 1e-9
    for dekad in world.dekads[::7]:
        clear, truth = s10.clear[dekad.index], world.ndvi(dekad)[1:, 1:]
        assert np.nanmax(np.abs(clear - truth)) <= largest
    assert np.isfinite(s10.clear).mean() > 0.4


def test_ndvi_of_a_class_follows_its_season(demo, s10, cover, districts):
    zones, _ = districts
    for code in (30, 40, FOREST):
        entry = demo.truth["classes"][str(code)]
        found = np.array([np.nanmean(day[(cover == code) & (zones == 0)]) if np.isfinite(
            day[(cover == code) & (zones == 0)]).any() else np.nan for day in s10.clear])  # fmt: skip
        expected = np.array(entry["ndvi_without_rain_and_trend"])
        assert np.nanmax(np.abs(found - expected)) < 0.03 + 2.5 * entry["ndvi_per_sd_of_rain"]
        assert np.nanmean(found - expected) == pytest.approx(0, abs=0.015)


def test_status_map(s10):
    assert set(np.unique(s10.sm & 7)) == {0, 1, 2, 3, 4}
    assert set(np.unique(s10.sm)) <= {2, 10} | {code + land + good for code in range(5) for land in (0, 8)
                                               for good in (240, 224)}  # fmt: skip
    missing = s10.ndvi == 255
    assert np.array_equal(missing, s10.sm & 240 == 0)
    assert np.array_equal(missing, s10.red == -1)
    assert np.array_equal(missing, s10.time == 0)
    assert np.array_equal(s10.swir == -1, s10.sm & 16 == 0)
    assert (s10.ndvi[~missing] <= 250).all()
    snow = (s10.sm & 7 == 4).any(axis=(1, 2))
    assert snow.any()
    assert not snow[[t for t in range(108) if 9 <= t % 36 < 27]].any()  # April to September


def test_clouds_lower_ndvi_so_that_masking_matters(s10):
    summer = [t for t in range(108) if 15 <= t % 36 < 21]
    ndvi, status = s10.ndvi[summer], s10.sm[summer] & 7
    assert ndvi[status == 3].mean() < 0.6 * ndvi[(status == 0) & (ndvi != 255)].mean()


def test_bands_give_the_ndvi_back(s10):
    seen = s10.ndvi != 255
    red, nir = s10.red[seen].astype(float), s10.nir[seen].astype(float)
    # half a step of NDVI, and of both reflectances where they are dark
    assert np.allclose((nir - red) / (nir + red), 0.004 * s10.ndvi[seen] - 0.08, atol=1 / (nir + red).min())
    assert (s10.time[seen] % 1440 >= 600).all()
    assert (s10.time[seen] < 11 * 1440).all()


def test_ndvi300_is_the_clear_ndvi_or_a_code(demo, s10):
    ndvi = demo.cube("CGLS_NDVI300_V1", "NDVI")
    assert set(np.unique(ndvi)) >= {251, 252, 253, 254, 255}
    valid = ndvi <= 250
    assert np.array_equal(ndvi[valid], s10.ndvi[valid])
    assert np.array_equal(valid, np.isfinite(s10.clear) & (s10.sm & 8 == 8))
    assert (s10.sm[ndvi == 253] & 7 == 4).all()
    assert np.isin(s10.sm[ndvi == 252] & 7, (1, 2, 3)).all()


def test_a_fapar_pixel_covers_300_m_columns_3k_minus_1_to_3k_plus_1(demo, s10):
    fapar = demo.cube("CGLS_FAPAR_V2", "FAPAR")

    def error(shift):
        part = s10.clear[:, 2 + shift : 80 + shift, 2 + shift : 80 + shift]
        mean = part.reshape(108, 26, 3, 26, 3).mean(axis=(2, 4))  # NaN unless all nine are clear
        pixels = fapar[:, 1:27, 1:27]
        values = np.where(pixels == 255, np.nan, pixels / 250)
        return np.nanmean(np.abs(values - (1.15 * mean - 0.08)))

    assert error(0) < 0.006
    assert error(0) < 0.7 * min(error(1), error(-1))


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_the_trend_of_each_district_comes_back(demo, s10, cover, districts):
    zones, names = districts
    time = (np.arange(108) - 53.5) / 36
    for number, name in names.items():
        inside = (zones == number) & np.isin(cover, (30, 40, 90, 111, 114, 115))
        ndvi = s10.clear[:, inside].reshape(3, 36, -1)  # year, dekad, pixel
        years = np.where(np.isfinite(ndvi), time.reshape(3, 36, 1), np.nan)
        # differences from each pixel's own mean of the same dekad: no season, no land cover left
        y, x = (values - np.nanmean(values, axis=0) for values in (ndvi, years))
        slope = np.nansum(x * y) / np.nansum(x * x)
        assert slope == pytest.approx(
            demo.truth["districts"][name]["trend_per_year_of_vegetation"], abs=0.006
        )


def test_the_lag_of_rain_comes_back(demo, s10, cover):
    rain = demo.cube("CHIRPS_V2_DEKAD", "RAINFALL").astype(float)
    rain = np.log(np.where(rain == -9999, np.nan, rain))[:, 5:-5, 5:-5]
    rain = np.nanmean(rain.reshape(108, -1), axis=1)
    crops = np.nanmean(np.where(cover == 40, s10.clear, np.nan).reshape(108, -1), axis=1)

    def anomaly(series):
        return (series.reshape(3, 36) - np.nanmean(series.reshape(3, 36), axis=0)).ravel()

    rain, crops = anomaly(rain), anomaly(crops)

    def correlation(lag):
        before, after = rain[: 108 - lag], crops[lag:]
        both = np.isfinite(before) & np.isfinite(after)
        return np.corrcoef(before[both], after[both])[0, 1]

    found = [correlation(lag) for lag in range(7)]
    assert int(np.argmax(found)) == demo.truth["lag_dekads"] == 3
    assert found[3] > 0.6
    assert max(found[:3] + found[4:]) < 0.4


def test_the_mean_of_each_district_is_in_the_truth(demo, s10, world, districts):
    zones, names = districts
    assert [district.name for district in world.districts] == list(names.values())
    for number, name in names.items():
        entry = demo.truth["districts"][name]
        assert entry["pixels"] == (zones == number).sum()
        for index, day in enumerate(s10.clear):
            inside = day[zones == number]
            if np.isfinite(inside).all():
                assert inside.mean() == pytest.approx(entry["mean_ndvi"][index], abs=0.012)
