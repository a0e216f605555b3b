import re
import shutil
import zipfile

import numpy as np
import pytest
from pyhdf.SD import SD, SDC

from probav.errors import SourceError
from probav.readers import discover, open_granule

NAMES = {
    "B0": "BLUE", "B2": "RED", "B3": "NIR", "MIR": "SWIR", "NDV": "NDVI", "SM": "SM",
    "SZA": "SZA", "SAA": "SAA", "VZA": "VZA", "VAA": "VAA", "TG": "TIME",
}  # fmt: skip


def opened(source, **given):
    (granule,), rejected = discover(source, **given)
    assert not rejected
    return open_granule(granule)


def zipped(root, target, *, below=""):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, below + str(path.relative_to(root)))
    return target


@pytest.mark.parametrize("dataset", ["PIXEL_DATA", "PIXEL DATA", "MEASURE_VALUE"])
def test_a_product_folder_is_one_granule(write_vgt, planes, tmp_path, dataset):
    write_vgt(dataset=dataset)
    with opened(tmp_path) as granule:
        assert set(granule.variables) == set(NAMES.values())
        for plane, name in NAMES.items():
            assert np.array_equal(granule.read(name), planes[plane])
            assert np.array_equal(granule.read(name, 7, 9), planes[plane][7:9])
            assert granule.read(name, 9, 9).shape == (0, 50)
        assert not granule.notes


def test_physical_values_and_pixel_centres(write_vgt, planes, tmp_path):
    root = write_vgt(west=-11.0, north=47.5)
    with opened(tmp_path) as granule:
        log = dict(re.findall(r"(\w+) +(\S+)", (root / "0001_LOG.TXT").read_text()))
        corners = [granule.grid.xs()[0], granule.grid.ys()[0], granule.grid.xs()[-1], granule.grid.ys()[-1]]
        expected = [
            float(log[f"GEO_{end}"])
            for end in ("UPPER_LEFT_LONG", "UPPER_LEFT_LAT", "LOWER_RIGHT_LONG", "LOWER_RIGHT_LAT")
        ]
        assert corners == pytest.approx(expected, abs=1e-6)
        # exactly on the world's lattice, not on the six digits of the text
        assert granule.grid.xs()[-1] == pytest.approx(-11 + 49 / 112, abs=1e-12)
        ndvi, red = granule.variables["NDVI"], granule.variables["RED"]
        dn = planes["NDV"].astype(float)
        assert np.allclose(ndvi.physical(granule.read("NDVI")), dn / 250 - 0.1, atol=1e-12)
        assert np.allclose(red.physical(granule.read("RED")), planes["B2"] / 2000, atol=1e-12)
        assert not ndvi.is_valid(np.array([0, 255], "u1")).any()


def test_the_whole_world_needs_no_log(write_vgt, tmp_path):
    root = tmp_path / "V2KRNS10__20060721"
    root.mkdir()
    file = SD(str(root / "0001_NDV.HDF"), SDC.WRITE | SDC.CREATE)
    file.setfillmode(SDC.NOFILL)  # leaves a hole in the file between the two rows
    data = file.create("PIXEL_DATA", SDC.UINT8, (14673, 40320))
    data[0:1], data[14672:14673] = np.full((2, 1, 40320), [[[7]], [[9]]], "u1")
    data.endaccess()
    file.end()
    with opened(tmp_path) as granule:
        assert (granule.grid.x0, granule.grid.y0) == (-180, 75)
        assert granule.grid.ys()[-1] == pytest.approx(-56, abs=1e-9)
        assert granule.read("NDVI", 0, 1)[0, 0] == 7
        assert granule.read("NDVI", 14672)[0, -1] == 9


def test_collection_3_names(write_vgt, planes, tmp_path):
    write_vgt("V2KRNS1___20140321E_V003", prefix="V2KRNS1___20140321E_V003_")
    (granule,), _ = discover(tmp_path)
    assert (granule.product, str(granule.date)) == ("SPOTVEGETATION_L3_S1", "2014-03-21")
    with open_granule(granule) as source:
        assert np.array_equal(source.read("NIR"), planes["B3"])


@pytest.mark.parametrize("below", ["", "V2KRNS10__20060721E/0001/"])
def test_a_zip_is_read_as_its_folder(write_vgt, planes, assert_archived, tmp_path, below):
    root = write_vgt()
    arrays = {name: planes[plane] for plane, name in NAMES.items()}
    assert_archived(root, "SPOTVEGETATION_L3_S10", "2006-07-21", arrays, (-11, 75), 112)
    target = zipped(root, tmp_path / "V2KRNS10__20060721E.ZIP", below=below)
    shutil.rmtree(root)
    before = sorted(tmp_path.rglob("*"))
    with opened(tmp_path) as granule:
        for plane, name in NAMES.items():
            assert np.array_equal(granule.read(name), planes[plane])
        assert set(granule.paths.values()) == {target}
        assert granule.grid.x0 == -11
    assert_archived(target, "SPOTVEGETATION_L3_S10", "2006-07-21", arrays, (-11, 75), 112)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_eumetcast_zip_of_one_plane(write_vgt, planes, tmp_path):
    root = write_vgt("x", arrays={"NDV": planes["NDV"]}, west=-26.0, north=38.0)
    zipped(root, tmp_path / "V2KRNS10__20130701_NDVI__Africa.ZIP")
    shutil.rmtree(root)
    with opened(tmp_path) as granule:
        assert list(granule.variables) == ["NDVI"]
        assert np.array_equal(granule.read("NDVI"), planes["NDV"])


def test_what_the_names_do_not_say(write_vgt, planes, tmp_path):
    write_vgt("anything", prefix="some_")
    with opened(tmp_path, product="SPOTVEGETATION_L3_S10", date="2006-07-21") as granule:
        assert set(granule.variables) == set(NAMES.values())
        assert np.array_equal(granule.read("SWIR"), planes["MIR"])


def test_coarser_angles_are_left_out_with_a_note(write_vgt, planes, tmp_path):
    write_vgt(arrays=planes | {"VZA": planes["VZA"][:5, :7]}, size=(40, 50))
    with opened(tmp_path) as granule:
        assert "VZA" not in granule.variables
        assert "VAA" in granule.variables
        assert granule.notes == ("0001_VZA.HDF is sampled coarser (5 x 7) and left out",)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("MAP_PROJ_UNIT  METERS\n", "says MAP_PROJ_UNIT METERS; expected DEGREES"),
        ("GEODETIC_SYST_NAME  CLARKE 1880\n", "GEODETIC_SYST_NAME CLARKE 1880; expected WGS 1984"),
        ("PRODUCT_ID  x\n", "lacks GEO_UPPER_LEFT_LONG"),
        ("", "lacks GEO_UPPER_LEFT_LONG"),
        ("x" * (2 << 20), "expected a text of keys and values"),
        (None, "there is no LOG.TXT beside it"),
    ],
)
def test_bad_georeference(write_vgt, planes, tmp_path, log, reason):
    write_vgt(arrays={"NDV": planes["NDV"]}, log=log)
    with pytest.raises(SourceError, match=reason) as error:
        opened(tmp_path)
    assert "0001_" in str(error.value)


def test_corners_taken_for_edges(write_vgt, planes, tmp_path):
    write_vgt(arrays={"NDV": planes["NDV"]}, west=-11 - 0.5 / 112)
    with pytest.raises(SourceError, match="off the grid of SPOTVEGETATION_L3_S10"):
        opened(tmp_path)


def test_a_plane_of_another_size(write_vgt, planes, tmp_path):
    write_vgt(arrays=planes | {"B2": planes["B2"][:20]}, size=(40, 50))
    with pytest.raises(SourceError, match=r"0001_B2.HDF: has \(20, 50\) pixels; expected \(40, 50\)"):
        opened(tmp_path)


def test_files_of_something_else(write_vgt, planes, tmp_path):
    root = write_vgt(arrays={"NDV": planes["NDV"]}, dataset="OTHER")
    with pytest.raises(SourceError, match="holds OTHER; expected PIXEL_DATA"):
        opened(tmp_path)
    (root / "0001_NDV.HDF").write_bytes(b"\x89HDF\r\n\x1a\n" + b"0" * 100)
    with pytest.raises(SourceError, match="is no HDF4 file"):
        opened(tmp_path)
    (root / "0001_NDV.HDF").unlink()
    file = SD(str(root / "0001_NDV.HDF"), SDC.WRITE | SDC.CREATE)
    file.create("PIXEL_DATA", SDC.UINT8, (3,))[:] = np.zeros(3, "u1")
    file.end()
    with pytest.raises(SourceError, match="has 1 axes"):
        opened(tmp_path)
