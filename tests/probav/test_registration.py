import json
import os
import shutil
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import probav
from probav import storage
from probav.cli import main
from probav.errors import ArchiveError, SourceError
from probav.registration import register

NDVI300 = "CGLS_NDVI300_V1"
S10 = "PROBAV_L3_S10_TOC_333M"
COG = "PROBAV_L3_S10_TOC_333M_C2"
DEKADS = ("20150101", "20150111", "20150121", "20150201")
HEIGHT, WIDTH = 200, 220
STORED = {"zlib": True, "shuffle": True, "chunksizes": (128, 128)}
REAL = Path(__file__).parents[3] / "shared" / "real"


def numbers(seed, shape=(HEIGHT, WIDTH), dtype="uint8", high=256):
    """Return random stored numbers that still compress."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, high, (shape[0] // 8 + 1, shape[1] // 8 + 1))
    return (np.kron(coarse, np.ones((8, 8), int))[: shape[0], : shape[1]]).astype(dtype)


def write_netcdf(path, layers, west=2.0 + 20 / 336, north=50 - 200 / 336, n=336, **options):
    """Write Copernicus netCDF-4 with the scale attributes of the product manuals, and pixel centres."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = next(iter(layers.values())).shape
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("lat", height)
        file.createDimension("lon", width)
        file.createVariable("lon", "f8", ("lon",))[:] = west + np.arange(width) / n
        file.createVariable("lat", "f8", ("lat",))[:] = north - np.arange(height) / n
        for name, array in layers.items():
            made = file.createVariable(name, array.dtype, ("lat", "lon"), fill_value=255, **options)
            made.set_auto_maskandscale(False)
            if name in ("NDVI", "FAPAR"):
                made.scale_factor = np.float32(1 / 250)
                made.add_offset = np.float32(-0.08 if name == "NDVI" else 0)
            made[:] = array
    return path


def ndvi_name(date, version="V1.0.1"):
    return f"c_gls_NDVI300_{date}0000_CUST_PROBAV_{version}.nc"


@pytest.fixture
def crop(tmp_path):
    """Four dekads of NDVI of a crop, in chunks of 128 x 128 with shuffle and deflate."""
    folder = tmp_path / "originals"
    for seed, date in enumerate(DEKADS):
        write_netcdf(folder / ndvi_name(date), {"NDVI": numbers(seed)}, **STORED)
    return folder


@pytest.fixture(scope="session")
def real():
    """Folder of real sample data beside the checkout; skips where it is absent."""
    if not REAL.is_dir():
        pytest.skip(f"the real sample data are not at {REAL}")
    return REAL


def size_of(folder):
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def assert_same(one, other, product, variables, mask=None):
    """Every pixel and every statistic of two archives agree to the last bit."""
    for name in variables:
        first, second = (
            probav.open_archive(url)[product].load(variable=name, keep_dn=True)[name] for url in (one, other)
        )
        # centres counted from where another array begins differ in their last bits
        xr.testing.assert_allclose(first.coords.to_dataset(), second.coords.to_dataset(), rtol=0, atol=1e-12)
        xr.testing.assert_identical(first, second.assign_coords(first.coords))
    area = probav.open_archive(one)[product].extent.bounds
    inner = (
        area[0] + (area[2] - area[0]) / 5, area[1] + (area[3] - area[1]) / 5,
        area[2] - (area[2] - area[0]) / 5, area[3] - (area[3] - area[1]) / 5,
    )  # fmt: skip
    # windows of one lattice, but where the arrays begin elsewhere covered fractions differ in the last bits
    same_grid = len({probav.open_archive(url)[product].grid for url in (one, other)}) == 1
    for coverage in ("centre", "fraction"):
        first, second = (
            probav.open_archive(url)[product]
            .statistics(inner, mask=mask, coverage=coverage)
            .drop_vars("geometry")
            for url in (one, other)
        )
        if same_grid or coverage == "centre":
            xr.testing.assert_equal(first, second)
        else:
            xr.testing.assert_allclose(first, second, rtol=1e-9)
    assert first["valid"].values.min() > 0
    return first


def test_the_same_as_taken_in_and_hardly_any_bytes(crop, tmp_path):
    taken, registered = str(tmp_path / "taken"), str(tmp_path / "registered")
    probav.ingest(taken, crop)
    report = register(registered, crop)
    assert (report.taken, report.unchanged, len(report.rejected)) == (4, 0, 0)
    assert report.bytes == size_of(crop)
    result = assert_same(taken, registered, NDVI300, ["NDVI"], mask="clear")
    dn = np.stack([numbers(seed) for seed in range(4)])
    stored = probav.open_archive(registered)[NDVI300]
    np.testing.assert_array_equal(stored.load(keep_dn=True)["NDVI"].values, dn)
    assert result["count"].values.min() > 0
    assert stored.array("NDVI").chunks == (1, 128, 128)
    assert [str(day) for day in stored.times] == ["2015-01-01", "2015-01-11", "2015-01-21", "2015-02-01"]
    assert size_of(registered) < 200_000  # the product's grid and metadata, no pixel


def test_again_does_nothing_and_a_later_version_replaces(crop, tmp_path):
    url = str(tmp_path / "archive")
    register(url, crop)
    before = probav.open_archive(url).snapshot
    again = register(url, crop)
    assert (again.taken, again.unchanged) == (0, 4)
    assert probav.open_archive(url).snapshot == before
    later = write_netcdf(crop / ndvi_name(DEKADS[1], "V1.0.2"), {"NDVI": numbers(9)}, **STORED)
    report = register(url, crop)
    assert (report.taken, report.unchanged, report.superseded) == (1, 4, 0)
    report = register(url, crop)
    assert (report.taken, report.unchanged, report.superseded) == (0, 4, 1)
    found = probav.open_archive(url)[NDVI300].load(keep_dn=True, time="2015-01-11")["NDVI"]
    np.testing.assert_array_equal(found.values[0], numbers(9))
    later.unlink()  # the earlier version is not read instead
    with pytest.raises(ArchiveError, match=r"V1.0.2.*can't be read any more"):
        probav.open_archive(url)[NDVI300].load(time="2015-01-11")["NDVI"].load()
    old = probav.open_archive(url, snapshot=before)[NDVI300].load(keep_dn=True, time="2015-01-11")["NDVI"]
    np.testing.assert_array_equal(old.values[0], numbers(1))


def change_content(path):
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\0")


def same_size_older(path):
    """Put another file of the same size and an earlier time in its place, as a restored backup would be."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(0, 10**9))


def same_second(path):
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))


@pytest.mark.parametrize("change", [change_content, same_size_older, same_second])
def test_a_changed_original_is_an_error_wherever_it_is_read(crop, tmp_path, change):
    url = str(tmp_path / "archive")
    register(url, crop)
    product = probav.open_archive(url)[NDVI300]
    changed = crop / ndvi_name(DEKADS[2])
    change(changed)
    with pytest.raises(ArchiveError, match=rf"{changed.name} changed since .*register it again"):
        product.load()["NDVI"].load()
    with pytest.raises(ArchiveError, match=changed.name):
        product.statistics(product.extent.bounds)
    assert product.statistics(product.extent.bounds, "2015-01-11")["valid"].values.min() > 0  # the others


def test_registered_again_after_a_change(crop, tmp_path):
    url = str(tmp_path / "archive")
    register(url, crop)
    write_netcdf(crop / ndvi_name(DEKADS[2]), {"NDVI": numbers(7)}, **STORED)
    report = register(url, crop)
    assert (report.taken, report.unchanged) == (1, 3)
    found = probav.open_archive(url)[NDVI300].load(keep_dn=True, time="2015-01-21")["NDVI"]
    np.testing.assert_array_equal(found.values[0], numbers(7))


def test_moved_originals(crop, tmp_path):
    url = str(tmp_path / "archive")
    register(url, crop)
    moved = crop.rename(tmp_path / "elsewhere")
    product = probav.open_archive(url)[NDVI300]
    with pytest.raises(ArchiveError, match=r"can't be read any more \(No such file.*CGLS_NDVI300_V1"):
        product.statistics(product.extent.bounds)
    assert register(url, moved).taken == 4
    product = probav.open_archive(url)[NDVI300]
    np.testing.assert_array_equal(
        product.load(keep_dn=True)["NDVI"].values, np.stack([numbers(seed) for seed in range(4)])
    )


def write_hdf5(path, layers, row=0, column=0, size=(336, 336), **options):
    """Write a PROBA-V Level 3 file: part of tile X18Y02, which begins at 0 E, 55 N."""
    path.parent.mkdir(parents=True, exist_ok=True)
    west, north = column / 336, 55 - row / 336
    members = {"NDVI": "NDVI/NDVI", "SM": "QUALITY/SM", "RED": "RADIOMETRY/RED/TOC"}
    with h5py.File(path, "w") as file:
        level3 = file.create_group("LEVEL3")
        geometry = level3.create_group("GEOMETRY")
        geometry.attrs["TOP_LEFT_LONGITUDE"], geometry.attrs["TOP_LEFT_LATITUDE"] = west, north
        geometry.attrs["BOTTOM_RIGHT_LONGITUDE"] = west + (size[1] - 1) / 336
        geometry.attrs["BOTTOM_RIGHT_LATITUDE"] = north - (size[0] - 1) / 336
        for name, array in layers.items():
            made = level3.create_dataset(members[name], data=array, **options)
            if name == "NDVI":
                made.attrs["SCALE"], made.attrs["OFFSET"], made.attrs["NO_DATA"] = 250.0, 20.0, 255
            elif name == "RED":
                made.attrs["SCALE"], made.attrs["OFFSET"], made.attrs["NO_DATA"] = 2000.0, 0.0, -1
    return path


def s10_name(date, tile="X18Y02", suffix="HDF5"):
    return f"PROBAV_S10_TOC_{tile}_{date}_333M_V101.{suffix}"


def layers_of(seed, size=(336, 336)):
    return {
        "NDVI": numbers(seed, size),
        "SM": numbers(seed + 50, size),
        "RED": numbers(seed + 90, size, ">i2" if seed % 2 else "<i2", 3000),
    }


def test_hdf5_with_gzip_chunks_and_masks(tmp_path):
    folder = tmp_path / "files"
    for seed, date in ((2, DEKADS[0]), (4, DEKADS[1])):
        write_hdf5(
            folder / s10_name(date), layers_of(seed), chunks=(168, 112), compression="gzip", shuffle=True
        )
    taken, registered = str(tmp_path / "taken"), str(tmp_path / "registered")
    probav.ingest(taken, folder)
    assert register(registered, folder).taken == 2
    assert_same(taken, registered, S10, ["NDVI", "SM", "RED"], mask="clear & land & red < 1.2")
    assert probav.open_archive(registered)[S10].grid.width == 36 * 3360  # chunks fit the product's own grid


def test_tiles_side_by_side_on_the_products_grid(tmp_path):
    folder = tmp_path / "files"
    size = (168, 336)
    places = {(0, 0): 1, (0, 336): 2, (168, 0): 3}
    for (row, column), seed in places.items():
        write_hdf5(
            folder / f"{row}-{column}" / s10_name(DEKADS[0]), {"NDVI": numbers(seed, size)}, row, column,
            size, chunks=(168, 112), compression="gzip",
        )  # fmt: skip
    taken, registered = str(tmp_path / "taken"), str(tmp_path / "registered")
    probav.ingest(taken, folder)
    assert register(registered, folder).taken == 3
    assert_same(taken, registered, S10, ["NDVI"])
    assert len(probav.open_archive(registered)[S10].footprint()) == 3


def test_a_second_window_that_no_chunk_edge_meets_is_refused(tmp_path):
    folder = tmp_path / "files"
    write_hdf5(
        folder / s10_name(DEKADS[0]), {"NDVI": numbers(1)[:200, :200]}, 0, 0, (200, 200), chunks=(128, 128)
    )
    url = str(tmp_path / "archive")
    assert register(url, folder).taken == 1
    write_hdf5(
        folder / "b" / s10_name(DEKADS[0]),
        {"NDVI": numbers(1)[:200, :200]},
        0,
        200,
        (200, 200),
        chunks=(128, 128),
    )
    report = register(url, folder)
    assert (report.taken, report.unchanged) == (0, 1)
    assert "has no place for it" in report.rejected[0].reason
    assert "archive ingest" in report.rejected[0].reason


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"compression": "szip", "chunks": (1, 336)},
            r"SZIP in chunks of 1 x 336, which no Zarr codec reads",
        ),
        ({"compression": "gzip", "chunks": (1, 336)}, r"chunks of 1 x 336 pixels, too small"),
        ({"compression": "lzf", "chunks": (168, 168)}, r"lzf in chunks of 168 x 168, which no Zarr codec"),
        ({"compression": "gzip", "chunks": (168, 168), "fletcher32": True}, r"fletcher32"),
    ],
)
def test_hdf5_that_cannot_be_referred_to(tmp_path, options, words):
    path = write_hdf5(tmp_path / s10_name(DEKADS[0]), {"NDVI": numbers(1, (336, 336))}, **options)
    url = str(tmp_path / "archive")
    with pytest.raises(SourceError, match=words + r".*archive ingest"):
        register(url, path)
    assert not Path(url).exists()  # nothing half made
    probav.ingest(url, path)
    assert len(probav.open_archive(url)[S10].times) == 1


def write_cog(path, array, driver="COG", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    west, north = 20 / 336, 55 - 30 / 336
    transform = Affine(1 / 336, 0, west - 0.5 / 336, 0, -1 / 336, north + 0.5 / 336)
    with rasterio.open(
        path, "w", driver=driver, dtype=array.dtype, count=1, height=array.shape[0], width=array.shape[1],
        crs="EPSG:4326", transform=transform, nodata=255, **options,
    ) as file:  # fmt: skip
        file.write(array, 1)
    return path


def cog_name(date, layer):
    return f"PROBAV_S10_TOC_X18Y02_{date}_333M_{layer}_V201.TIFF"


def test_cogs_with_overviews_one_file_a_band(tmp_path):
    folder = tmp_path / "cogs"
    shape = (700, 600)
    for seed, date in enumerate(DEKADS[:2]):
        write_cog(folder / cog_name(date, "NDVI"), numbers(seed, shape), compress="deflate", blocksize=256)
        write_cog(
            folder / cog_name(date, "SM"),
            numbers(seed + 9, shape, high=255),
            compress="deflate",
            blocksize=128,
        )
    with rasterio.open(folder / cog_name(DEKADS[0], "NDVI")) as file:
        assert file.overviews(1)
    taken, registered = str(tmp_path / "taken"), str(tmp_path / "registered")
    probav.ingest(taken, folder)
    assert register(registered, folder).taken == 2
    # the status map has other chunks than the NDVI that it masks
    assert_same(taken, registered, COG, ["NDVI", "SM"], mask="clear & land")
    with rasterio.open(folder / cog_name(DEKADS[1], "NDVI")) as file:
        expected = file.read(1)
    found = probav.open_archive(registered)[COG].load(keep_dn=True)["NDVI"].values
    np.testing.assert_array_equal(found[1], expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compress": "lzw", "tiled": True}, "LZW, which no Zarr codec reads"),
        ({"compress": "deflate", "predictor": 2, "tiled": True}, "DEFLATE and predictor 2"),
        ({"compress": "deflate", "blockysize": 8}, "chunks of 8 x 600 pixels, too small"),
        ({"compress": "deflate", "blockysize": 64}, "a last strip of fewer rows"),
        ({"compress": "deflate", "tiled": True, "nbits": 7}, "less than a byte"),
    ],
)
def test_geotiff_that_cannot_be_referred_to(tmp_path, options, words):
    array = np.minimum(numbers(1, (700, 600)), 127)
    path = write_cog(tmp_path / cog_name(DEKADS[0], "SM"), array, "GTiff", **options)
    with pytest.raises(SourceError, match=words):
        register(str(tmp_path / "archive"), path)


@pytest.mark.parametrize(
    "options",
    [{"blockysize": 140}, {"compress": "deflate", "tiled": True}, {"compress": "zstd", "tiled": True}],
)
def test_geotiff_strips_and_tiles(tmp_path, options):
    array = numbers(1, (700, 600))
    path = write_cog(tmp_path / cog_name(DEKADS[0], "NDVI"), array, "GTiff", **options)
    url = str(tmp_path / "archive")
    register(url, path)
    found = probav.open_archive(url)[COG].load(keep_dn=True)["NDVI"].values
    np.testing.assert_array_equal(found[0], array)


def test_several_variables_and_what_a_file_leaves_out(tmp_path):
    folder = tmp_path / "files"
    shape = (336, 336)
    first, second = layers_of(2), {"NDVI": numbers(5, shape)}
    write_hdf5(folder / s10_name(DEKADS[0]), first, chunks=(168, 168), compression="gzip")
    write_hdf5(folder / s10_name(DEKADS[1]), second, chunks=(168, 168), compression="gzip")
    url = str(tmp_path / "archive")
    register(url, folder)
    pixels = probav.open_archive(url)[S10].load(variable=["NDVI", "RED"], keep_dn=True)
    np.testing.assert_array_equal(pixels["RED"][0], first["RED"])
    assert (pixels["RED"][1] == -1).all()
    np.testing.assert_array_equal(pixels["NDVI"][1], second["NDVI"])


def test_another_encoding_of_one_product_is_refused(crop, tmp_path):
    write_netcdf(crop / ndvi_name("20150211"), {"NDVI": numbers(8)}, zlib=True, chunksizes=(140, 150))
    report = register(str(tmp_path / "archive"), crop)
    assert report.taken == 4
    assert "chunks 140 x 150" in report.rejected[0].reason
    assert "chunks 128 x 128" in report.rejected[0].reason


def test_one_product_is_either_taken_in_or_registered(crop, tmp_path):
    taken, registered = str(tmp_path / "taken"), str(tmp_path / "registered")
    probav.ingest(taken, crop)
    with pytest.raises(SourceError, match="holds CGLS_NDVI300_V1 itself, not by reference"):
        register(taken, crop)
    register(registered, crop)
    before = probav.open_archive(registered).snapshot
    write_netcdf(crop / ndvi_name("20150211"), {"NDVI": numbers(8)}, zlib=True)
    with pytest.raises(SourceError, match="registered"):
        probav.ingest(registered, crop)
    assert probav.open_archive(registered).snapshot == before


def test_only_registered_folders_are_read(crop, tmp_path):
    """An archive whose references point elsewhere reads nothing there."""
    import icechunk

    url = str(tmp_path / "archive")
    register(url, crop)
    secret = tmp_path / "private" / "secret"
    secret.parent.mkdir()
    secret.write_bytes(bytes(1000))
    session = icechunk.Repository.open(icechunk.local_filesystem_storage(url)).writable_session("main")
    session.store.set_virtual_ref(
        f"{NDVI300}/NDVI/c/0/0/0", secret.as_uri(), offset=0, length=1000, validate_container=False
    )
    session.commit("changed behind our back")
    product = probav.open_archive(url)[NDVI300]
    with pytest.raises(ArchiveError, match=r"Can't read .* for CGLS_NDVI300_V1/NDVI/c/0/0/0"):
        product.load(time="2015-01-01")["NDVI"].load()


def test_an_original_that_may_not_be_read(crop, tmp_path, ordinary_user):
    folder, rights = ordinary_user
    url = str(folder / "archive")
    register(url, shutil.copytree(crop, folder / "originals"))
    os.chmod(folder / "archive.lock", 0o666)
    (folder / "originals" / ndvi_name(DEKADS[0])).chmod(0)
    with rights():
        product = probav.open_archive(url)[NDVI300]
        with pytest.raises(ArchiveError, match=rf"Can't read .*{ndvi_name(DEKADS[0])}, for CGLS_NDVI300_V1"):
            product.load(time="2015-01-01")["NDVI"].load()


def test_folder_names(tmp_path):
    odd = tmp_path / "Ö folder"
    path = write_netcdf(odd / ndvi_name(DEKADS[0]), {"NDVI": numbers(1)}, zlib=True)
    with pytest.raises(SourceError, match="symbolic link"):
        register(str(tmp_path / "archive"), path)
    assert not (tmp_path / "archive").exists()
    link = tmp_path / "link"
    link.symlink_to(odd)
    register(str(tmp_path / "archive"), link)
    found = probav.open_archive(tmp_path / "archive")[NDVI300].load(keep_dn=True)["NDVI"].values[0]
    np.testing.assert_array_equal(found, numbers(1))


def test_a_file_alone_and_a_name_that_does_not_say_it(tmp_path, crop):
    path = shutil.copy(crop / ndvi_name(DEKADS[0]), tmp_path / "crop of mine.nc")
    report = register(str(tmp_path / "archive"), path, NDVI300, date="2015-01-01")
    assert report.taken == 1
    assert probav.open_archive(tmp_path / "archive")[NDVI300].extent.dates == 1


def test_plain_xarray_reads_it(crop, tmp_path):
    """Whoever has Icechunk and xarray needs no probav."""
    import icechunk

    url = str(tmp_path / "archive")
    register(url, crop)
    access = getattr(icechunk.credentials, "LocalFileSystemAccess", None)
    repository = icechunk.Repository.open(
        icechunk.local_filesystem_storage(url), authorize_virtual_chunk_access={f"file://{crop}/": access}
    )
    data = xr.open_zarr(repository.readonly_session("main").store, group=NDVI300, consolidated=False)
    expected = np.stack([numbers(seed) for seed in range(4)]).astype(float)
    expected[expected > 250] = np.nan
    found = data["NDVI"].where(data["NDVI"] <= 0.9201).values
    np.testing.assert_allclose(found, expected * 0.004 - 0.08, atol=1e-6)


def test_real_crop(tmp_path, real):
    registered = str(tmp_path / "registered")
    register(registered, real / "cgls" / "cgls_ndvi300.tif", NDVI300, date="2016-01-01")
    with rasterio.open(real / "cgls" / "cgls_ndvi300.tif") as file:
        expected = file.read(1)
    product = probav.open_archive(registered)[NDVI300]
    np.testing.assert_array_equal(product.load(keep_dn=True)["NDVI"].values[0], expected)
    assert storage.is_registered(product.group)


def test_bytes_that_rot_without_a_trace(crop, tmp_path):
    """Same size, same time, other bytes: what deflate notices is an error."""
    url = str(tmp_path / "archive")
    register(url, crop)
    path = crop / ndvi_name(DEKADS[0])
    before = path.stat()
    with h5py.File(path) as file:
        chunk = file["NDVI"].id.get_chunk_info(1)
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    product = probav.open_archive(url)[NDVI300]
    with pytest.raises(ArchiveError, match="NDVI of CGLS_NDVI300_V1: a chunk is damaged"):
        product.statistics(product.extent.bounds)
    (finding,) = probav.open_archive(url).verify().findings
    assert (finding.kind, str(finding.first)) == ("damaged", "2015-01-01")


def test_command_line(crop, tmp_path, capsys):
    url = str(tmp_path / "archive")
    assert main(["archive", "register", str(crop), "--archive", url]) == 0
    said = capsys.readouterr().out
    assert "4 registered" in said
    assert json.dumps(url)[1:-1] in said
    assert main(["archive", "register", str(tmp_path / "nothing"), "--archive", url]) == 2
