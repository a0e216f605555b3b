import icechunk
import numpy as np
import pytest
import zarr

import probav
from probav.errors import QueryError

S10 = "PROBAV_L3_S10_TOC_333M"
pytestmark = pytest.mark.spark


def content(url):
    """Return every array of the archive, read with Zarr alone, from the windows that were written."""
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(url)))
    assert {*repository.list_branches()} == {"main"}
    group = zarr.open_group(repository.readonly_session("main").store, mode="r")[S10]
    names = ("time", "source_rank", "source_digest", "content_digest")
    pixels = {name: group[name][:, 6700:7100, 60600:61300] for name in ("NDVI", "SM")}
    return {**pixels, **{name: group[name][:] for name in names}}


def test_executors_write_what_threads_write(spark, tmp_path, crop):
    """Several layers and dates, overlapping windows of one date, a bad file, a later version."""
    random = np.random.default_rng(4)

    def numbers(shape):
        return random.integers(0, 251, shape, "uint8")

    files = [
        crop(date, numbers((300, 400)), layer=layer)
        for date in ("20150101", "20150111")
        for layer in ("NDVI", "SM")
    ]
    files += [
        crop("20150121", numbers((50, 60)), row=100 + 40 * number, folder=f"cut{number}", version=version)
        for number, version in enumerate(("V102", "V101", "V103"))
    ]
    later = [crop("20150101", numbers((300, 400)), version="V105"), crop("20150201", numbers((300, 400)))]
    bad = crop("20150211", numbers((300, 400)))
    bad.write_bytes(bad.read_bytes()[:5000])
    found = []
    for engine in ("local", "spark"):
        url, seen = tmp_path / engine, []
        first = probav.ingest(
            url, files, engine=engine, progress=lambda *state, seen=seen: seen.append(state)
        )
        second = probav.ingest(url, [*files, *later, bad], engine=engine)
        assert (first.taken, second.taken, second.unchanged, second.superseded) == (5, 2, 5, 0)
        assert [item.path for item in second.rejected] == [bad]
        assert seen[-1][:2] == (5, 5)
        assert probav.open_archive(url).snapshot == second.snapshots[-1]
        found.append(content(url))
    for name, array in found[0].items():
        np.testing.assert_array_equal(array, found[1][name], err_msg=name)


def test_an_engine_that_is_none_is_told(tmp_path, crop):
    path = crop("20150101", np.zeros((20, 30), "uint8"))
    with pytest.raises(QueryError, match=r"'sprak' to take files in\. Did you mean 'spark'"):
        probav.ingest(tmp_path / "archive", path, engine="sprak")
