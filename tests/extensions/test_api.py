"""What a real notebook server tells the panel, and to whom; what the panel's cells are made of."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import requests
import shapely

import probav
from probav_extensions import holdings
from probav_extensions.thumbnail import thumbnail

S10, COVER = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3"
BASE = "/user/ann/"


@dataclass
class Server:
    """A running notebook server whose archive is a link that tests set."""

    url: str
    token: str
    archive: Path

    def get(self, path: str, token: str | None = "") -> requests.Response:
        """GET a path below the prefix as the server's user, with another token, or with none."""
        headers = {"Authorization": f"token {token or self.token}"} if token is not None else {}
        return requests.get(f"{self.url}/{path}", headers=headers, timeout=60, allow_redirects=False)

    def json(self, path: str):
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        assert len(answer.content) < 300_000
        return answer.json()


@pytest.fixture(scope="module")
def started(tmp_path_factory, run_jupyter):
    folder = tmp_path_factory.mktemp("server")
    extensions = "{'probav_extensions.server': True, 'probav_kernels.sessions': True}"
    with run_jupyter(
        folder, "jupyter_server", f"--ServerApp.jpserver_extensions={extensions}", base=BASE,
        environment={**os.environ, "PROBAV_ARCHIVE": str(folder / "archive")},
    ) as running:  # fmt: skip
        yield Server(running.url, running.token, folder / "archive")


@pytest.fixture
def server(started, demo_archive):
    started.archive.symlink_to(demo_archive)
    yield started
    started.archive.unlink()


@pytest.fixture
def archive(demo_archive):
    return probav.open_archive(demo_archive)


def test_without_an_archive_the_server_says_what_to_do(started):
    found = started.json("probav/api/archive")
    assert found["archive"] is None
    assert "probav archive create-demo" in found["message"]
    answer = started.get("probav/api/products")
    assert answer.status_code == 502
    assert answer.json()["message"] == found["message"]


def test_the_archive_and_what_else_the_server_has(server, archive):
    found = server.json("probav/api/archive")
    assert found["archive"]["snapshot"] == archive.snapshot
    assert found["archive"]["count"] == len(archive)
    assert found["spark"] is True
    assert server.json("probav/spark") == {"sessions": []}


def test_the_products_are_those_of_the_engine(server, archive):
    found = server.json("probav/api/products")
    assert found["snapshot"] == archive.snapshot
    shown = pd.DataFrame(found["products"]).set_index("id")
    expected = archive.products
    assert list(shown.index) == list(expected.index)
    for name in ("first", "last"):
        assert list(shown[name]) == list(expected[name].dt.strftime("%Y-%m-%d"))
    for name in ("dates", "tiles", "size", "title"):
        assert list(shown[name]) == list(expected[name])
    assert [", ".join(names) for names in shown["variables"]] == list(expected["variables"])


def test_a_product_in_full(server, archive):
    found = server.json(f"probav/api/products/{S10.lower()}")
    product = archive[S10]
    assert found["id"] == S10
    assert found["bounds"] == pytest.approx(product.extent.bounds, abs=1e-5)
    assert found["resolution"] == "331 m (1/336°)"
    assert [layer["name"] for layer in found["variables"]] == list(product.variables)
    assert [layer["name"] for layer in found["variables"] if layer["main"]] == ["NDVI"]
    assert {mask["name"] for mask in found["masks"]} == set(product.definition.masks)
    assert found["strata"] == ["landcover"]
    cover = server.json(f"probav/api/products/{COVER}")
    assert cover["variables"][0]["classes"]["40"] == archive[COVER].variables["LC"].flags[40]


def test_a_product_that_is_not_there_gets_near_names(server):
    answer = server.get("probav/api/products/PROBAV_L3_S10_TOC_333")
    assert answer.status_code == 404
    assert S10 in answer.json()["message"]


@pytest.mark.parametrize(
    "path", ["api/archive", "api/products", f"api/products/{S10}", "api/memory", "spark"]
)
def test_nobody_else_is_told(server, path):
    for token in (None, "f" * 32):
        answer = server.get(f"probav/{path}", token=token)
        assert answer.status_code in (302, 403)
        assert S10 not in answer.text


def test_memory_is_the_machines_or_less(server):
    found = server.json("probav/api/memory")
    assert 0 < found["available"] <= found["total"]


def test_the_area_of_a_cell_lies_in_what_is_held(archive):
    for product in archive:
        text = holdings.product_of(archive.url, archive.snapshot, product.id)["area"]
        box = shapely.box(*map(float, text.split(",")))
        assert product.footprint().union_all().covers(box), product.id
        assert box.area > 0


def test_masks_in_cells_are_the_products_own(archive):
    assert '--mask "clear & land"' in holdings.cells(archive[S10])["stats"]
    assert "--mask" not in holdings.cells(archive["CHIRPS_V2_DEKAD"])["stats"]
    assert "--time" not in holdings.cells(archive[COVER])["load"]


@pytest.mark.parametrize("count", [1, 3, 900])
def test_a_footprint_stays_small_and_within_its_picture(count):
    boxes = [shapely.box(x := n % 36 * 10 - 180, y := n // 36 * 5 - 60, x + 10, y + 5) for n in range(count)]
    tiles = gpd.GeoDataFrame({
        "tile": [f"T{n}" for n in range(count)], "first": pd.Timestamp("2015-01-01"),
        "last": pd.Timestamp("2016-01-01"), "dates": [n % 36 + 1 for n in range(count)],
    }, geometry=boxes, crs="EPSG:4326")  # fmt: skip
    found = thumbnail(tiles)
    assert len(json.dumps(found)) < 150_000
    paths = " ".join([tile["path"] for tile in found["tiles"]])
    points = [tuple(map(float, pair.strip("MZ").split(","))) for pair in paths.replace("ZM", " ").split()]
    assert all(0 <= x <= found["width"] and 0 <= y <= found["height"] for x, y in points)
    assert max(tile["share"] for tile in found["tiles"]) == 1
    if count <= 400:
        assert len(found["tiles"]) == count
        assert found["tiles"][0]["words"].startswith("T0: 1 date, 2015-01-01")
    else:
        assert "tiles of" in found["tiles"][0]["words"]
