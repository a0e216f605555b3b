import pytest
from affine import Affine


@pytest.fixture
def url(tmp_path):
    return tmp_path / "archive"


@pytest.fixture
def crop(tmp_path, sources):
    """Write one layer of a PROBA-V S10 set: a crop of tile X18Y02 from some row and column on."""

    def write(date, array, *, row=100, column=200, layer="NDVI", version="V101", folder="crops", shift=0.0):
        path = tmp_path / folder / f"PROBAV_S10_TOC_X18Y02_{date}_333M_{version}_{layer}.tif"
        west, north = (column - 0.5 + shift) / 336, 55 - (row - 0.5 + shift) / 336
        nodata = {"NDVI": 255, "SM": None, "TIME": 255 if array.dtype == "uint8" else 0}[layer]
        sources.write_tif(path, array, Affine(1 / 336, 0, west, 0, -1 / 336, north), nodata)
        return path

    return write
