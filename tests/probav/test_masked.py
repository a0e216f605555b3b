"""What is read for a dataset of pixels, how often, and how it becomes values."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from probav.errors import QueryError

S10, RAIN = "PROBAV_L3_S10_TOC_333M", "CHIRPS_V2_DEKAD"
TRIANGLE = shapely.Polygon([(2.2, 48.71), (2.91, 49.03), (2.43, 49.41)])


@pytest.fixture(scope="module")
def product(world):
    return world.archive[S10]


@pytest.fixture
def reads(monkeypatch):
    """The layers that are read, in their order."""
    from probav.masked import Reader

    names = []
    read = Reader._stored

    def count(self, name, *arguments):
        names.append(name)
        return read(self, name, *arguments)

    monkeypatch.setattr(Reader, "_stored", count)
    return names


def test_a_mask_is_read_once_for_all_variables(product, reads):
    product.load(TRIANGLE, mask="clear & land", variable=["NDVI", "RED", "NIR"]).compute()
    assert sorted(reads) == ["NDVI", "NIR", "RED", "SM"]


def test_a_variable_that_masks_itself_is_read_once(product, reads):
    product.load(TRIANGLE, mask="ndvi > 0.3").compute()
    assert reads == ["NDVI"]


def test_masks_that_are_kept_have_a_limit(world, product, monkeypatch):
    expected = product.load(mask="clear", variable=["NDVI", "RED"]).compute()
    monkeypatch.setattr("probav.masked._MASKS_KEPT", 1000)
    monkeypatch.setattr("probav.loading._VALUES", 100_000)
    loaded = product.load(mask="clear", variable=["NDVI", "RED"])
    xr.testing.assert_identical(loaded.compute(), expected)


def test_a_dataset_can_be_copied_and_sent(product):
    loaded = product.load(TRIANGLE, "2015-03", "clear")
    values = loaded.NDVI.values
    for copy in (
        pickle.loads(pickle.dumps(product.load(TRIANGLE, "2015-03", "clear"))),
        loaded.copy(deep=True),
    ):
        np.testing.assert_array_equal(copy.NDVI.values, values)


def test_without_dask_only_chunks_need_it(monkeypatch, product):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None if name == "dask" else find(name))
    assert product.load(TRIANGLE, "2015-03-01").NDVI.values.size
    with pytest.raises(QueryError, match="needs dask, which is not installed: leave it out"):
        product.load(TRIANGLE, "2015-03-01", chunks={"time": 1})


def test_nothing_of_dask_is_imported(world):
    code = (
        "import sys, probav; sys.modules['dask'] = None; "
        f"ndvi = probav.open_archive({world.url!r})[{S10!r}].load((2.5, 49.1), mask='clear', like={RAIN!r}, "
        "resampling='mean').NDVI.values; print(ndvi.shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(14, 1, 1)"


@pytest.mark.parametrize("keep_dn", [False, True])
def test_dask_gives_the_same(product, keep_dn):
    pytest.importorskip("dask")
    options = {"mask": "clear", "variable": ["NDVI", "SM"], "keep_dn": keep_dn}
    whole = product.load(TRIANGLE, **options).compute()
    chunked = product.load(TRIANGLE, chunks={"time": 3, "y": 50, "x": 70}, **options)
    assert chunked.NDVI.chunks is not None
    xr.testing.assert_identical(chunked.compute(), whole)


@given(st.sampled_from(["uint8", "int8", "uint16", "int16", "int32", "float32"]), st.data())
def test_stored_numbers_become_values_by_the_formula(dtype, data):
    from probav.masked import decode
    from probav.products import Variable

    info = np.iinfo(dtype) if dtype != "float32" else np.iinfo("int16")
    number = st.integers(int(info.min), int(info.max))
    dn = np.array(data.draw(st.lists(number, min_size=1, max_size=30)), dtype)[None, None]
    low, high = sorted((data.draw(number), data.draw(number)))
    nodata = data.draw(st.one_of(st.none(), number))
    scale, offset = data.draw(st.floats(-5, 5)), data.draw(st.floats(-5, 5))
    variable = Variable("V", dtype, "", scale=scale, offset=offset, nodata=nodata, valid=(low, high))
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=dn.size, max_size=dn.size)))[None, None]
    expected = [
        np.float32(float(value) * scale + offset)
        if low <= value <= high and value != nodata and kept
        else np.nan
        for value, kept in zip(dn.ravel().astype(float), keep.ravel(), strict=True)
    ]
    np.testing.assert_array_equal(decode(variable, dn, keep).ravel(), np.array(expected, "float32"))
