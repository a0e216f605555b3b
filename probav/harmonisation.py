"""A line that adjusts the values of one sensor to those of its successor, from the dates that both have."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probav.archive import Product
from probav.errors import QueryError

if TYPE_CHECKING:
    import xarray as xr

FEWEST_PAIRS = 1000
_BINS = 256
_PIXELS = 1 << 23  # of each product, read at once
_SPREADS = {"std": 1, "iqr": 1, "var": 2}  # reducers that scale with a power of the gain, and don't shift


@dataclass(frozen=True)
class Fit:
    """newer = gain * older + offset.

    Attributes
    ----------
    gain, offset : float
        In physical units.
    n : int
        Pairs of pixels: same place, same date, both valid and not masked.
    r2 : float
        Squared correlation.
    rmse : float
        Root mean square of newer - (gain * older + offset).
    dates : int
    """

    gain: float
    offset: float
    n: int
    r2: float
    rmse: float
    dates: int

    def attributes(self) -> dict[str, Any]:
        """Return the fit as attributes of a dataset."""
        return {f"harmonise_{name}": value for name, value in asdict(self).items()}

    def adjust(self, statistics: xr.Dataset) -> xr.Dataset:
        """Return statistics of the older product as they are after adjusting each value.

        The gain is positive, so that order, and with it percentiles and the mode, stay.
        """
        adjusted = statistics.copy()
        for name in statistics.data_vars:
            values = statistics[name]
            if values.attrs.get("units") == "pixels" or name in ("valid_fraction", "area"):
                continue
            if name in _SPREADS:
                adjusted[name] = values * self.gain ** _SPREADS[str(name)]
            elif name == "sum":
                adjusted[name] = values * self.gain + self.offset * statistics["valid"]
            else:
                adjusted[name] = values * self.gain + self.offset
            adjusted[name].attrs = values.attrs
        return adjusted


def fit(older: Product, newer: Product, aoi: Any, mask: str | None, variable: str) -> Fit:
    """Fit a line from one product's values to another's.

    Parameters
    ----------
    older, newer : Product
        On one pixel lattice.
    aoi : Aoi, or anything `probav.aoi` takes, or None
        Pixels it touches.
    mask : str or None
        Evaluated in each product's own layers; pixels must pass both.
    variable : str

    Raises
    ------
    QueryError
        If the products have too few pixels in common, or their values no relation.

    Notes
    -----
    Geometric mean regression (reduced major axis): the gain is the ratio of the standard deviations. Neither
    product is the truth, and ordinary least squares would flatten the older one for the noise in it. (Ji and
    Gallo 2006, "An agreement coefficient for image comparison", Photogrammetric Engineering and Remote
    Sensing 72(7), 823-833.) It is computed from counts of pairs of stored numbers, hence exact and
    independent of how the pixels are read.
    """
    pair = f"{older.id} and {newer.id}"
    days = np.intersect1d(older.times, newer.times)
    if not len(days):
        raise QueryError(
            f"{pair} can't be harmonised: the archive holds no date that both have; take in some, or leave "
            "harmonise away."
        )
    for product in (older, newer):
        if product.variables[variable].dtype != "uint8" or product.variables[variable].nodata is None:
            raise QueryError(f"{pair} can't be harmonised: {variable} is not stored in 8 bits with no-data.")
    counts = _pairs(older, newer, aoi, mask, variable, days)
    n = int(counts.sum())
    if n < FEWEST_PAIRS:
        raise QueryError(
            f"{pair} can't be harmonised: {n} valid pixels in common at {len(days)} dates, {FEWEST_PAIRS} "
            "are needed; take a larger area or a less strict mask, or leave harmonise away."
        )
    dn = np.arange(_BINS, dtype=float)
    x, y = older.variables[variable].physical(dn), newer.variables[variable].physical(dn)
    mean_x, mean_y = counts.sum(axis=1) @ x / n, counts.sum(axis=0) @ y / n
    x, y = x - mean_x, y - mean_y
    var_x, var_y, cov = counts.sum(axis=1) @ x**2 / n, counts.sum(axis=0) @ y**2 / n, x @ counts @ y / n
    if cov <= 0 or var_x <= 0 or var_y <= 0:
        raise QueryError(
            f"{pair} can't be harmonised: their values have no relation here (covariance {cov:.3g} over {n} "
            "pixels); take a larger area, or leave harmonise away."
        )
    gain = float(np.sqrt(var_y / var_x))
    residual = var_y - 2 * gain * cov + gain**2 * var_x
    return Fit(
        gain, float(mean_y - gain * mean_x), n, float(cov**2 / (var_x * var_y)),
        float(np.sqrt(max(residual, 0))), len(days),
    )  # fmt: skip


def _pairs(
    older: Product, newer: Product, aoi: Any, mask: str | None, variable: str, days: NDArray[np.datetime64]
) -> NDArray[np.int64]:
    """Count pairs of stored numbers, (256, 256): rows are the older product's."""
    counts = np.zeros(_BINS * _BINS, np.int64)
    period = (days[0], days[-1])
    one, other = (
        product.load(aoi, period, mask, variable=variable, keep_dn=True)[variable].sel(time=days)
        for product in (older, newer)
    )
    grid = older.grid
    corner = [
        (round(float((grid.y0 - item["y"][0]) * grid.ny)), round(float((item["x"][0] - grid.x0) * grid.nx)))
        for item in (one, other)
    ]
    top, left = (max(corner[0][axis], corner[1][axis]) for axis in (0, 1))
    bottom, right = (
        min(at[axis] + item.shape[1 + axis] for at, item in zip(corner, (one, other), strict=True))
        for axis in (0, 1)
    )
    if top >= bottom or left >= right:
        return counts.reshape(_BINS, _BINS)
    rows = max(1, _PIXELS // (len(days) * (right - left)))
    for start in range(top, bottom, rows):
        stop = min(start + rows, bottom)
        x, y = (
            item.isel(y=slice(start - at[0], stop - at[0]), x=slice(left - at[1], right - at[1])).values
            for at, item in zip(corner, (one, other), strict=True)
        )
        both = older.variables[variable].is_valid(x) & newer.variables[variable].is_valid(y)
        counts += np.bincount(x[both].astype(np.intp) * _BINS + y[both], minlength=_BINS * _BINS)
    return counts.reshape(_BINS, _BINS)
