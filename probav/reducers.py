"""What is asked of a histogram: mean, standard deviation, percentiles and the like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from probav.errors import QueryError, did_you_mean
from probav.fractions import ONE

MOMENTS = ("mean", "std", "var", "min", "max", "sum", "mode")
COUNTS = ("count", "valid", "masked", "nodata", "outside")
"""Always given, whether asked for or not."""

REDUCERS = (*COUNTS, "area", *MOMENTS, "median", "iqr", "histogram")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100(?:\.0+)?)")
_THRESHOLD = re.compile(r"(below|above)_(-?\d+(?:\.\d+)?)")
_RANK, _SPREAD, _BELOW, _ABOVE = 7, 8, 9, 10  # kinds after those of MOMENTS
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """Reducers as numbers, for compiled code.

    Attributes
    ----------
    names : tuple of str
    kinds : (n,) int64
    parameters : (n,) float64
        Rank of a percentile in 0 to 1, or a threshold.
    """

    names: tuple[str, ...]
    kinds: NDArray[np.int64]
    parameters: Floats


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
        known = isinstance(name, str) and (
            name in REDUCERS or _PERCENTILE.fullmatch(name) or _THRESHOLD.fullmatch(name)
        )
        if not known:
            examples = [*REDUCERS, "p10", "p50", "p90", "below_0.2", "above_0.5"]
            raise QueryError(
                f"There is no reducer {name!r}.{did_you_mean(name, examples)} Percentiles are p0 to p100; "
                "below_0.2 and above_0.5 are the fraction of the valid pixels below and above a value."
            )
    return tuple(dict.fromkeys(names))


def plan(names: Sequence[str]) -> Plan:
    """Return the plan of those of some checked reducers that are one number a histogram."""
    chosen, kinds, parameters = [], [], []
    for name in names:
        if name in COUNTS or name in ("area", "histogram"):
            continue
        kind, parameter = _RANK, 0.5
        if name in MOMENTS:
            kind, parameter = MOMENTS.index(name), 0.0
        elif name == "iqr":
            kind = _SPREAD
        elif match := _PERCENTILE.fullmatch(name):
            parameter = float(match[1]) / 100
        elif match := _THRESHOLD.fullmatch(name):
            kind, parameter = _BELOW if match[1] == "below" else _ABOVE, float(match[2])
        chosen.append(name)
        kinds.append(kind)
        parameters.append(parameter)
    return Plan(tuple(chosen), np.array(kinds, np.int64), np.array(parameters, np.float64))


def reduce(name: str, values: Floats, weights: Floats) -> Floats:
    """Reduce histograms to one number each; NaN where a histogram is empty.

    Parameters
    ----------
    name : str
        One of `MOMENTS`, median, iqr, p0 to p100, below_X or above_X.
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
    (The idea is that of Akinshin 2023, "Weighted quantile estimators", arXiv:2304.07265.) The mode is the
    value with the largest weight, the smallest of them where several have it. Thresholds compare values
    rounded to 9 decimals, so that 0.3 is 0.3 as it is written.
    """
    if len(values) > 1 and values[0] > values[-1]:
        values, weights = values[::-1], weights[..., ::-1]
    chosen = plan((name,))
    flat = np.ascontiguousarray(weights, np.float64).reshape(-1, len(values))
    found = np.empty((len(flat), 1))
    for row, own in enumerate(flat):
        kept = own > 0
        reduce_one(values[kept], own[kept], chosen.kinds, chosen.parameters, found[row])
    return found[:, 0].reshape(weights.shape[:-1])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def reduce_one(
    values: Floats, weights: Floats, kinds: NDArray[np.int64], parameters: Floats, out: Floats
) -> None:
    """Reduce one histogram to the numbers of a plan.

    Parameters
    ----------
    values : (n,) float64
        Ascending.
    weights : (n,) float64
        All above 0.
    kinds, parameters
        See `Plan`.
    out : (len(kinds),) float64
        Written to.
    """
    if len(values) == 0:
        out[:] = np.nan
        return
    total, summed, largest = 0.0, 0.0, 0
    for i in range(len(values)):
        total += weights[i]
        summed += weights[i] * values[i]
        if weights[i] > weights[largest]:
            largest = i
    mean = summed / total
    variance = -1.0
    for k in range(len(kinds)):
        kind, parameter = kinds[k], parameters[k]
        if kind == 0:
            out[k] = mean
        elif kind == 1 or kind == 2:
            if variance < 0:
                variance = 0.0
                for i in range(len(values)):
                    variance += weights[i] * (values[i] - mean) ** 2
                variance /= total
            out[k] = np.sqrt(variance) if kind == 1 else variance
        elif kind == 3:
            out[k] = values[0]
        elif kind == 4:
            out[k] = values[-1]
        elif kind == 5:
            out[k] = summed
        elif kind == 6:
            out[k] = values[largest]
        elif kind == _RANK:
            out[k] = _percentile(parameter, values, weights, total)
        elif kind == _SPREAD:
            upper = _percentile(0.75, values, weights, total)
            out[k] = upper - _percentile(0.25, values, weights, total)
        else:
            found = 0.0
            threshold = np.rint(parameter * 1e9)
            for i in range(len(values)):
                value = np.rint(values[i] * 1e9)
                if (kind == _BELOW and value < threshold) or (kind == _ABOVE and value > threshold):
                    found += weights[i]
            out[k] = found / total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _percentile(p: float, values: Floats, weights: Floats, total: float) -> float:
    start = p * max(total - 1.0, 0.0)
    stop = min(start + 1.0, total)
    upper, share, found, last = 0.0, 0.0, 0.0, values[0]
    for i in range(len(values)):
        lower = upper
        upper += weights[i]
        overlap = min(upper, stop) - max(lower, start)
        if overlap > 0:
            share += overlap
            found += overlap * values[i]
            last = values[i]
        if upper >= stop:
            break
    return found / share if share > 0 else last


@numba.njit(cache=True, nogil=True, error_model="numpy")
def reduce_bins(
    whole: NDArray[np.int64],
    parts: NDArray[np.int64],
    low: int,
    high: int,
    values: Floats,
    kinds: NDArray[np.int64],
    parameters: Floats,
    room: Floats,
    out: Floats,
) -> None:
    """Reduce one histogram of an 8-bit variable.

    Parameters
    ----------
    whole, parts : (256,) int64
        Pixels, and parts of pixels in 1 / ONE, per bin; the last two bins are no data and masked.
    low, high : int
        The first bin that isn't 0, or one before it, and one after the last.
    values : (b,) float64
        Physical value of each bin in use, ascending or descending.
    room : (2, 256) float64
        To work in.
    out : (3 + len(kinds),) float64
        Written to: valid, masked, no data, then the reducers.
    """
    n, pixels, rest = 0, np.int64(0), np.int64(0)
    descending = len(values) > 1 and values[0] > values[-1]
    stop = min(high, len(values))
    for b in range(low, stop):
        bin_ = stop - 1 - b + low if descending else b
        if whole[bin_] == 0 and parts[bin_] == 0:
            continue
        full, part = whole[bin_] + parts[bin_] // ONE, parts[bin_] % ONE
        pixels += full
        rest += part
        room[0, n] = values[bin_]
        room[1, n] = full + part / ONE
        n += 1
    out[0] = (pixels + rest // ONE) + (rest % ONE) / ONE
    for column in (1, 2):
        bin_ = 256 - column  # masked, then no data
        out[column] = (whole[bin_] + parts[bin_] // ONE) + (parts[bin_] % ONE) / ONE
    reduce_one(room[0, :n], room[1, :n], kinds, parameters, out[3:])
