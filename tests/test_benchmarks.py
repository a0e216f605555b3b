"""The benchmark's peers and the engine give the same numbers, on a tile too small to be timed."""

import importlib
import warnings

import numpy as np
import pytest

from benchmarks.masked_statistics import data
from benchmarks.masked_statistics.agreement import compare
from benchmarks.masked_statistics.peers import MODULES
from benchmarks.masked_statistics.peers.source import Work
from benchmarks.masked_statistics.queries import Bench
from benchmarks.masked_statistics.world import CLASSES

DATES = 2


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("bench"), size=280, dates=DATES, long=DATES)
    data.make_geotiffs(bench.tile)
    data.make_archive(bench.tile)
    data.make_cube(bench.tile)
    return bench


@pytest.fixture(scope="module")
def answers(bench):
    """The engine's answers, asked for once."""
    from benchmarks.masked_statistics import ours

    product = ours.open_product(bench.tile.archive)
    found = {}

    def answer(query, rule):
        if (query.name, rule) not in found:
            result = ours.ask(product, query.areas(1), query.by_class, rule)
            found[query.name, rule] = ours.table(result)
        return found[query.name, rule]

    return answer


@pytest.mark.parametrize("module", MODULES)
def test_peers_agree(bench, answers, module):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peers = importlib.import_module(f"benchmarks.masked_statistics.peers.{module}").PEERS
    except ImportError as error:
        pytest.skip(f"{error.name} is not installed (group bench)")
    for peer in peers:
        for name in ("c",) if peer.points else ("a10", "b", "d"):
            query = bench.queries()[name]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                classes = 1 if peer.class_by_class else CLASSES
                theirs = peer.run(Work(query.series, query.areas(1), query.by_class, DATES, classes))
            agreement = compare(peer, theirs, answers(query, peer.rule))
            assert agreement["agrees"], (peer.name, name, agreement)
            assert np.nansum(theirs[..., 0]) > 0 or name == "c"


def test_a_difference_is_seen(bench, answers):
    from benchmarks.masked_statistics.peers.numpy_by_hand import PEERS

    right = answers(bench.queries()["b"], "centre")
    assert compare(PEERS[0], right, right)["agrees"]
    for statistic in range(right.shape[-1]):
        wrong = right.copy()
        zone, cls, date = np.argwhere(right[..., 0] > 0)[0]
        wrong[zone, cls, date, statistic] += 1e-3
        assert not compare(PEERS[0], wrong, right)["agrees"]


def test_keys_of_the_archive_are_plain_zarr(bench, answers):
    import zarr

    data.make_keys(bench.tile)
    copied = zarr.open_group(bench.tile.folder / "keys", mode="r")[data.PRODUCT]["NDVI"]
    plain = zarr.open_group(bench.tile.folder / "cube.zarr", mode="r")["NDVI"][:]
    row, column = 20 * 336, 180 * 336
    np.testing.assert_array_equal(copied[:, row : row + 280, column : column + 280], plain)


def test_a_section_replaces_the_one_before(tmp_path):
    from benchmarks.masked_statistics.report import BEGIN, END, replace

    page = tmp_path / "page.md"
    page.write_text("# Page\n\ntext\n")
    for number in (1, 2):
        replace(page, f"{BEGIN}\n{number}\n{END}")
    assert page.read_text() == f"# Page\n\ntext\n\n## Masked statistics\n\n{BEGIN}\n2\n{END}\n"
