"""Images at half their size: of each four pixels their mean, or the class that most of them have."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


def halve(dn: NDArray[Any], keep: NDArray[np.bool_], mean: bool) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return images of half the height and width.

    Parameters
    ----------
    dn : (t, y, x)
        Stored numbers; y and x are even.
    keep : (t, y, x) bool
        Which of them count.
    mean : bool
        Take the mean of those of four that count, whole numbers rounded to the nearest one (halves up); else
        the number that most of them have, the smallest of several.

    Returns
    -------
    (t, y / 2, x / 2) of the type of `dn`, and bool: where any of four counts. Numbers are 0 elsewhere.
    """
    times, height, width = dn.shape
    out = np.zeros((times, height // 2, width // 2), dn.dtype)
    kept = np.zeros(out.shape, np.bool_)
    if not mean:
        _most(dn, keep, out, kept)
    elif dn.dtype.kind == "f":
        _mean_of_floats(dn, keep, out, kept)
    else:
        _mean_of_whole(dn, keep, out, kept)
    return out, kept


@numba.njit(cache=True, nogil=True)
def _mean_of_whole(dn: Any, keep: Any, out: Any, kept: Any) -> None:
    for t in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                total, count = np.int64(0), np.int64(0)
                for i in range(2):
                    for j in range(2):
                        if keep[t, 2 * y + i, 2 * x + j]:
                            total += np.int64(dn[t, 2 * y + i, 2 * x + j])
                            count += 1
                if count:
                    out[t, y, x] = (2 * total + count) // (2 * count)
                    kept[t, y, x] = True


@numba.njit(cache=True, nogil=True)
def _mean_of_floats(dn: Any, keep: Any, out: Any, kept: Any) -> None:
    for t in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                total, count = 0.0, 0
                for i in range(2):
                    for j in range(2):
                        if keep[t, 2 * y + i, 2 * x + j]:
                            total += dn[t, 2 * y + i, 2 * x + j]
                            count += 1
                if count:
                    out[t, y, x] = total / count
                    kept[t, y, x] = True


@numba.njit(cache=True, nogil=True)
def _most(dn: Any, keep: Any, out: Any, kept: Any) -> None:
    for t in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                best = 0
                for k in range(4):
                    i, j = 2 * y + k // 2, 2 * x + k % 2
                    if not keep[t, i, j]:
                        continue
                    same = 0
                    for other in range(4):
                        m, n = 2 * y + other // 2, 2 * x + other % 2
                        if keep[t, m, n] and dn[t, m, n] == dn[t, i, j]:
                            same += 1
                    if same > best or (same == best and dn[t, i, j] < out[t, y, x]):
                        best = same
                        out[t, y, x] = dn[t, i, j]
                kept[t, y, x] = best > 0
