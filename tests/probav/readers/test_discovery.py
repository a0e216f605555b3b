import os

import numpy as np
import pytest

from probav.errors import SourceError, UnknownProductError
from probav.readers import discover

STEM = "PROBAV_S1_TOC_X18Y02_{}_333M_V101"


@pytest.fixture
def touch(tmp_path):
    def touch(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return touch


def test_a_platform_tree(touch):
    day = STEM.format("20160102")
    root = touch(
        f"2016/20160102/PROBAV_S1_TOC_20160102_333M_V101/{day}_SM.tif",
        f"2016/20160102/PROBAV_S1_TOC_20160102_333M_V101/{day}_NDVI.tif",
        f"2016/20160101/{STEM.format('20160101')}.HDF5",
        f"2016/20160101/{STEM.format('20160101')}.xml",
        f"2016/20160101/{STEM.format('20160101')}.VRG",
        "fapar/c_gls_FAPAR-RT6_201601100000_GLOBE_PROBAV_V2.0.2.nc",
        "fapar/c_gls_FAPAR-RT0_201601100000_GLOBE_PROBAV_V2.0.2.nc",
        "fapar/.hidden.nc",
        "README.txt",
        "truth.json",
    )
    granules, rejected = discover(root)
    assert not rejected
    assert [(g.product, str(g.date), g.tile, len(g.files)) for g in granules] == [
        ("CGLS_FAPAR_V2", "2016-01-01", "", 1),
        ("CGLS_FAPAR_V2", "2016-01-01", "", 1),
        ("PROBAV_L3_S1_TOC_333M", "2016-01-01", "X18Y02", 1),
        ("PROBAV_L3_S1_TOC_333M", "2016-01-02", "X18Y02", 2),
    ]
    assert granules[0].rank < granules[1].rank
    assert granules[3].name == day


def test_layers_in_folders_of_their_own_are_one_granule(touch):
    day = STEM.format("20160102")
    (granule,), _ = discover(touch(f"NDVI/{day}_NDVI.tif", f"SM/{day}_SM.tif"))
    assert len(granule.files) == 2


def test_regional_cuts_of_one_name_are_two_granules(touch):
    day = STEM.format("20160102")
    names = [f"{region}/{day}_{layer}.tif" for region in "ab" for layer in ("NDVI", "SM")]
    granules, _ = discover(touch(*names))
    assert [len({path.parent for path in granule.files}) for granule in granules] == [1, 1]
    assert [len(granule.files) for granule in granules] == [2, 2]


def test_unknown_products_are_rejected_with_a_reason(touch):
    root = touch("holiday.tif", "other.nc", "a.h5", STEM.format("20160102") + ".HDF5")
    granules, rejected = discover(root)
    assert len(granules) == 1
    assert [item.path.name for item in rejected] == ["a.h5", "holiday.tif", "other.nc"]
    assert all("not a known product file name" in item.reason for item in rejected)


def test_several_sources_count_each_file_once(touch):
    root = touch(STEM.format("20160102") + ".HDF5", STEM.format("20160103") + ".HDF5")
    granules, _ = discover([root, str(root / (STEM.format("20160103") + ".HDF5"))])
    assert len(granules) == 2


def test_what_the_name_does_not_say(touch):
    root = touch("ndvi.tif")
    (granule,), _ = discover(root, product="cgls_ndvi300_v1", date="2015-01-11")
    assert (granule.product, granule.date, granule.name) == (
        "CGLS_NDVI300_V1",
        np.datetime64("2015-01-11"),
        "ndvi",
    )
    _, (rejected,) = discover(root, product="CGLS_NDVI300_V1")
    assert "doesn't say its date; give date=" in rejected.reason


def test_a_name_that_says_something_else_is_rejected(touch):
    root = touch(STEM.format("20160102") + ".HDF5")
    _, (rejected,) = discover(root, product="CGLS_NDVI300_V1")
    assert "is of PROBAV_L3_S1_TOC_333M, not of CGLS_NDVI300_V1" in rejected.reason
    _, (rejected,) = discover(root, date="2016-01-03")
    assert "is of 2016-01-02, not of 2016-01-03" in rejected.reason


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"product": "CGLS_NDVI300_V1", "date": "2015-01-05"}, "starts no period"),
        ({"date": "yesterday"}, "no date"),
        ({"date": "2015-02-30"}, "no date"),
    ],
)
def test_impossible_dates(touch, options, reason):
    with pytest.raises(SourceError, match=reason):
        discover(touch("ndvi.tif"), **options)


def test_unknown_product(touch):
    with pytest.raises(UnknownProductError, match="Did you mean"):
        discover(touch("ndvi.tif"), product="CGLS_NDVI300")


def test_nothing_to_take(touch, tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        discover(tmp_path / "absent")
    with pytest.raises(SourceError, match="no product file in"):
        discover(tmp_path)
    with pytest.raises(SourceError, match="no product file in"):
        discover(touch("README.md"))
    with pytest.raises(SourceError, match="no product file in no source"):
        discover([])


def test_a_file_of_no_product_suffix(touch):
    _, (rejected,) = discover(touch("notes.md") / "notes.md")
    assert "expected one that ends in .hdf5" in rejected.reason


def test_companions_and_half_copied_files_are_passed_over(touch):
    day = STEM.format("20160102")
    root = touch(
        f"{day}.HDF5", f"{day}.VRG", f"{day}.xml", f"{day}.HDF5.part", f"{day}.HDF5.tmp", f".{day}.HDF5.x7Yz",
        f".{day}.HDF5", ".Trash/other.HDF5", "index.html", "PROBAV_S1_TOC_QUICKLOOK.tif",
        "V2KRNS10__20060721E/0001/0001_QL.TIF", "V2KRNS10__20060721E/0001/0001_LOG.TXT",
        "V2KRNS10__20060721E/PHYS_VOL.TXT",
    )  # fmt: skip
    (granule,), rejected = discover(root)
    assert granule.name == day
    assert not rejected


def test_links_are_followed_once(touch):
    root = touch(f"real/{STEM.format('20160102')}.HDF5")
    (root / "real" / "loop").symlink_to(root, target_is_directory=True)
    (root / "again").symlink_to(root / "real", target_is_directory=True)
    (root / "nowhere.HDF5").symlink_to(root / "absent")
    granules, rejected = discover([root, root / "real"])
    assert len(granules) == 1
    assert not rejected


def test_a_folder_that_cannot_be_read_is_reported(touch):
    root = touch(f"{STEM.format('20160102')}.HDF5", "closed/x.HDF5")
    (root / "closed").chmod(0)
    if os.access(root / "closed", os.R_OK):
        pytest.skip("root may read any folder")
    (_,), (rejected,) = discover(root)
    assert rejected.path == root / "closed"
    assert "can't be read: Permission denied" in rejected.reason


def test_copies_of_a_granule_are_candidates_and_the_fullest_comes_last(touch):
    day = STEM.format("20160102")
    root = touch(
        f"a/NDVI/{day}_NDVI.tif", f"a/SM/{day}_SM.tif", f"b/{day}_NDVI.tif",
        f"c/{day}_NDVI.tif", f"c/{day}_NDVI.tiff", f"c/{day}_SM.tif",
    )  # fmt: skip
    granules, rejected = discover(root)
    assert not rejected
    assert {granule.name for granule in granules} == {day}
    assert sorted(path for granule in granules for path in granule.files) == sorted(root.rglob("*.tif*"))
    for granule in granules:
        layers = [path.stem.rpartition("_")[2] for path in granule.files]
        assert len(set(layers)) == len(layers)
    assert len(granules[-1].files) == 2


def test_hdf5_copies_are_candidates(touch):
    name = f"{STEM.format('20160102')}.HDF5"
    granules, _ = discover(touch(f"a/{name}", f"b/{name}"))
    assert [granule.files[0].parent.name for granule in granules] == ["a", "b"]
    assert len({granule.rank for granule in granules}) == 1


def test_planes_of_vegetation_are_one_granule_a_folder(touch):
    root = touch(
        *(
            f"V2KRNS10__{day}E/0001/0001_{plane}.HDF"
            for day in ("20060711", "20060721")
            for plane in ("B0", "NDV")
        )
    )
    granules, rejected = discover(root)
    assert not rejected
    assert [(str(granule.date), len(granule.files)) for granule in granules] == [
        ("2006-07-11", 2),
        ("2006-07-21", 2),
    ]


def test_many_files_are_found_without_asking_the_disk_for_each(touch, monkeypatch):
    root = touch(
        *(
            f"{year}/PROBAV_S1_TOC_X{x:02d}Y02_{year}0102_333M_V101.HDF5"
            for year in (2015, 2016)
            for x in range(36)
        )
    )
    asked = []
    stat = os.stat
    monkeypatch.setattr(
        os, "stat", lambda path, *args, **options: asked.append(path) or stat(path, *args, **options)
    )
    assert len(discover(root)[0]) == 72
    assert len(asked) <= 5  # the three folders, and the source itself
