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
