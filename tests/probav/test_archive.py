import datetime

import numpy as np
import pandas as pd
import pytest

import probav
from probav.errors import ArchiveError, UnknownProductError

S10, COVER, RAIN, NDVI300 = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1"


def edges(world, product):
    """West, south, east, north of a product's sources."""
    transform = world.transforms[product]
    _, height, width = next(iter(world.arrays[product].values())).shape
    west, north = transform.c, transform.f
    return west, north + height * transform.e, west + width * transform.a, north


# --- what is there ----------------------------------------------------------------------------------------


def test_the_table_of_products(world):
    table = world.archive.products
    assert list(table.index) == sorted(world.arrays)
    assert list(table.columns) == ["title", "variables", "grid", "first", "last", "dates", "tiles", "size"]
    row = table.loc[S10]
    assert row["title"] == "PROBA-V ten-day synthesis, TOC, 300 m"
    assert row["variables"] == "NDVI, RED, NIR, BLUE, SWIR, SM"
    assert row["grid"] == "0.00297619 EPSG:4326"
    assert (row["first"], row["last"]) == (pd.Timestamp("2015-01-01"), pd.Timestamp("2015-05-11"))
    assert (row["dates"], row["tiles"]) == (14, 1)
    for product, arrays in world.arrays.items():
        assert table.loc[product, "size"] == sum(array.nbytes for array in arrays.values())


@pytest.mark.parametrize("product", [S10, COVER, RAIN, NDVI300])
def test_extent_is_the_outer_edge_of_what_was_taken_in(world, product):
    extent = world.archive[product].extent
    assert extent.bounds == pytest.approx(edges(world, product), abs=1e-9)
    assert extent.resolution == pytest.approx((world.transforms[product].a, -world.transforms[product].e))
    assert (extent.crs, extent.dates) == ("EPSG:4326", len(world.dates[product]))
    assert extent.first == world.dates[product][0].item()
    assert extent.last == world.dates[product][-1].item()
    assert isinstance(extent.first, datetime.date)
    assert f"{extent.dates} dates from {extent.first} to {extent.last}" in str(extent)


def test_footprint_has_a_row_a_tile(world, tmp_path, sources):
    footprint = world.archive[S10].footprint()
    assert list(footprint.columns) == ["tile", "first", "last", "dates", "geometry"]
    assert footprint.crs == "EPSG:4326"
    assert footprint.loc[0, "tile"] == "X18Y02"
    assert footprint.loc[0, "dates"] == 14
    assert footprint.loc[0, "geometry"].bounds == pytest.approx(edges(world, S10), abs=1e-9)
    # two more windows with dates of their own: 60 pixels west of 0 degrees, and at the tile's left edge
    url = world.copy(tmp_path)
    home = sources.transform_of(S10)  # column 700 of the tile
    for tile, date, columns in (("X17Y02", "20150101", -760), ("X18Y02", "20140611", -700)):
        path = tmp_path / f"PROBAV_S10_TOC_{tile}_{date}_333M_V101_NDVI.tif"
        sources.write_tif(path, np.full((20, 30), 100, "uint8"), home @ home.translation(columns, 0), 255)
        assert probav.ingest(url, path).rejected == []
    table = probav.open_archive(url)[S10].footprint()
    assert list(table["tile"]) == ["X18Y02", "X17Y02", "X18Y02"]
    assert list(table["dates"]) == [14, 1, 1]
    assert list(table["first"].dt.strftime("%Y-%m-%d")) == ["2015-01-01", "2015-01-01", "2014-06-11"]
    assert probav.open_archive(url)[S10].extent.dates == 15
    assert len(probav.open_archive(url).products.loc[[S10]]) == 1


def test_variables_come_in_the_order_of_the_product_table(world):
    product = world.archive[S10]
    assert list(product.variables) == ["NDVI", "RED", "NIR", "BLUE", "SWIR", "SM"]
    ndvi = product.variables["NDVI"]
    assert (ndvi.dtype, ndvi.scale, ndvi.offset, ndvi.nodata, ndvi.valid) == (
        "uint8",
        0.004,
        -0.08,
        255,
        (0, 250),
    )
    assert product.variables["SM"].nodata is None
    assert product.variables["RED"].dtype == "int16"


def test_an_archive_is_a_collection_of_products(world):
    archive = world.archive
    assert len(archive) == 4
    assert [product.id for product in archive] == archive.ids == sorted(world.arrays)
    assert S10 in archive
    assert S10.lower() in archive
    assert "PROBAV_L3_S10_TOC_1KM" not in archive
    assert archive[S10.lower()].id == S10
    assert archive.by_role("landcover").id == COVER
    assert archive.by_role("snowdepth") is None
    assert archive.snapshot in repr(archive)
    assert repr(archive[RAIN]).startswith("<Product CHIRPS_V2_DEKAD: 1.5")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CGLS_NDVI300_V2", "Did you mean 'CGLS_NDVI300_V1'"),
        ("PROBAV_L3_S10_TOC_1KM", "Did you mean 'PROBAV_L3_S10_TOC_333M'"),
        ("xyz", "Known: CGLS_LC100_V3, CGLS_NDVI300_V1, CHIRPS_V2_DEKAD, PROBAV_L3_S10_TOC_333M"),
    ],
)
def test_an_unknown_product_gets_near_names(world, name, words):
    with pytest.raises(UnknownProductError) as caught:
        world.archive[name]
    assert f"{world.url} holds no product {name!r}. {words}" in str(caught.value)
    assert isinstance(caught.value, KeyError)


# --- versions ---------------------------------------------------------------------------------------------


def test_a_pinned_snapshot_shows_the_old_data_after_the_archive_has_grown(world, tmp_path):
    url = world.copy(tmp_path)
    before = probav.open_archive(url)
    pinned = before.snapshot
    before.tag("paper-2015")
    probav.ingest(url, world.later)
    now = probav.open_archive(url)
    assert now.snapshot != pinned
    assert len(now[S10].times) == 15
    for archive in (
        before,
        probav.open_archive(url, snapshot=pinned),
        probav.open_archive(url, tag="paper-2015"),
    ):
        assert archive.snapshot == pinned
        assert len(archive[S10].times) == 14
        assert archive.products.loc[S10, "last"] == pd.Timestamp("2015-05-11")
        np.testing.assert_array_equal(archive[S10].load(keep_dn=True).NDVI, world.arrays[S10]["NDVI"])


def test_a_pinned_snapshot_shows_what_was_replaced_since(world, tmp_path, sources):
    url = world.copy(tmp_path)
    pinned = probav.open_archive(url).snapshot
    layers = world.later_arrays[S10]
    sources.write_s10(tmp_path / "V102", "2015-01-01", layers, "V102")
    probav.ingest(url, tmp_path / "V102")
    old = probav.open_archive(url, snapshot=pinned)[S10].load(time="2015-01-01", keep_dn=True).NDVI[0]
    new = probav.open_archive(url)[S10].load(time="2015-01-01", keep_dn=True).NDVI[0]
    np.testing.assert_array_equal(old, world.arrays[S10]["NDVI"][0])
    np.testing.assert_array_equal(new, layers["NDVI"])


def test_history_names_every_change_newest_first(world, tmp_path):
    url = world.copy(tmp_path)
    count = len(probav.open_archive(url).history)
    report = probav.ingest(url, world.later)
    history = probav.open_archive(url).history
    assert list(history.columns)[:4] == ["snapshot", "time", "message", "product"]
    assert len(history) == count + 3
    assert list(history["snapshot"][:3]) == report.snapshots[::-1]
    assert history["message"][0] == f"{S10}: 2015-05-21 to 2015-05-21, 1 granules"
    assert history["time"].is_monotonic_decreasing
    assert history["time"].dt.tz is not None
    assert len(probav.open_archive(url, snapshot=history["snapshot"][3]).history) == count


def test_unknown_versions_say_so(world):
    with pytest.raises(ArchiveError, match="has no snapshot 'NOSUCHSNAPSHOT'"):
        probav.open_archive(world.url, snapshot="NOSUCHSNAPSHOT")
    with pytest.raises(ArchiveError, match="has no snapshot '1CECHNKREP0F1RSTCMTG'"):
        probav.open_archive(world.url, snapshot="1CECHNKREP0F1RSTCMTG")
    with pytest.raises(ArchiveError, match="has no tag 'paper'"):
        probav.open_archive(world.url, tag="paper")


def test_a_tag_is_given_once(world, tmp_path):
    url = world.copy(tmp_path)
    archive = probav.open_archive(url)
    archive.tag("v1")
    archive.tag("v1")  # it has that name
    probav.ingest(url, world.later)
    newer = probav.open_archive(url)
    with pytest.raises(ArchiveError, match=f"Can't tag {newer.snapshot} as 'v1'"):
        newer.tag("v1")
    assert probav.open_archive(url, tag="v1").snapshot == archive.snapshot


# --- new and empty ----------------------------------------------------------------------------------------


def test_a_new_archive_is_empty_and_says_so(tmp_path):
    archive = probav.create_archive(tmp_path / "deep" / "new")
    assert len(archive) == 0
    assert archive.products.empty
    assert list(archive.products.columns)[:2] == ["title", "variables"]
    assert "empty" in repr(archive)
    with pytest.raises(UnknownProductError, match=f"holds no product '{S10}'"):
        archive[S10]
    with pytest.raises(ArchiveError, match="there is something already"):
        probav.create_archive(tmp_path / "deep" / "new")


def test_the_default_archive_is_the_environments(world, monkeypatch, tmp_path):
    monkeypatch.setenv("PROBAV_ARCHIVE", world.url)
    assert probav.open_archive().url == world.url
    monkeypatch.setenv("PROBAV_ARCHIVE", str(tmp_path / "none"))
    with pytest.raises(ArchiveError, match=r"There is no archive at .*none\. Create the demo archive with"):
        probav.open_archive()
