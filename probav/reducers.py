"""What is asked of a histogram: mean, standard deviation, percentiles and the like."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probav.errors import QueryError, did_you_mean

REDUCERS = ("mean", "std", "var", "min", "max", "sum", "median")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100(?:\.0+)?)")
Floats = NDArray[np.float64]


def check_reducers(names: Sequence[str]) -> tuple[str, ...]:
    """Return reducer names, checked.

    Raises
    ------
    QueryError
        If one is not known; the message names near ones.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names:
        raise QueryError("reducers is empty; expected for instance ('mean', 'p10', 'p90').")
    for name in names:
        if name not in REDUCERS and not _PERCENTILE.fullmatch(name):
            raise QueryError(
                f"There is no reducer {name!r}.{did_you_mean(name, [*REDUCERS, 'p10', 'p50', 'p90'])} "
                "Percentiles are p0 to p100."
            )
    return tuple(dict.fromkeys(names))


def reduce(name: str, values: Floats, weights: Floats) -> Floats:
    """Reduce histograms to one number each; NaN where a histogram is empty.

    Parameters
    ----------
    name : str
        One of `REDUCERS`, or p0 to p100.
    values : (bins,) float64
        Physical value of each bin, ascending or descending.
    weights : (..., bins) float64
        How many pixels hold it; fractions of pixels count as such.

    Returns
    -------
    (...) float64

    Notes
    -----
    Standard deviation and variance are those of the population (no n - 1), as in NumPy, exactextract and
    rasterstats. A percentile of whole pixels is NumPy's default (Hyndman and Fan 1996, type 7). With
    fractions it is the same thing carried on: the mean of the sorted step function of values over one
    pixel's weight [h, h + 1], h = p (W - 1), W the sum of the weights; below one pixel in all, the mean.
    (The idea is that of Akinshin 2023, "Weighted quantile estimators", arXiv:2304.07265.)
    """
    total = weights.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if name == "sum":
            return np.where(total > 0, (weights * values).sum(axis=-1), np.nan)
        if name in ("min", "max"):
            inside = np.where(weights > 0, values, np.inf if name == "min" else -np.inf)
            found = inside.min(axis=-1) if name == "min" else inside.max(axis=-1)
            return np.where(total > 0, found, np.nan)
        mean = (weights * values).sum(axis=-1) / total
        if name == "mean":
            return np.where(total > 0, mean, np.nan)
        if name in ("var", "std"):
            var = (weights * (values - mean[..., None]) ** 2).sum(axis=-1) / total
            return np.where(total > 0, np.sqrt(var) if name == "std" else var, np.nan)
        match = _PERCENTILE.fullmatch("p50" if name == "median" else name)
        assert match is not None
        return _percentile(float(match[1]) / 100, values, weights, total)


def _percentile(p: float, values: Floats, weights: Floats, total: Floats) -> Floats:
    if len(values) > 1 and values[0] > values[-1]:
        values, weights = values[::-1], weights[..., ::-1]
    upper = np.cumsum(weights, axis=-1)
    start = p * np.maximum(total - 1, 0)
    stop = np.minimum(start + 1, total)
    overlap = np.minimum(upper, stop[..., None]) - np.maximum(upper - weights, start[..., None])
    overlap = np.maximum(overlap, 0)
    share = overlap.sum(axis=-1)
    return np.where(total > 0, (overlap * values).sum(axis=-1) / share, np.nan)
