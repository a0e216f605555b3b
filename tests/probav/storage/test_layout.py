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
from probav.grid import Grid
from probav.products import get_product
from probav.products.custom import DefinitionError, from_dict

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


def test_no_variable_of_ones_own_may_take_the_name_of_what_a_product_has_besides(world):
    product = world.archive[S10]
    beside = {name for name, _ in product.group.members()} - set(product.variables)
    assert {"time", "source_rank", "content_digest"} <= beside
    for name in beside | {"originals"}:  # that of registered products
        with pytest.raises(DefinitionError, match="means something else already"):
            from_dict({
                "id": "OWN", "title": "own", "cadence": "day", "citation": "me", "licence": "mine",
                "variables": {name: {"dtype": "uint8", "long_name": "own"}},
            })  # fmt: skip


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
