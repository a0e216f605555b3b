"""Tasks and what they count as bytes that travel: small, quick to make, the same in both directions."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np
from numcodecs import Zstd

from probav.histogram import Partial
from probav.query import Query, Task
from probav.reducing import Reduced

_CODEC = Zstd(level=1)
_TASK_ARRAYS = ("dates", "runs", "edges", "weights", "zones", "alone")


def pack(arrays: dict[str, Any]) -> bytes:
    """Return arrays as bytes."""
    found = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    head = json.dumps([(name, array.dtype.str, array.shape) for name, array in found.items()]).encode()
    body = b"".join([len(head).to_bytes(4, "little"), head, *(array.tobytes() for array in found.values())])
    return bytes(_CODEC.encode(body))


def unpack(data: bytes) -> dict[str, Any]:
    """Return the arrays that `pack` made bytes of."""
    body = bytearray(_CODEC.decode(data))  # may be written to: compiled code knows no other arrays
    start = 4 + int.from_bytes(body[:4], "little")
    found = {}
    for name, kind, shape in json.loads(bytes(body[4:start])):
        dtype, count = np.dtype(kind), int(np.prod(shape, dtype=np.int64))
        found[name] = np.frombuffer(body, dtype, count, start).reshape(shape)
        start += dtype.itemsize * count
    return found


def pack_task(task: Task) -> bytes:
    """Return a task, without its query, as bytes."""
    return pack({"block": np.array(task.block), **{name: getattr(task, name) for name in _TASK_ARRAYS}})


def unpack_task(query: Query, data: bytes) -> Task:
    """Return the task that `pack_task` made bytes of."""
    arrays = unpack(data)
    top, left = arrays.pop("block").tolist()
    return Task(query, (top, left), **arrays)


def pack_counts(counts: Partial | Reduced) -> bytes:
    """Return counts, or final numbers, as bytes."""
    return pack({item.name: getattr(counts, item.name) for item in fields(counts)})


def unpack_counts(data: bytes) -> Partial | Reduced:
    """Return what `pack_counts` made bytes of."""
    arrays = unpack(data)
    variable = int(arrays.pop("variable"))
    return Reduced(variable, **arrays) if "table" in arrays else Partial(variable, **arrays)
