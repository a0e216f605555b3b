"""Tasks and counts come out of their bytes as they went in."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from probav.execution.packing import pack, pack_counts, pack_task, unpack, unpack_counts, unpack_task
from probav.histogram import Partial
from probav.query import Query, Task
from probav.reducing import Reduced

KINDS = st.sampled_from(["<i8", "u1", "<u4", "<f8"])
ANY = KINDS.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)))


def same(one, other):
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        np.testing.assert_array_equal(left, right)
        assert np.asarray(left).dtype == np.asarray(right).dtype


@given(st.dictionaries(st.text(min_size=1), ANY, max_size=4))
def test_arrays(given_arrays):
    found = unpack(pack(given_arrays))
    assert list(found) == list(given_arrays)
    for name, array in given_arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.writeable


def test_tasks_and_counts():
    query = Query("url", "snapshot", "product", ("NDVI",), "clear", (), "pixel", (0, 3), (0, 1), ("mean",))
    numbers = np.arange(12)
    task = Task(
        query,
        (3, 4),
        numbers[:2],
        numbers.reshape(3, 4),
        numbers.reshape(4, 3),
        numbers[:4],
        numbers[:1],
        numbers[:0],
    )
    same(unpack_task(query, pack_task(task)), task)
    partial = Partial(
        1, numbers[:2], numbers[:1], np.ones((1, 2, 256), np.uint32), np.array([0, 1, 2]),
        np.array([7, 9], np.uint8), numbers[:2], np.empty((4, 0, 0), int),
    )  # fmt: skip
    same(unpack_counts(pack_counts(partial)), partial)
    reduced = Reduced(0, numbers[:2], numbers[:3], np.random.default_rng(1).random((3, 2, 8)))
    same(unpack_counts(pack_counts(reduced)), reduced)
