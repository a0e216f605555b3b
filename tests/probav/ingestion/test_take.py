import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import icechunk
import numpy as np
import pytest
import xarray as xr
from affine import Affine

import probav
from probav.errors import SourceError, UnknownProductError

S10 = "PROBAV_L3_S10_TOC_333M"
COVER, RAIN, NDVI300 = "CGLS_LC100_V3", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1"


def plain(url, product, **options):
    """Open a product with xarray and Icechunk alone."""
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(url)))
    store = repository.readonly_session("main").store
    return xr.open_zarr(store, group=product, consolidated=False, chunks=None, **options)


def snapshots(url):
    return list(probav.open_archive(url).history["snapshot"])


def numbers(seed, shape=(20, 30)):
    return np.random.default_rng(seed).integers(0, 251, shape, "uint8")


# --- what goes in is what is in ------------------------------------------------------------------------


@pytest.mark.parametrize("product", [S10, RAIN, NDVI300, COVER])
def test_plain_xarray_reads_every_source_pixel_where_it_belongs(world, product):
    cube = plain(world.url, product, mask_and_scale=False)
    transform = world.transforms[product]
    column = int(np.abs(cube.x.values - (transform.c + transform.a / 2)).argmin())
    row = int(np.abs(cube.y.values - (transform.f + transform.e / 2)).argmin())
    np.testing.assert_array_equal(cube.time.values, world.dates[product].astype("datetime64[ns]"))
    for name, array in world.arrays[product].items():
        _, height, width = array.shape
        window = cube[name].isel(y=slice(row, row + height), x=slice(column, column + width))
        assert window.dtype == array.dtype
        np.testing.assert_array_equal(window.values, array)
        columns, rows = np.arange(width) + 0.5, np.arange(height) + 0.5
        np.testing.assert_allclose(window.x, transform.c + columns * transform.a, atol=1e-9)
        np.testing.assert_allclose(window.y, transform.f + rows * transform.e, atol=1e-9)
        rows, columns = slice(row - 3, row + height + 3), slice(column - 3, column + width + 3)
        frame = cube[name].isel(time=0, y=rows, x=columns).values.copy()
        frame[3:-3, 3:-3] = frame[0, 0]
        blank = {"SM": 2, "NDVI": 255, "LC": 255, "RAINFALL": -9999}.get(name, -1)  # status 2: undefined
        assert (frame == blank).all()


@pytest.mark.parametrize("product", [S10, RAIN, NDVI300, COVER])
def test_load_gives_every_source_pixel(world, product):
    arrays = world.arrays[product]
    loaded = world.archive[product].load(variable=list(arrays), keep_dn=True)
    assert set(loaded.data_vars) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name].values, array)


def test_every_stored_number_of_ndvi_and_status_map_was_tried(world):
    assert set(np.unique(world.arrays[S10]["NDVI"])) == {*range(251), 255}
    assert set(np.unique(world.arrays[S10]["SM"])) == set(range(256))


# --- again, newer, later -------------------------------------------------------------------------------


def test_a_second_run_changes_nothing(world, tmp_path):
    url = world.copy(tmp_path)
    before = snapshots(url)
    report = probav.ingest(url, world.folder)
    assert (report.taken, report.unchanged, report.superseded) == (0, 14 + 14 + 3 + 1, 0)
    assert (report.rejected, report.snapshots) == ([], [])
    assert snapshots(url) == before


@pytest.mark.parametrize("together", [True, False])
def test_a_newer_version_replaces_and_an_older_is_left_out(url, crop, together):
    old, new = numbers(1), numbers(2)
    files = [crop("20150101", old), crop("20150101", new, version="V102")]
    if together:
        report = probav.ingest(url, files)
        assert (report.taken, report.superseded) == (1, 1)
    else:
        assert probav.ingest(url, files[0]).taken == 1
        assert probav.ingest(url, files[1]).taken == 1
    product = probav.open_archive(url)[S10]
    np.testing.assert_array_equal(product.load(keep_dn=True).NDVI[0], new)
    before = snapshots(url)
    report = probav.ingest(url, files)
    assert (report.taken, report.unchanged, report.superseded) == (0, 1, 1)
    assert probav.ingest(url, files[0]).superseded == 1
    assert snapshots(url) == before
    np.testing.assert_array_equal(probav.open_archive(url)[S10].load(keep_dn=True).NDVI[0], new)


def test_a_damaged_newer_version_leaves_the_older_in_force(url, crop):
    files = [crop("20150101", numbers(1)), crop("20150101", numbers(2), version="V102")]
    files[1].write_bytes(files[1].read_bytes()[:100])
    report = probav.ingest(url, files)
    assert (report.taken, [item.path for item in report.rejected]) == (1, [files[1]])
    np.testing.assert_array_equal(probav.open_archive(url)[S10].load(keep_dn=True).NDVI[0], numbers(1))


def test_a_corrected_file_of_the_same_version_replaces(url, crop):
    probav.ingest(url, crop("20150101", numbers(1)))
    assert probav.ingest(url, crop("20150101", numbers(2))).taken == 1
    np.testing.assert_array_equal(probav.open_archive(url)[S10].load(keep_dn=True).NDVI[0], numbers(2))


def test_dates_that_arrive_late_are_sorted(url, crop):
    dates = [f"2015{month:02d}{day:02d}" for month in range(1, 7) for day in (1, 11, 21)]
    arrays = {date: numbers(int(date)) for date in dates}
    late = ["20150111", "20150221", "20150601"]
    probav.ingest(url, [crop(date, array) for date, array in arrays.items() if date not in late])
    probav.ingest(url, [crop(date, arrays[date], folder="late") for date in reversed(late)])
    product = probav.open_archive(url)[S10]
    assert [str(date).replace("-", "") for date in product.times] == list(arrays)
    assert sorted(product.positions) == list(range(18))
    np.testing.assert_array_equal(product.load(keep_dn=True).NDVI, np.stack(list(arrays.values())))
    months = product.load(time=("2015-01", "2015-02"), keep_dn=True).NDVI
    np.testing.assert_array_equal(months, np.stack(list(arrays.values()))[:6])


def test_later_sources_of_all_products_are_appended(world, tmp_path):
    url = world.copy(tmp_path)
    report = probav.ingest(url, world.later)
    assert (report.taken, report.unchanged, report.rejected) == (3, 0, [])
    archive = probav.open_archive(url)
    for product, arrays in world.later_arrays.items():
        assert archive[product].times[-1] == world.later_date
        loaded = archive[product].load(variable=list(arrays), keep_dn=True)
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name][-1], array)
            np.testing.assert_array_equal(loaded[name][:-1], world.arrays[product][name])


def test_commits_end_at_chunks_of_the_time_axis(url, crop):
    days = np.arange("2015-01-01", "2016-01-01", dtype="datetime64[D]")
    dekads = [str(day).replace("-", "") for day in days if str(day)[-2:] in {"01", "11", "21"}]
    first = probav.ingest(url, [crop(date, numbers(1)) for date in dekads[:14]])
    assert len(first.snapshots) == 2
    more = probav.ingest(url, [crop(date, numbers(1), folder="more") for date in dekads[14:30]])
    assert len(more.snapshots) == 2
    messages = list(probav.open_archive(url).history["message"])
    assert messages == [
        f"{S10}: 2015-09-01 to 2015-10-21, 6 granules",
        f"{S10}: 2015-05-21 to 2015-08-21, 10 granules",
        f"{S10}: 2015-05-01 to 2015-05-11, 2 granules",
        f"{S10}: 2015-01-01 to 2015-04-21, 12 granules",
        "Archive created",
        "Repository initialized",
    ]
    assert snapshots(url)[0] == more.snapshots[-1]


def test_cuts_of_two_regions_of_one_date_are_both_kept(url, crop):
    west, east = numbers(1), numbers(2)
    files = [crop("20150101", west, folder="west"), crop("20150101", east, column=260, folder="east")]
    report = probav.ingest(url, files)
    assert (report.taken, report.superseded) == (2, 0)
    loaded = probav.open_archive(url)[S10].load(keep_dn=True).NDVI[0].values
    assert loaded.shape == (20, 90)
    np.testing.assert_array_equal(loaded[:, :30], west)
    np.testing.assert_array_equal(loaded[:, 60:], east)
    assert (loaded[:, 30:60] == 255).all()


def test_a_series_on_its_own_grid_is_taken_as_it_is(url, crop):
    shifted = [crop(date, numbers(n), shift=0.3) for n, date in enumerate(("20150101", "20150111"))]
    assert probav.ingest(url, shifted).taken == 2
    product = probav.open_archive(url)[S10]
    assert product.extent.bounds == pytest.approx(
        (199.8 / 336, 55 - (99.8 + 20) / 336, (199.8 + 30) / 336, 55 - 99.8 / 336)
    )
    report = probav.ingest(url, [crop("20150121", numbers(5)), crop("20150201", numbers(6), shift=0.3)])
    assert report.taken == 1
    assert "don't lie on the grid of the product in the archive" in report.rejected[0].reason


def test_what_names_do_not_say_is_given(url, tmp_path, sources):
    path = tmp_path / "ndvi of january.tif"
    sources.write_tif(path, numbers(4), Affine(1 / 336, 0, 3, 0, -1 / 336, 51), 255)
    with pytest.raises(SourceError, match="ndvi of january"):
        probav.ingest(url, path)
    with pytest.raises(SourceError, match="doesn't say its date; give date="):
        probav.ingest(url, path, S10)
    assert not url.exists()
    assert probav.ingest(url, path, S10.lower(), date="2015-01-11").taken == 1
    product = probav.open_archive(url)[S10]
    assert list(product.times.astype(str)) == ["2015-01-11"]
    np.testing.assert_array_equal(product.load(keep_dn=True).NDVI[0], numbers(4))
    with pytest.raises(UnknownProductError, match="Did you mean"):
        probav.ingest(url, path, "PROBAV_L3_S10_TOC_333", date="2015-01-11")


# --- Collection 0 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("old_first", [True, False])
def test_days_of_old_time_layers_never_pass_for_minutes(url, crop, old_first):
    """TIME was a day number (uint8) until June 2014 and minutes (uint16) since."""
    days = np.full((20, 30), 7, "uint8")
    minutes = np.random.default_rng(5).integers(0, 14400, (20, 30), "uint16")
    old = [crop("20131101", numbers(1), version="V001"), crop("20131101", days, layer="TIME", version="V001")]
    new = [crop("20150101", numbers(2)), crop("20150101", minutes, layer="TIME")]
    for files in (old, new) if old_first else (new, old):
        report = probav.ingest(url, files)
        assert (report.taken, report.rejected) == (1, [])
        assert ("left without a value" in str(report)) == (files is old)
    product = probav.open_archive(url)[S10]
    loaded = product.load(variable=["NDVI", "TIME"], keep_dn=True)
    np.testing.assert_array_equal(loaded.NDVI, [numbers(1), numbers(2)])
    np.testing.assert_array_equal(loaded.TIME, [np.zeros_like(minutes), minutes])  # 0: no value
    assert product.variables["TIME"].units == "min"


# --- what goes wrong -----------------------------------------------------------------------------------


def write_hdf5(path, array):
    with h5py.File(path, "w") as file:
        rows = {"chunks": (1, array.shape[1]), "compression": "szip"}
        data = file.create_dataset("LEVEL3/NDVI/NDVI", data=array, **rows)
        data.attrs.update({"SCALE": 250, "OFFSET": 20, "NO_DATA": 255})
        corners = file.create_group("LEVEL3/GEOMETRY").attrs
        height, width = array.shape
        for side, x in (("LEFT", 200 / 336), ("RIGHT", (200 + width - 1) / 336)):
            for end, y in (("TOP", 55 - 100 / 336), ("BOTTOM", 55 - (100 + height - 1) / 336)):
                corners[f"{end}_{side}_LONGITUDE"], corners[f"{end}_{side}_LATITUDE"] = x, y


def spoil(path):
    """Overwrite the pixels of a GeoTIFF and leave its header alone."""
    content = bytearray(path.read_bytes())
    content[-300:] = b"\x99" * 300
    path.write_bytes(content)
    return path


def test_bad_files_are_named_with_their_reason_and_the_others_go_in(url, tmp_path, crop, sources):
    good = [crop("20150101", numbers(1)), crop("20150111", numbers(2))]
    folder = good[0].parent
    whole = folder / "PROBAV_S10_TOC_X18Y02_20150121_333M_V101.HDF5"
    write_hdf5(whole, numbers(3))
    cut = folder / "PROBAV_S10_TOC_X18Y02_20150201_333M_V101.HDF5"
    shutil.copy(whole, cut)
    cut.write_bytes(cut.read_bytes()[:-1000])
    reasons = {
        cut: "can't be read (damaged or incomplete?)",
        folder / "holiday.tif": "is not a known product file name",
        folder / "c_gls_LST_201501100000_GLOBE_GEO_V2.0.1.nc": "is not supported",
        crop("20150211", numbers(4), shift=0.5): "don't lie on the grid of the product in the archive",
        crop("20150221", numbers(4), row=3355): "isn't in tile X18Y02",
        spoil(crop("20150301", numbers(5))): "can't be read (damaged or incomplete?)",
        crop("20150312", numbers(5)): "starts no period",
        crop("20150321", numbers(5).astype("int32")): "has the type int32",
    }
    for path in reasons:
        if not path.exists():
            path.write_bytes(b"II*\0")
    (folder / "readme.txt").write_text("not looked at")
    seen = []
    report = probav.ingest(url, folder, progress=lambda *state: seen.append(state))
    assert report.taken == 3
    assert {item.path for item in report.rejected} == set(reasons)
    for item in report.rejected:
        assert reasons[item.path] in item.reason
        assert f"rejected {item.path}: " in str(report)
    loaded = probav.open_archive(url)[S10].load(keep_dn=True)
    assert list(loaded.time.dt.strftime("%Y%m%d").values) == ["20150101", "20150111", "20150121"]
    np.testing.assert_array_equal(loaded.NDVI, [numbers(1), numbers(2), numbers(3)])
    # every granule is counted once, whatever became of it
    done, total, read = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert (done[0], done[-1]) == (1, total[0])
    assert set(total) == {8}
    assert list(read) == sorted(read)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("empty folder", "there is no product file in"),
        ("missing folder", "does not exist"),
        ("foreign file", "holiday.tif"),
        ("cut header", "PROBAV_S10_TOC_X18Y02_20150201_333M_V101_NDVI.tif can't be read"),
        ("spoilt pixels", "PROBAV_S10_TOC_X18Y02_20150201_333M_V101_NDVI.tif can't be read"),
    ],
)
def test_nothing_usable_is_an_error_and_changes_nothing(url, tmp_path, crop, bad, words, there):
    if there:
        probav.ingest(url, crop("20150101", numbers(1), folder="good"))
        before = snapshots(url)
    folder = tmp_path / "sources"
    if bad != "missing folder":
        folder.mkdir()
    if bad == "foreign file":
        (folder / "holiday.tif").write_bytes(b"II*\0")
    elif bad in {"cut header", "spoilt pixels"}:
        path = spoil(crop("20150201", numbers(1), folder="sources"))
        if bad == "cut header":
            path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(SourceError, match=words):
        probav.ingest(url, folder)
    if there:
        assert snapshots(url) == before
    else:
        assert not url.exists()
        assert [path.name for path in tmp_path.iterdir() if path != folder and path.suffix != ".lock"] == []


def test_a_folder_with_other_things_is_not_written_to(tmp_path, crop):
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.txt").write_text("x")
    with pytest.raises(probav.errors.ArchiveError, match="is no probav archive"):
        probav.ingest(other, crop("20150101", numbers(1)))
    assert [path.name for path in other.iterdir()] == ["chapter1.txt"]


class Stop:
    """A progress callback that is interrupted like a person would, after some granules."""

    def __init__(self, after):
        self.after = after

    def __call__(self, done, total, read):
        if done >= self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("after", "there"), [(1, 0), (12, 12), (13, 12), (14, 14)])
def test_after_an_interruption_the_archive_is_whole_and_the_same_call_goes_on(url, world, after, there):
    files = sorted(path for path in world.folder.glob("2015-*/*_NDVI.tif"))
    with pytest.raises(KeyboardInterrupt):
        probav.ingest(url, files, progress=Stop(after))
    assert url.exists() == (there > 0)
    if there:
        loaded = probav.open_archive(url)[S10].load(keep_dn=True).NDVI
        np.testing.assert_array_equal(loaded, world.arrays[S10]["NDVI"][:there])
    report = probav.ingest(url, files)
    assert (report.taken, report.unchanged) == (14 - there, there)
    loaded = probav.open_archive(url)[S10].load(keep_dn=True).NDVI
    np.testing.assert_array_equal(loaded, world.arrays[S10]["NDVI"])


def test_two_processes_that_start_one_archive_lose_nothing(url, world):
    program = "import sys, probav; print(probav.ingest(sys.argv[1], sys.argv[2:]))"
    patterns = ("chirps*", "c_gls*", "2015-*/*_SM.tif")
    shares = [sorted(map(str, world.folder.glob(pattern))) for pattern in patterns]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([sys.executable, "-c", program, url, *files], **pipes) for files in shares]
    for process, files in zip(running, shares, strict=True):
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert f"{len(files)} taken in, 0 already there, 0 older than what is there, 0 rejected" in out
    archive = probav.open_archive(url)
    assert archive.ids == [NDVI300, RAIN, S10]
    for product, name in ((RAIN, "RAINFALL"), (NDVI300, "NDVI"), (S10, "SM")):
        loaded = archive[product].load(variable=name, keep_dn=True)[name]
        np.testing.assert_array_equal(loaded, world.arrays[product][name])
    assert len(archive.history) == 1 + 1 + 2 + 1 + 2


def test_an_archive_object_a_path_and_a_url_mean_the_same(url, crop):
    probav.ingest(str(url), crop("20150101", numbers(1)))
    archive = probav.open_archive(url)
    assert probav.ingest(archive, crop("20150111", numbers(2), folder="b")).taken == 1
    assert probav.ingest(url.as_uri(), Path(crop("20150121", numbers(3), folder="c")).parent).taken == 1
    assert len(probav.open_archive(url.as_uri())[S10].times) == 3
    assert len(archive[S10].times) == 1  # an open archive stays at its snapshot


@pytest.mark.parametrize("ending", ["cut", "gone"])
def test_a_source_that_changes_while_it_is_read_is_rejected_and_the_others_go_in(url, crop, ending):
    days = ["20150101", "20150111", "20150121", "20150201"]
    arrays = {day: numbers(int(day)) for day in days}
    files = [crop(day, array) for day, array in arrays.items()]
    probav.ingest(url, files[0])
    victim = files[2].read_bytes()

    def spoil(done, total, read):
        if done == 1:  # the headers are read, the first file turned out to be there already
            files[2].unlink()
            if ending == "cut":
                files[2].write_bytes(victim[: len(victim) // 2])

    report = probav.ingest(url, files, progress=spoil)
    assert (report.taken, report.unchanged) == (2, 1)
    assert [item.path for item in report.rejected] == [files[2]]
    assert str(files[2]) in report.rejected[0].reason
    dates = probav.open_archive(url)[S10].load(keep_dn=True).NDVI
    np.testing.assert_array_equal(dates.values, [arrays[day] for day in days if day != "20150121"])
    files[2].write_bytes(victim)
    assert probav.ingest(url, files).taken == 1
    dates = probav.open_archive(url)[S10].load(keep_dn=True).NDVI
    np.testing.assert_array_equal(dates.values, list(arrays.values()))
