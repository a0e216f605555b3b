"""The catalogue of the small archive whose every pixel is known, read back by others than probav."""

import json
from pathlib import Path

import geopandas as gpd
import jsonschema
import numpy as np
import pystac
import pytest
import rasterio
import rustac

import probav
from probav.catalogue import Catalogue
from probav.catalogue.validate import StacError, validate
from probav.errors import ArchiveError, QueryError, UnknownProductError

S10, RAIN, NDVI300, COVER = "PROBAV_L3_S10_TOC_333M", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1", "CGLS_LC100_V3"


@pytest.fixture
def catalogue(world, tmp_path, monkeypatch):
    monkeypatch.setenv("PROBAV_CATALOGUE", str(tmp_path / "counts"))
    return Catalogue(world.archive)


def cloud_percent(world, product):
    """Cloud cover of each date as the manuals have it: bits 0-2 of the status map, or DN 252."""
    if product == S10:
        flagged = [(np.bitwise_and(status, 7) == 3, status != 2) for status in world.arrays[S10]["SM"]]
    else:
        flagged = [(ndvi == 252, ndvi != 255) for ndvi in world.arrays[NDVI300]["NDVI"]]
    return [100 * cloud.sum() / held.sum() for cloud, held in flagged]


# --- documents -----------------------------------------------------------------------------------------


def test_every_document_is_valid(catalogue):
    catalogue.count_clouds()
    for collection in catalogue.collections():
        validate(collection)
        for item in catalogue.items(collection["id"]):
            validate(item)


def test_an_item_says_where_when_and_how_its_pixels_are(catalogue, world):
    items = list(catalogue.items(S10))
    assert [item["properties"]["datetime"][:10] for item in items] == [str(day) for day in world.dates[S10]]
    item = items[5]  # 21 to 28 February
    properties, transform = item["properties"], world.transforms[S10]
    assert item["id"] == f"{S10}_X18Y02_20150221"
    assert (properties["start_datetime"], properties["end_datetime"]) == (
        "2015-02-21T00:00:00Z", "2015-02-28T23:59:59Z",
    )  # fmt: skip
    np.testing.assert_allclose(properties["proj:transform"], list(transform)[:6], atol=1e-9)
    height, width = world.arrays[S10]["NDVI"].shape[1:]
    assert properties["proj:shape"] == [height, width]
    np.testing.assert_allclose(
        item["bbox"], rasterio.transform.array_bounds(height, width, transform), atol=1e-9
    )
    assert item["assets"]["data"]["version"] == world.archive.snapshot
    bands = {band["name"]: band for band in item["assets"]["data"]["bands"]}
    assert (bands["NDVI"]["raster:scale"], bands["NDVI"]["raster:offset"]) == (0.004, -0.08)
    assert (bands["NDVI"]["nodata"], bands["NDVI"]["data_type"]) == (255, "uint8")
    assert (bands["NIR"]["eo:common_name"], bands["NIR"]["nodata"]) == ("nir", -1)
    assert "nodata" not in bands["SM"]
    assert "raster:scale" not in bands["SM"]


def test_items_share_nothing(catalogue):
    first, second = list(catalogue.items(S10))[:2]
    first["assets"]["data"]["bands"].clear()
    first["links"][0]["href"] = first["properties"]["proj:shape"][0] = first["bbox"][0] = None
    first["geometry"]["coordinates"].clear()
    validate(second)
    validate(list(catalogue.items(S10))[1])


def test_a_collection_says_the_extent_and_the_licence(catalogue, world):
    found = {collection["id"]: collection for collection in catalogue.collections()}
    assert set(found) == {S10, RAIN, NDVI300, COVER}
    assert found[COVER]["license"] == "CC-BY-4.0"
    assert found[COVER]["extent"]["temporal"]["interval"] == [
        ["2019-01-01T00:00:00Z", "2019-12-31T23:59:59Z"]
    ]
    height, width = world.arrays[COVER]["LC"].shape[1:]
    np.testing.assert_allclose(
        found[COVER]["extent"]["spatial"]["bbox"][0],
        rasterio.transform.array_bounds(height, width, world.transforms[COVER]),
        atol=1e-9,
    )


# --- search --------------------------------------------------------------------------------------------


def test_search_finds_products_in_a_box_and_a_period(catalogue, world):
    everything = catalogue.search()
    assert len(everything) == sum(map(len, world.dates.values()))
    found = catalogue.search(bbox=(2.1, 49, 2.2, 49.1), time="2015-02")
    in_february = {product: days.astype("datetime64[M]") for product, days in world.dates.items()}
    expected = {
        product: int((months == np.datetime64("2015-02")).sum()) for product, months in in_february.items()
    }
    assert found.groupby("product").size().to_dict() == {key: n for key, n in expected.items() if n}
    assert len(catalogue.search(bbox=(20, 0, 21, 1))) == 0
    assert set(catalogue.search(RAIN.lower(), limit=2)["product"]) == {RAIN}
    with pytest.raises(UnknownProductError, match="Did you mean"):
        catalogue.search("CHIRPS_DEKAD")


@pytest.mark.parametrize("product", [S10, NDVI300])
def test_cloud_cover_is_the_share_of_flagged_pixels(catalogue, world, product):
    with pytest.raises(QueryError, match="never counted"):
        catalogue.search(product, cloud_cover=50)
    catalogue.count_clouds(product)
    expected = cloud_percent(world, product)
    np.testing.assert_allclose(catalogue.search(product)["cloud_cover"], expected, rtol=1e-6)
    limit = float(np.median(expected))
    assert len(catalogue.search(product, cloud_cover=limit)) == sum(value <= limit for value in expected)


def test_products_without_clouds_are_left_out_or_named(catalogue):
    catalogue.count_clouds()
    assert set(catalogue.search(cloud_cover=100)["product"]) == {S10, NDVI300}
    for refused in (lambda: catalogue.search(RAIN, cloud_cover=5), lambda: catalogue.count_clouds(RAIN)):
        with pytest.raises(QueryError, match="no cloud mask"):
            refused()


def test_only_new_sources_are_counted(world, tmp_path, monkeypatch):
    monkeypatch.setenv("PROBAV_CATALOGUE", str(tmp_path / "counts"))
    steps = []

    def progress(done, total, read):
        steps.append((done, total))

    Catalogue(world.archive).count_clouds(progress=progress)
    assert max(done for done, _ in steps) == 14
    url = world.copy(tmp_path)
    probav.ingest(url, world.later)
    steps.clear()
    newer = Catalogue(probav.open_archive(url))
    with pytest.raises(QueryError, match="cloud cover of 2 of"):
        newer.search(cloud_cover=100)
    newer.count_clouds(progress=progress)
    assert steps == [(1, 1), (1, 1)]  # one date of each of two products
    status = world.later_arrays[S10]["SM"]
    assert newer.search(S10, time="2015-05-21")["cloud_cover"].item() == pytest.approx(
        100 * (np.bitwise_and(status, 7) == 3).sum() / (status != 2).sum()
    )


def test_damaged_counts_are_counted_again_and_a_bad_folder_is_named(catalogue, world, tmp_path, monkeypatch):
    catalogue.count_clouds(S10)
    (kept,) = (tmp_path / "counts").glob(f"clouds-{S10}-*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    again = Catalogue(world.archive)
    again.count_clouds(S10)
    np.testing.assert_allclose(again.search(S10)["cloud_cover"], cloud_percent(world, S10), rtol=1e-6)
    monkeypatch.setenv("PROBAV_CATALOGUE", str(kept))
    with pytest.raises(ArchiveError, match="PROBAV_CATALOGUE"):
        Catalogue(world.archive).count_clouds(S10)


# --- the static catalogue ------------------------------------------------------------------------------


def test_others_read_the_static_catalogue(catalogue, world, tmp_path):
    catalogue.count_clouds()
    written = pystac.Catalog.from_file(str(catalogue.write(tmp_path / "stac")))
    assert {child.id for child in written.get_children()} == {S10, RAIN, NDVI300, COVER}
    for child in written.get_children():
        folder = Path(child.get_self_href()).parent
        lines = [json.loads(line) for line in (folder / "items.ndjson").read_text().splitlines()]
        assert lines == list(catalogue.items(child.id))
        frame = gpd.read_parquet(folder / "items.parquet")
        assert len(frame) == len(lines) == len(world.dates[child.id])
        assert frame.crs.to_epsg() == 4326
        back = rustac.read_sync(str(folder / "items.parquet"))["features"]
        assert [item["id"] for item in back] == [item["id"] for item in lines]
        for found, item in zip(back, lines, strict=True):
            assert found["properties"]["proj:shape"] == item["properties"]["proj:shape"]
            assert found["assets"]["data"]["href"] == item["assets"]["data"]["href"]
            assert found["properties"].get("eo:cloud_cover") == item["properties"].get("eo:cloud_cover")
        asset = child.assets["items-geoparquet"].to_dict()
        assert asset["file:size"] == (folder / "items.parquet").stat().st_size


def test_writing_replaces_a_catalogue_and_nothing_else(catalogue, tmp_path):
    folder = tmp_path / "stac"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ArchiveError, match="something else"):
        catalogue.write(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    catalogue.write(folder)
    (folder / "old").mkdir()
    catalogue.write(folder)
    assert not (folder / "old").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"stac", "mine", "counts"}


# --- schemas -------------------------------------------------------------------------------------------


def test_schemas_are_schemas_and_catch_what_is_wrong(catalogue):
    for file in (Path(probav.__file__).parent / "catalogue" / "schemas").glob("*.json"):
        jsonschema.Draft7Validator.check_schema(json.loads(file.read_text()))
    item = next(catalogue.items(S10))
    for change, word in (
        ({"geometry": {"type": "Polygon", "coordinates": [[0, 0]]}}, "item.json at"),
        ({"properties": {**item["properties"], "proj:shape": ["many"]}}, "projection"),
        ({"properties": {**item["properties"], "eo:cloud_cover": 101}}, "eo"),
        ({"stac_extensions": ["https://example.org/schema.json"]}, "not here"),
        ({"type": "Fish"}, "Fish"),
    ):
        bad = item | change
        if word == "eo":
            bad = bad | {"stac_extensions": [*item["stac_extensions"], EO]}
        with pytest.raises(StacError, match=word):
            validate(bad)


EO = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
