"""A real STAC API server with the real Sentinel-2 cube of the nrt wheel, as COGs."""

import datetime
import importlib.util
import json
import socket
import subprocess
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import netCDF4
import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds, transform_geom

SCALE, OFFSET = 0.0001, 0.01  # made up, so that it can't be right by chance
CLASSES = {
    2: "dark area", 3: "cloud shadow", 4: "vegetation", 5: "not vegetated", 6: "water", 8: "cloud medium",
    9: "cloud high", 10: "thin cirrus", 11: "snow",
}  # fmt: skip
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
]


@dataclass
class Cube:
    """The cube: `dn[band]` (time, y, x) as in the wheel, its days, its transform, and the server's URL."""

    dn: dict
    days: np.ndarray
    transform: Affine
    folder: Path
    url: str = ""
    crs: str = "EPSG:3035"

    @property
    def bounds(self):
        """West, south, east, north in degrees, a little within the cube."""
        height, width = self.dn["B4"].shape[1:]
        west, south, east, north = rasterio.transform.array_bounds(height, width, self.transform)
        return transform_bounds(self.crs, "EPSG:4326", west + 60, south + 60, east - 60, north - 60)


def write_cog(path, array, transform, crs="EPSG:3035", nodata=0):
    with rasterio.open(
        path, "w", driver="GTiff", dtype=array.dtype, count=1, height=array.shape[0], width=array.shape[1],
        crs=crs, transform=transform, nodata=nodata, tiled=True, blockxsize=64, blockysize=64,
        compress="deflate",
    ) as dataset:  # fmt: skip
        dataset.write(array, 1)


def make_item(name, when, files, transform, shape, crs="EPSG:3035", v2=False, **changes):
    """Return an item dict; `files[key] = (path, what the raster extension says of it)`."""
    height, width = shape
    bounds = rasterio.transform.array_bounds(height, width, transform)
    west, south, east, north = bounds
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    geometry = transform_geom(crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
    item = pystac.Item(
        id=name, geometry=geometry, bbox=list(transform_bounds(crs, "EPSG:4326", *bounds)),
        datetime=datetime.datetime.fromisoformat(when).replace(tzinfo=datetime.UTC),
        properties={"proj:code": crs, **changes},
    )  # fmt: skip
    item.stac_extensions = list(EXTENSIONS)
    for key, (path, raster) in files.items():
        if v2:
            own = {f"raster:{k}" if k in ("scale", "offset") else k: v for k, v in raster.items()}
            fields = {"bands": [{"name": key, **own}]}
        else:
            fields = {"raster:bands": [raster]}
        fields |= {"proj:shape": [height, width], "proj:transform": list(transform)[:6]}
        item.add_asset(
            key, pystac.Asset(str(path), media_type=pystac.MediaType.COG, roles=["data"], extra_fields=fields)
        )
    item.collection_id = "sentinel-2"
    return item.to_dict(include_self_link=False, transform_hrefs=False)


COLLECTION = {
    "type": "Collection", "stac_version": "1.1.0", "id": "sentinel-2", "title": "Sentinel-2, Romania",
    "description": "The subset of the nrt package", "license": "CC-BY-SA-3.0", "links": [],
    "extent": {
        "spatial": {"bbox": [[20, 40, 30, 50]]},
        "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]},
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def make():
    """The writers, for tests that make catalogues of their own."""

    class Make:
        cog = staticmethod(write_cog)
        item = staticmethod(make_item)
        collection = COLLECTION
        serve = staticmethod(serve)

        @staticmethod
        def catalogue(folder, items):
            """Write a static catalogue of items and return its path."""
            catalogue = pystac.Catalog("test", "made by a test")
            collection = pystac.Collection.from_dict(COLLECTION)
            catalogue.add_child(collection)
            collection.add_items([pystac.Item.from_dict(item) for item in items])
            catalogue.normalize_and_save(str(folder), pystac.CatalogType.SELF_CONTAINED)
            return folder / "catalog.json"

    return Make


@pytest.fixture(scope="session")
def cube(tmp_path_factory):
    """The first 40 dates of the 10 m cube as COGs with scale, offset and no-data value, and their items."""
    found = importlib.util.find_spec("nrt.data")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the real Sentinel-2 cube needs nrt==0.2.0")
    source = Path(found.submodule_search_locations[0]) / "sentinel2_cube_subset_romania_10m.nc"
    with netCDF4.Dataset(source) as file:
        file.set_auto_maskandscale(False)
        days = np.datetime64(file["time"].units.split(" ")[2]) + file["time"][:40].astype("timedelta64[D]")
        bands = ("B2", "B3", "B4", "B8", "SCL")
        dn = {band: file[band][:40] for band in bands}
        x, y = file["x"][:], file["y"][:]
    transform = Affine(10, 0, x[0] - 5, 0, -10, y[0] + 5)
    folder = tmp_path_factory.mktemp("sentinel2")
    made = Cube(dn, days, transform, folder)
    items = []
    for index, day in enumerate(days):
        files = {}
        for band in bands:
            array = dn[band][index]
            raster = {"data_type": "uint16", "nodata": 0, "scale": SCALE, "offset": OFFSET, "unit": "1"}
            if band == "SCL":
                array = array.astype("uint8")
                raster = {"data_type": "uint8", "nodata": 0, "classification:classes": [
                    {"value": code, "name": name.replace(" ", "_"), "description": name}
                    for code, name in CLASSES.items()
                ]}  # fmt: skip
            path = folder / f"{day}_{band}.tif"
            write_cog(path, array, transform)
            files[band] = (path.as_uri(), raster)
        items.append(
            make_item(f"S2_{day}", f"{day}T09:30:00", files, transform, (100, 100), v2=index % 2 == 1)
        )
    (folder / "collection.json").write_text(json.dumps(COLLECTION))
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return made


def serve(folder, *files):
    """Start a STAC API server on items and collections; return the process and its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sysconfig.get_path("scripts")) / "rustac"
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(
        [program, "serve", "--addr", f"127.0.0.1:{port}", *files], cwd=folder, stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"{url}/collections", timeout=5) as answer:
                if json.load(answer)["collections"]:
                    return process, url
        except OSError:
            pass
        assert process.poll() is None, (folder / "server.log").read_text()
        assert time.monotonic() < deadline, (folder / "server.log").read_text()
        time.sleep(0.05)


@pytest.fixture(scope="session")
def server(cube):
    """The cube behind a real STAC API."""
    process, cube.url = serve(cube.folder, "collection.json", "items.json")
    yield cube
    process.terminate()
    process.wait(10)
