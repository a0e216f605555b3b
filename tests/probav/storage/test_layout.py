import os
import subprocess
import sys
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr
from pyproj import CRS

import probav
from probav import storage
from probav.errors import ArchiveError
from probav.grid import Grid
from probav.products import get_product
from probav.storage import lock

S10, COVER, RAIN, NDVI300 = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1"


@pytest.fixture(scope="module")
def store(world):
    """Give what anybody can read who has Icechunk and Zarr, but not probav."""
    where = icechunk.local_filesystem_storage(world.url)
    return icechunk.Repository.open(where).readonly_session("main").store


@pytest.fixture(scope="module")
def cube(world, store):
    """Open a product with xarray alone, at the window of its sources."""

    def open_it(product, **options):
        opened = xr.open_zarr(store, group=product, consolidated=False, chunks=None, **options)
        transform = world.transforms[product]
        _, height, width = next(iter(world.arrays[product].values())).shape
        left = int(np.abs(opened.x.values - (transform.c + transform.a / 2)).argmin())
        top = int(np.abs(opened.y.values - (transform.f + transform.e / 2)).argmin())
        return opened.isel(x=slice(left, left + width), y=slice(top, top + height))

    return open_it


@pytest.mark.parametrize(
    ("product", "variable"),
    [(S10, "NDVI"), (S10, "RED"), (S10, "SWIR"), (RAIN, "RAINFALL"), (NDVI300, "NDVI")],
)
def test_xarray_decodes_to_physical_values(world, cube, product, variable):
    decoded = cube(product)[variable]
    expected = world.physical(product, variable)
    # the codes 251 to 254 of CGLS are beyond CF's one fill value: valid_range and flag_values tell them
    codes = (world.arrays[product][variable] > 250) & (world.arrays[product][variable] < 255)
    known = np.where(codes & (variable == "NDVI"), np.nan, decoded.values)
    np.testing.assert_allclose(known, expected, rtol=1e-6, atol=1e-6)
    assert decoded.attrs["units"] == ("mm" if variable == "RAINFALL" else "1")


def test_flags_and_classes_stay_numbers_with_their_meanings(world, cube):
    raw = {"mask_and_scale": False}
    status, cover, ndvi = cube(S10, **raw).SM, cube(COVER, **raw).LC, cube(NDVI300, **raw).NDVI
    for name in ("scale_factor", "add_offset", "_FillValue"):
        assert name not in status.attrs
    assert "scale_factor" not in cover.attrs
    meanings = dict(zip(cover.attrs["flag_values"], cover.attrs["flag_meanings"].split(), strict=True))
    assert (meanings[40], meanings[200], meanings[30]) == ("cropland", "ocean", "herbaceous_vegetation")
    meanings = dict(zip(ndvi.attrs["flag_values"], ndvi.attrs["flag_meanings"].split(), strict=True))
    assert meanings[252] == "cloud_or_shadow"
    assert list(ndvi.attrs["valid_range"]) == [0, 250]
    assert cover.attrs["_FillValue"] == 255


@pytest.mark.parametrize("product", [S10, COVER, RAIN])
def test_coordinates_follow_cf_and_gdal(store, product):
    opened = xr.open_zarr(store, group=product, consolidated=False, chunks=None, decode_coords="all")
    assert opened.attrs["Conventions"] == "CF-1.8"
    assert opened.attrs["license"]
    assert "spatial_ref" in opened.coords  # named by grid_mapping
    assert opened.x.attrs == {"standard_name": "longitude", "units": "degrees_east"}
    assert opened.y.attrs == {"standard_name": "latitude", "units": "degrees_north"}
    assert opened.time.attrs["standard_name"] == "time"
    assert CRS.from_cf(opened.spatial_ref.attrs) == CRS("EPSG:4326")
    x0, dx, rx, y0, ry, dy = map(float, opened.spatial_ref.attrs["GeoTransform"].split())
    assert (rx, ry) == (0, 0)
    np.testing.assert_allclose(opened.x, x0 + dx * (np.arange(opened.sizes["x"]) + 0.5), atol=1e-9)
    np.testing.assert_allclose(opened.y, y0 + dy * (np.arange(opened.sizes["y"]) + 0.5), atol=1e-9)


def test_layout_is_that_of_the_design(world):
    for product, variable in ((S10, "NDVI"), (S10, "RED"), (COVER, "LC")):
        array = world.archive[product].array(variable)
        assert array.metadata.zarr_format == 3
        assert array.chunks == (12, 280, 280)
        assert array.dtype == world.arrays[product][variable].dtype
        (codec,) = array.compressors
        assert codec.to_dict() == {"name": "zstd", "configuration": {"level": 1, "checksum": True}}


def test_an_archive_is_of_the_format_both_pythons_read(world):
    """Icechunk files carry magic bytes, 24 bytes of writer, then the format's version."""
    written = [path for folder in ("snapshots", "manifests") for path in Path(world.url, folder).iterdir()]
    assert len(written) > 10
    magic = "ICE🧊CHUNK".encode()
    for path in written:
        content = path.read_bytes()
        assert content.startswith(magic)
        assert content[len(magic) + 24] == 1


def test_another_process_opens_it(world):
    program = "import sys, probav; print(*probav.open_archive(sys.argv[1]).ids)"
    shown = subprocess.run(
        [sys.executable, "-c", program, world.url], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.split() == sorted(world.arrays)
    assert shown.stderr == ""


def test_a_projected_product_has_metres(tmp_path):
    url = tmp_path / "metric"
    storage.create(str(url))
    grid = Grid(4_000_050.0, 3_000_050.0, 1 / 100, 1 / 100, 40, 30, "EPSG:3035")
    with storage.writing(str(url), "metric", {}) as root:
        definition = get_product(S10)
        group = storage.create_group(root, definition, grid)
        storage.create_variable(group, definition.variable("NDVI"), grid)
    product = probav.open_archive(url)[S10]
    assert product.grid == grid
    assert dict(product.group["x"].attrs) == {"standard_name": "projection_x_coordinate", "units": "m"}
    assert dict(product.group["y"].attrs) == {"standard_name": "projection_y_coordinate", "units": "m"}
    assert CRS.from_cf(dict(product.group["spatial_ref"].attrs)) == CRS("EPSG:3035")


# --- where an archive is --------------------------------------------------------------------------------


def test_the_default_is_the_environments_else_the_demo_of_this_user(monkeypatch, tmp_path):
    monkeypatch.setenv("PROBAV_ARCHIVE", "s3://bucket/archive")
    assert storage.default_url() == "s3://bucket/archive"
    monkeypatch.delenv("PROBAV_ARCHIVE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert storage.default_url() == str(storage.demo_path())
    assert storage.demo_path().parts[-2:] == ("probav", "demo-archive")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/data/archive", "/data/archive"),
        ("file:///data/archive", "/data/archive"),
        ("file:///data/my%20archive", "/data/my archive"),
        ("s3://bucket/archive", None),
        ("~/archive", str(Path.home() / "archive")),
        ("archive", str(Path.cwd() / "archive")),
    ],
)
def test_a_url_is_a_folder_or_an_object_store(url, path):
    found = storage.local_path(url)
    assert (None if found is None else str(found)) == path


# --- what goes wrong ------------------------------------------------------------------------------------


def test_what_is_no_archive_says_so(tmp_path):
    with pytest.raises(ArchiveError, match=r"There is no archive at .*none\. Create the demo archive"):
        probav.open_archive(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveError, match=r"There is no archive at .*file\."):
        probav.open_archive(tmp_path / "file")
    with pytest.raises(ArchiveError, match="is no probav archive, or can't be read: "):
        probav.open_archive(tmp_path)
    other = tmp_path / "other"
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(other)))
    with pytest.raises(ArchiveError, match="is an Icechunk repository, but no probav archive"):
        probav.open_archive(other)
    with pytest.raises(ArchiveError, match="there is something already"):
        storage.create(str(other))
    assert repository.list_branches() == {"main"}


def test_a_damaged_archive_is_an_archive_error(world, tmp_path):
    url = Path(world.copy(tmp_path))
    newest = url / "snapshots" / probav.open_archive(url).snapshot
    newest.write_bytes(newest.read_bytes()[:50])
    with pytest.raises(ArchiveError, match=str(url)):
        probav.open_archive(url)


def test_a_folder_that_may_not_be_written_is_an_archive_error(world, ordinary_user):
    folder, rights = ordinary_user
    url = world.copy(folder)
    for path in (Path(url), *Path(url).rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o555)
    with rights():
        archive = probav.open_archive(url)
        with pytest.raises(ArchiveError, match=r"Can't lock .*copy for writing: .*Permission denied"):
            archive.tag("mine")
        with pytest.raises(ArchiveError, match=r"Can't lock .*new for writing: .*Permission denied"):
            probav.create_archive(folder / "new")
    folder.chmod(0o777)  # the lock beside the archive can be had, but not the archive
    with rights():
        with pytest.raises(ArchiveError, match=f"Nothing was changed in {url}: "):
            with storage.writing(url, "message", {}) as root:
                root.attrs["title"] = "mine"
        assert probav.open_archive(url).snapshot == archive.snapshot
    for path in (folder, Path(url), *Path(url).rglob("*")):  # so that it can be taken away
        path.chmod(0o755)


def test_a_path_below_a_file_is_an_archive_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveError, match=r"Can't create an archive at .*file/archive"):
        storage.create(str(tmp_path / "file" / "archive"))


# --- changes are whole ----------------------------------------------------------------------------------


def test_a_change_that_fails_leaves_nothing(world, tmp_path):
    url = world.copy(tmp_path)
    before = probav.open_archive(url)

    def fail():
        with storage.writing(url, "half a change", {}) as root:
            storage.append_times(root[RAIN], np.array(["2020-01-01"], "datetime64[D]"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    after = probav.open_archive(url)
    assert after.snapshot == before.snapshot
    assert len(after[RAIN].times) == 14
    with storage.writing(url, "the lock is free again", {"by": "test"}) as root:
        root.attrs["note"] = 1
    assert probav.open_archive(url).history["message"][0] == "the lock is free again"


def test_a_change_of_nothing_makes_no_snapshot(world, tmp_path):
    url = world.copy(tmp_path)
    before = probav.open_archive(url).snapshot
    with storage.writing(url, "nothing", {}):
        pass
    assert probav.open_archive(url).snapshot == before


def test_writers_wait_for_each_other_and_say_so_when_it_takes_too_long(world, tmp_path, monkeypatch):
    url = world.copy(tmp_path)
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.2)
    with storage.writing(url, "first", {}):
        with pytest.raises(ArchiveError, match=r"Another process has been writing to .*copy for over 0\.2 s"):
            probav.open_archive(url).tag("second")


def test_creating_leaves_nothing_half_made(tmp_path):
    name = "x" * 250  # with the suffix of its lock it can be, with that of a folder beside it it can't
    with pytest.raises(ArchiveError, match=r"Can't create an archive at .*x: "):
        storage.create(str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_creating_again_is_an_error_unless_only_what_is_missing_is_wanted(tmp_path):
    url = str(tmp_path / "new")
    (tmp_path / "new").mkdir()  # an empty folder is in nobody's way
    assert storage.create(url)
    assert not storage.create(url, missing_only=True)
    with pytest.raises(ArchiveError, match="there is something already"):
        storage.create(url)
    assert os.listdir(tmp_path / "new") != []
