"""The arrays of a result, filled as numbers come, and their labels."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from probav.archive import Product, opened
from probav.areas import Aoi
from probav.bins import BINS, code_table
from probav.choices import BY_TIME
from probav.coverage import Coverage
from probav.products import Variable
from probav.provenance import provenance
from probav.query import CLASSES, FACTORS, Query, stratum
from probav.reducers import plan
from probav.reducing import FIRST, Reduced

_COUNTS = {
    "count": "pixels of the zone, covered parts counted as such: valid + masked + nodata + outside",
    "valid": "pixels that count: they hold a value and the mask lets them through",
    "masked": "pixels that hold a value which the mask excludes",
    "nodata": "pixels of the archive that hold no value at this date",
    "outside": "pixels where the archive holds nothing at any date",
}
_NO_CLASS = CLASSES - 1
_PURE_NUMBERS = ("below", "above")


class Tables:
    """The arrays of a result."""

    def __init__(
        self,
        product: Product,
        query: Query,
        where: Aoi,
        pixels: Coverage,
        labels: NDArray[Any],
        by_time: str | None,
        coverage: str,
        *,
        single: bool,
    ) -> None:
        self._product, self._query, self._where, self._pixels = product, query, where, pixels
        self._labels, self._by_time, self._single = labels, by_time, single
        self._variables = [product.variables[name] for name in query.variables]
        self._found: dict[str, list[Reduced]] = defaultdict(list)
        variable = self._variables[0]
        several = "" if single else ", ".join(query.variables)
        dates = product.times[list(query.dates)]
        self.attributes: dict[str, Any] = {
            **provenance(product, "statistics", {
                "variable": list(query.variables), "time": [str(dates[0]), str(dates[-1])],
                "mask": query.mask, "by": list(query.by), "by_time": by_time,
                "reducers": list(query.reducers), "coverage": coverage, "weights": query.weights,
                "aoi": where.digest,
            }),
            "variable": several or variable.name,
            "long_name": several or variable.long_name,
            "units": variable.units if len({item.units for item in self._variables}) == 1 else "",
            "mask": query.mask or "", "by": ", ".join(query.by), "by_time": by_time or "",
            "coverage": coverage, "weights": query.weights,
        }  # fmt: skip

    def take(self, reduced: Reduced, weights: str) -> None:
        """Take final numbers over, of the query or of the one that counts areas."""
        self._found[weights].append(reduced)

    def dataset(self) -> xr.Dataset:
        """Return everything as a labelled dataset."""
        query = self._query
        found = self._found[query.weights]
        beyond = self._outside()
        groups = [part.groups for part in found]
        if beyond.any():
            groups.append(np.flatnonzero(beyond) * query.classes + (query.classes - 1))
        codes = np.unique(np.concatenate(groups) % query.classes)
        strata = [
            np.unique(codes // CLASSES ** (len(query.by) - 1 - level) % CLASSES)
            for level in range(len(query.by))
        ]
        place = np.zeros(query.classes, np.intp)
        place[codes] = _places(codes, strata)
        shape = (
            len(self._variables),
            len(self._where),
            int(np.prod([len(own) for own in strata])),
            query.times,
        )
        names = [*FIRST, *plan(query.reducers).names]
        histogram = self._histogram_values()
        room = np.full((*shape, len(names) + (0 if histogram is None else len(histogram))), np.nan)
        room[..., : len(FIRST)] = 0
        room[..., len(names) :] = 0
        for part in found:
            zone, code = part.groups // query.classes, place[part.groups % query.classes]
            room[part.variable, zone[None, :], code[None, :], part.positions[:, None]] = part.table
        arrays = {name: np.ascontiguousarray(room[..., column]) for column, name in enumerate(names)}
        arrays["outside"] = np.zeros(shape)
        dates = np.bincount(query.results)  # of each result in time
        arrays["outside"][:, :, place[codes[-1]]] = beyond[:, None] * dates
        arrays["count"] = arrays["valid"] + arrays["masked"] + arrays["nodata"] + arrays["outside"]
        with np.errstate(invalid="ignore", divide="ignore"):
            arrays["valid_fraction"] = np.where(arrays["count"] > 0, arrays["valid"] / arrays["count"], 0.0)
        if "area" in query.reducers:
            arrays["area"] = self._areas(shape, place)
        order = [name for name in query.reducers if name in arrays and name not in _COUNTS]
        data = {name: arrays[name] for name in (*order, *_COUNTS, "valid_fraction")}
        bins = None if histogram is None else (np.ascontiguousarray(room[..., len(names) :]), histogram)
        return self._labelled(data, strata, bins)

    def _outside(self) -> NDArray[np.float64]:
        """Weight of the pixels of each zone that lie beyond the archive; with strata they have no class."""
        if self._pixels.beyond is None:
            return np.zeros(len(self._where))
        factor, grid = FACTORS[self._query.weights], self._product.grid
        return self._pixels.beyond.totals(None if factor is None else lambda rows: factor(grid, rows))

    def _areas(self, shape: tuple[int, ...], place: NDArray[np.intp]) -> NDArray[np.float64]:
        classes, areas = self._query.classes, np.zeros(shape)
        for part in self._found["km2"]:
            zone, code = part.groups // classes, place[part.groups % classes]
            areas[part.variable, zone[None, :], code[None, :], part.positions[:, None]] = part.table[:, :, 0]
        return areas * self._product.grid.largest_km2

    def _histogram_values(self) -> NDArray[np.float64] | None:
        """Return the physical value of each bin, if histograms are asked for; all variables share them."""
        if "histogram" not in self._query.reducers:
            return None
        variable = self._variables[0]
        table = code_table(variable.is_valid(np.arange(BINS, dtype=np.uint8)))
        assert table is not None
        return variable.physical(table.dns.astype(np.float64))

    def _labelled(
        self,
        arrays: dict[str, NDArray[np.float64]],
        strata: list[NDArray[np.intp]],
        histogram: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    ) -> xr.Dataset:
        frame = self._where.frame
        names = ["class", "class2"][: len(strata)]
        dims = ["variable", "zone", *names, "time"]
        sizes = [len(self._variables), len(frame), *map(len, strata), self._query.times]
        if self._single:
            dims, sizes = dims[1:], sizes[1:]
        data: dict[str, Any] = {
            name: (dims, array.reshape(sizes), self._described(name)) for name, array in arrays.items()
        }
        coords: dict[str, Any] = {
            "zone": ("zone", frame.index.to_numpy(dtype=object).astype(str)),
            "name": ("zone", frame["name"].astype(str).to_numpy(dtype=object).astype(str)),
            "geometry": ("zone", shapely.from_wkb(shapely.to_wkb(frame.geometry.to_numpy()))),
            "time": self._times(),
        }
        if histogram is not None:
            data["histogram"] = (
                [*dims, "bin"],
                histogram[0].reshape([*sizes, -1]),
                self._described("histogram"),
            )
            coords["bin"] = ("bin", np.round(histogram[1], 12), {
                "long_name": self._variables[0].long_name, "units": self._variables[0].units,
            })  # fmt: skip
        if not self._single:
            coords["variable"] = ("variable", [item.name for item in self._variables])
            coords["units"] = ("variable", [item.units for item in self._variables])
        archive = opened(self._query.url, self._query.snapshot)
        for name, by, codes in zip(names, self._query.by, strata, strict=True):
            layer = stratum(by, archive, self._product.id)
            variable = archive[layer.product].variables[layer.variable]
            coords[name] = (name, codes.astype(np.int64), {"long_name": variable.long_name})
            words = [
                variable.flags.get(code, "no data" if code == _NO_CLASS else str(code))
                for code in codes.tolist()
            ]
            coords[f"{name}_name"] = (name, words)
        return xr.Dataset(data, coords, self.attributes)

    def _times(self) -> Any:
        if np.issubdtype(self._labels.dtype, np.datetime64):
            words = "first day of the period" if self._by_time is None else BY_TIME[self._by_time]
            return "time", self._labels.astype("datetime64[ns]"), {"long_name": words}
        return "time", self._labels, {"long_name": BY_TIME[self._by_time or ""]}

    def _described(self, name: str) -> dict[str, str]:
        pixels = "pixels" if self._by_time is None else "pixels times dates"
        if name in _COUNTS:
            return {"long_name": _COUNTS[name], "units": pixels}
        if name == "valid_fraction":
            return {"long_name": "valid / count", "units": "1"}
        if name == "area":
            return {"long_name": "area of the valid pixels", "units": "km2"}
        units, words = self.attributes["units"], self.attributes["long_name"]
        if name == "histogram":
            return {"long_name": f"valid pixels by value of {words}", "units": pixels}
        if name.startswith(_PURE_NUMBERS):
            side, _, value = name.partition("_")
            return {"long_name": f"fraction of the valid pixels with {words} {side} {value}", "units": "1"}
        if name == "var" and units not in ("1", ""):
            units = f"({units})2"
        return {"long_name": f"{name} of {words}", "units": units}


def has_bins(variable: Variable) -> bool:
    """Return whether each value of a variable has a bin of its own in a histogram."""
    return (
        variable.dtype == "uint8"
        and code_table(variable.is_valid(np.arange(BINS, dtype=np.uint8))) is not None
    )


def _places(codes: NDArray[np.intp], strata: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Where each class code is among the crossed strata."""
    place = np.zeros(len(codes), np.intp)
    for level, own in enumerate(strata):
        code = codes // CLASSES ** (len(strata) - 1 - level) % CLASSES
        place = place * len(own) + np.searchsorted(own, code)
    return place
