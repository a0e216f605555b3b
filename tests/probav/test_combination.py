import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from pyhdf.SD import SD, SDC

import probav
from probav.errors import MaskError, OutsideError, QueryError, TimeError, UnknownNameError

VGT, PROBAV = "SPOTVEGETATION_L3_S10", "PROBAV_L3_S10_TOC_1KM"
# first pixel's centre and shape: other windows of one lattice
WHERE = {VGT: (1.0, 50.0, (60, 80)), PROBAV: (1 + 10 / 112, 50 + 5 / 112, (70, 60))}
DATES = {
    VGT: ["2013-09-21", "2013-10-11", "2013-10-21", "2014-05-21"],
    PROBAV: ["2013-10-11", "2013-10-21", "2014-05-11", "2014-06-01"],
}
# in both windows; its edges lie between a pixel's edge and its centre, so that "touched" and "centre" agree
BOX = (1 + 10.6 / 112, 50 - 58.4 / 112, 1 + 68.4 / 112, 50 - 1.6 / 112)
LOG = """MAP_PROJ_RESOLUTION       0.0089285714
GEO_UPPER_LEFT_LAT        {north:+011.6f}
GEO_UPPER_LEFT_LONG       {west:+011.6f}
GEO_LOWER_RIGHT_LAT       {south:+011.6f}
GEO_LOWER_RIGHT_LONG      {east:+011.6f}
IMAGE_UPPER_LEFT_ROW      1
IMAGE_UPPER_LEFT_COL      1
IMAGE_LOWER_RIGHT_ROW     {height}
IMAGE_LOWER_RIGHT_COL     {width}
"""


def write_vgt(folder, date, ndvi, status):
    root = folder / f"V2KRNS10__{date.replace('-', '')}E" / "0001"
    root.mkdir(parents=True)
    for plane, array in (("NDV", ndvi), ("SM", status)):
        file = SD(str(root / f"0001_{plane}.HDF"), SDC.WRITE | SDC.CREATE)
        data = file.create("PIXEL_DATA", SDC.UINT8, array.shape)
        data[:] = array
        data.endaccess()
        file.end()
    west, north, (height, width) = WHERE[VGT]
    corner = {
        "height": height,
        "width": width,
        "east": west + (width - 1) / 112,
        "south": north - (height - 1) / 112,
    }
    (root / "0001_LOG.TXT").write_text(LOG.format(west=west, north=north, **corner))


def write_probav(folder, date, ndvi, status):
    folder.mkdir(parents=True, exist_ok=True)
    west, north, (height, width) = WHERE[PROBAV]
    transform = Affine(1 / 112, 0, west - 0.5 / 112, 0, -1 / 112, north + 0.5 / 112)
    for layer, array, nodata in (("NDVI", ndvi, 255), ("SM", status, None)):
        path = folder / f"PROBAV_S10_TOC_X18Y02_{date.replace('-', '')}_1KM_V101_{layer}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", dtype="uint8", count=1, height=height, width=width, crs="EPSG:4326",
            transform=transform, nodata=nodata,
        ) as file:  # fmt: skip
            file.write(array, 1)


class Made:
    """An archive of both sensors and the numbers in it, by product and date."""

    def __init__(self, folder, ndvi, dates=DATES):
        random = np.random.default_rng(7)
        self.dn, self.status = {}, {}
        for product, write in ((VGT, write_vgt), (PROBAV, write_probav)):
            for date in dates[product]:
                shape = WHERE[product][2]
                self.dn[product, date] = ndvi(product, date, shape).astype("uint8")
                # clear, snow, cloud; sea and land; all quality bits
                self.status[product, date] = (
                    random.choice([0, 0, 0, 0, 4, 3], shape) + random.choice([8, 8, 8, 0], shape) + 240
                ).astype("uint8")
                write(folder / "files", date, self.dn[product, date], self.status[product, date])
        report = probav.ingest(folder / "archive", folder / "files")
        assert not report.rejected, report
        self.archive = probav.open_archive(folder / "archive")
        self.products = self.archive[VGT], self.archive[PROBAV]

    def physical(self, product, date):
        """NDVI as the manuals have it, NaN where there is none."""
        dn = self.dn[product, date].astype(float)
        if product == VGT:
            return np.where((dn >= 1) & (dn <= 254), 0.004 * dn - 0.1, np.nan)
        return np.where(dn <= 250, 0.004 * dn - 0.08, np.nan)

    def inside(self, product, date, mask=False):
        """Values of the pixels whose centres lie in the box; those of clear land only, with mask."""
        west, north, (height, width) = WHERE[product]
        x, y = west + np.arange(width) / 112, north - np.arange(height) / 112
        columns, rows = (x > BOX[0]) & (x < BOX[2]), (y > BOX[1]) & (y < BOX[3])
        values = self.physical(product, date)
        if mask:
            status = self.status[product, date]
            values = np.where(((status & 7) == 0) & (status & 8 == 8), values, np.nan)
        return values[rows][:, columns]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    def numbers(product, date, shape):
        return np.random.default_rng([len(product), *map(int, date.split("-"))]).integers(0, 256, shape)

    return Made(tmp_path_factory.mktemp("series"), numbers)


def owner(date, prefer="last"):
    both = date in DATES[VGT] and date in DATES[PROBAV]
    if both:
        return PROBAV if prefer == "last" else VGT
    return VGT if date in DATES[VGT] else PROBAV


def test_a_constant_field_has_no_step_at_the_seam(tmp_path):
    # NDVI 0.5 is stored as 150 by one and 145 by the other
    made = Made(tmp_path, lambda product, _, shape: np.full(shape, 150 if product == VGT else 145))
    series = probav.combine(*made.products)
    result = series.statistics(BOX, reducers=("mean", "min", "max"), coverage="centre")
    np.testing.assert_allclose(result["mean"].values, 0.5, atol=1e-12)
    np.testing.assert_allclose(result["min"].values, result["max"].values, atol=1e-12)
    np.testing.assert_allclose(series.load(BOX)["NDVI"].values, 0.5, atol=1e-7)
    # the stored numbers, joined without it, have a step of 5, which is 0.02
    raw = [product.load(BOX, keep_dn=True)["NDVI"].values for product in made.products]
    assert (raw[0].mean() - raw[1].mean()) * 0.004 == pytest.approx(0.02)


@pytest.mark.parametrize("prefer", ["last", "first"])
@pytest.mark.parametrize("mask", [None, "clear & land"])
def test_statistics_are_those_of_numpy(made, prefer, mask):
    series = probav.combine(*reversed(made.products), prefer=prefer)  # in any order
    dates = sorted({*DATES[VGT], *DATES[PROBAV]})
    assert [str(day) for day in series.times] == dates
    result = series.statistics(
        BOX, mask=mask, reducers=("mean", "std", "min", "max", "p25", "median", "sum"), coverage="centre"
    )
    names = {VGT: "SPOT-VEGETATION", PROBAV: "PROBA-V"}
    assert result["sensor"].dims == ("time",)
    assert result["sensor"].values.tolist() == [names[owner(date, prefer)] for date in dates]
    for index, date in enumerate(dates):
        values = made.inside(owner(date, prefer), date, mask is not None)
        found = result.isel(zone=0, time=index)
        good = values[np.isfinite(values)]
        assert found["valid"] == good.size
        assert found["count"] == values.size
        for name, expected in {
            "mean": good.mean(), "std": good.std(), "min": good.min(), "max": good.max(), "sum": good.sum(),
            "p25": np.percentile(good, 25), "median": np.median(good),
        }.items():  # fmt: skip
            assert float(found[name]) == pytest.approx(expected, rel=1e-12), name
    assert result.attrs["product"] == f"{VGT}+{PROBAV}"
    assert result.attrs["prefer"] == prefer
    assert "CNES" in result.attrs["citation"]
    assert "Belspo" in result.attrs["citation"]


def test_a_period_within_one_product_asks_only_that_one(made):
    series = probav.combine(*made.products)
    result = series.statistics(BOX, "2014-06")
    alone = made.archive[PROBAV].statistics(BOX, "2014-06")
    xr.testing.assert_equal(result.drop_vars("sensor"), alone)
    with pytest.raises(TimeError, match="has no date in 2015-01-01"):
        series.statistics(BOX, "2015")


def test_pixels_of_all_windows_on_one_grid(made):
    series = probav.combine(*made.products)
    pixels = series.load()["NDVI"]
    # from 5 rows above the one to the end of the other, 0 to 80 columns
    assert pixels.shape == (6, 70, 80)
    assert pixels.dtype == "float32"
    np.testing.assert_allclose(pixels["x"].values, 1 + np.arange(80) / 112, atol=1e-9)
    np.testing.assert_allclose(pixels["y"].values, 50 + 5 / 112 - np.arange(70) / 112, atol=1e-9)
    dates = [str(day)[:10] for day in pixels["time"].values]
    for index, date in enumerate(dates):
        expected = np.full((70, 80), np.nan)
        if owner(date) == VGT:
            expected[5:65, :] = made.physical(VGT, date)
        else:
            expected[:, 10:70] = made.physical(PROBAV, date)
        np.testing.assert_allclose(pixels.values[index], expected, atol=1e-6)


@pytest.mark.parametrize(
    "key", [(2, 3, 4), (slice(None), 3, slice(5, 9)), ([0, 5, 1], slice(60, 70), 79), (slice(4, 1, -1),)]
)
def test_indexed_as_numpy_does(made, key):
    pixels = probav.combine(*made.products).load()["NDVI"]
    np.testing.assert_array_equal(pixels[key].values, pixels.values[key])


def test_lazy(made):
    pixels = probav.combine(*made.products).load(BOX)["NDVI"]
    assert not isinstance(pixels.variable._data, np.ndarray)


def test_masks_are_evaluated_in_each_products_own_layers(made):
    series = probav.combine(*made.products)
    pixels = series.load(mask="clear & land", clip=False)["NDVI"]
    for date in ("2013-09-21", "2014-06-01"):
        product = owner(date)
        status = made.status[product, date]
        expected = np.where(
            ((status & 7) == 0) & (status & 8 == 8) & np.isfinite(made.physical(product, date)), 1, 0
        ).sum()
        assert int(np.isfinite(pixels.sel(time=date)).sum()) == expected
    with pytest.raises(UnknownNameError, match="clera"):
        series.statistics(BOX, mask="clera")
    with pytest.raises(MaskError):
        series.statistics(BOX, mask="clear &")


def test_strata_that_only_one_product_has(made):
    result = probav.combine(*made.products).statistics(BOX, by="SM", coverage="centre")
    total = result["count"].sum("class").values[0]
    expected = [made.inside(owner(str(day)[:10]), str(day)[:10]).size for day in result["time"].values]
    np.testing.assert_array_equal(total, expected)
    assert result["class_name"].dims == ("class",)


@pytest.fixture(scope="session")
def drifting(tmp_path_factory):
    """The newer sensor sees 1.2 times the older one's NDVI, less 0.05, with noise."""
    field = np.random.default_rng(3).normal(0.4, 0.12, (200, 200))

    def numbers(product, date, shape):
        west, north, _ = WHERE[product]
        row, column = round((50.5 - north) * 112), round((west - 0.5) * 112)
        noise = np.random.default_rng([len(product), int(date[5:7]), int(date[8:])]).normal(0, 0.02, shape)
        values = field[row : row + shape[0], column : column + shape[1]] + noise
        if product == VGT:
            return np.clip(np.round((values + 0.1) / 0.004), 1, 254)
        return np.clip(np.round((1.2 * values - 0.05 + 0.08) / 0.004), 0, 250)

    return Made(tmp_path_factory.mktemp("drifting"), numbers)


def test_harmonised_as_numpy_fits_it(drifting):
    made, series = drifting, probav.combine(*drifting.products, harmonise="linear")
    common = [date for date in DATES[VGT] if date in DATES[PROBAV]]
    pairs = [
        np.concatenate([made.inside(product, date, mask=True).ravel() for date in common])
        for product in (VGT, PROBAV)
    ]
    both = np.isfinite(pairs[0]) & np.isfinite(pairs[1])
    x, y = pairs[0][both], pairs[1][both]
    gain = y.std() / x.std()
    offset = y.mean() - gain * x.mean()
    names = ("mean", "std", "var", "min", "max", "p10", "median", "sum")
    result = series.statistics(BOX, mask="clear & land", reducers=names, coverage="centre")
    assert result.attrs["harmonise"] == "linear"
    assert result.attrs["harmonise_n"] == both.sum()
    assert result.attrs["harmonise_dates"] == 2
    assert result.attrs["harmonise_gain"] == pytest.approx(gain, rel=1e-9)
    assert result.attrs["harmonise_offset"] == pytest.approx(offset, abs=1e-9)
    assert result.attrs["harmonise_r2"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, rel=1e-9)
    residual = y - (gain * x + offset)
    assert result.attrs["harmonise_rmse"] == pytest.approx(np.sqrt((residual**2).mean()), rel=1e-9)
    assert gain == pytest.approx(1.2, abs=0.03)  # and it is what was put in
    for date in DATES[VGT][:1] + DATES[PROBAV][-1:]:
        values = made.inside(owner(date), date, mask=True)
        values = values[np.isfinite(values)]
        if owner(date) == VGT:
            values = gain * values + offset
        found = result.sel(time=date).isel(zone=0)
        for name, expected in {
            "mean": values.mean(), "std": values.std(), "var": values.var(), "min": values.min(),
            "max": values.max(), "p10": np.percentile(values, 10), "median": np.median(values),
            "sum": values.sum(),
        }.items():  # fmt: skip
            assert float(found[name]) == pytest.approx(expected, rel=1e-9), name
        assert found["valid"] == len(values)
    pixels = series.load(BOX, "2013-09", "clear & land")["NDVI"]
    plain = probav.combine(*drifting.products).load(BOX, "2013-09", "clear & land")["NDVI"]
    np.testing.assert_allclose(pixels.values, plain.values * gain + offset, atol=1e-6)


def test_too_little_to_harmonise(made, tmp_path):
    series = probav.combine(*made.products, harmonise="linear")
    small = (1.3, 49.8, 1.35, 49.85)
    with pytest.raises(QueryError, match=r"\d+ valid pixels in common at 2 dates, 1000 are needed"):
        series.statistics(small)
    apart = {VGT: DATES[VGT][:1], PROBAV: DATES[PROBAV][2:]}
    other = Made(tmp_path, lambda product, date, shape: np.full(shape, 100), apart)
    with pytest.raises(QueryError, match="no date that both have"):
        probav.combine(*other.products, harmonise="linear").statistics(BOX)
    flat = Made(tmp_path / "flat", lambda product, date, shape: np.full(shape, 100))
    with pytest.raises(QueryError, match="no relation"):
        probav.combine(*flat.products, harmonise="linear").statistics(BOX)


def test_what_cannot_be_one_series(made, world):
    vgt, probav_1km = made.products
    with pytest.raises(QueryError, match="pixels don't coincide"):
        probav.combine(vgt, world.archive["PROBAV_L3_S10_TOC_333M"])
    with pytest.raises(QueryError, match="at least two"):
        probav.combine(vgt)
    with pytest.raises(QueryError, match="prefer='newest'"):
        probav.combine(vgt, probav_1km, prefer="newest")
    with pytest.raises(QueryError, match="harmonise='cubic'"):
        probav.combine(vgt, probav_1km, harmonise="cubic")
    with pytest.raises(OutsideError):
        probav.combine(vgt, probav_1km).statistics((5, 5, 6, 6))
    with pytest.raises(QueryError, match="no quantity"):
        probav.combine(vgt, probav_1km).statistics(BOX, variable="SM")


def test_what_it_says_of_itself(made):
    series = probav.combine(*made.products)
    assert series.id == f"{VGT}+{PROBAV}"
    assert made.archive.combine(PROBAV, VGT).id == series.id
    assert series.sensors == ["SPOT-VEGETATION", "PROBA-V"]
    extent = series.extent
    assert (str(extent.first), str(extent.last), extent.dates) == ("2013-09-21", "2014-06-01", 6)
    assert extent.bounds == pytest.approx(
        (1 - 0.5 / 112, 50 + 5.5 / 112 - 70 / 112, 1 + 79.5 / 112, 50 + 5.5 / 112), abs=1e-9
    )
    estimate = series.estimate(BOX)
    assert estimate.pixels > 0
