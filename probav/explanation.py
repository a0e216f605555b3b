"""Why a mask leaves pixels out: how many for each of its conditions, and how many for that one alone.

A mask is cut into the conditions that must all hold. Those on one 8-bit layer of classes or flags (the status
map) are told apart by counting per code of that layer, which gives the causes within "not clear", too. The
others are told apart by one run of the engine for each combination of them: 2 runs for `clear & ndvi > 0.1`.
All of these runs count different pixels, so that every number is a sum of the engine's own exact counts; none
is a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product as combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from probav import areas
from probav.archive import Archive, Product, Progress, opened
from probav.errors import QueryError
from probav.masks import Layer, Mask, parse_mask
from probav.provenance import provenance
from probav.steps import Steps

_MOST_SEPARATE = 4  # conditions that aren't on the layer of codes: 16 runs
_CODES = np.arange(256, dtype=np.uint8)
_WORDS = {
    "pixels": "pixels that hold a value and fail for this reason, perhaps for others, too",
    "share": "pixels / count",
    "alone": "pixels that fail for this reason alone: what leaving it out of the mask would gain",
    "first": "pixels that fail for this reason and for none before it, in the order of the mask",
    "count": "pixels of the zone: valid + several + nodata + outside + alone of each condition",
    "valid": "pixels that hold a value and pass the mask",
    "several": "pixels that hold a value and fail more than one condition",
    "nodata": "pixels of the archive that hold no value at this date, whatever the mask",
    "outside": "pixels where the archive holds nothing at any date",
}


@dataclass(frozen=True)
class Reason:
    """Why a pixel may fail: a condition of the mask, or a cause within one.

    Attributes
    ----------
    name : str
        "not clear", or "not clear: cloud".
    term : int
        Which condition.
    codes : (256,) bool or None
        Where the cause is found, by code; None for the whole condition.
    """

    name: str
    term: int
    codes: NDArray[np.bool_] | None = None


class Conditions:
    """The conditions of a mask, and the layer whose codes tell most of them apart.

    Parameters
    ----------
    text : str
        Of the mask.
    product : Product
    archive : Archive
        The product's, at its snapshot.

    Raises
    ------
    MaskError, UnknownNameError
        If it is no mask.
    """

    def __init__(self, text: str, product: Product, archive: Archive) -> None:
        self.terms = parse_mask(text, product, archive).terms()
        self.layer = _layer_of_codes(self.terms, product, archive)
        self.tables = [
            term.evaluate({self.layer: _CODES}) if self.layer and term.layers == (self.layer,) else None
            for term in self.terms
        ]
        self.reasons = [
            reason
            for number, table in enumerate(self.tables)
            for reason in self._reasons(number, table, product)
        ]

    @property
    def separate(self) -> list[int]:
        """The conditions that the codes don't tell apart."""
        return [number for number, table in enumerate(self.tables) if table is None]

    @property
    def leaves(self) -> list[Reason]:
        """The causes of those conditions that have such, the other conditions themselves."""
        split = {reason.term for reason in self.reasons if reason.codes is not None}
        return [reason for reason in self.reasons if (reason.codes is not None) == (reason.term in split)]

    def _reasons(self, number: int, table: NDArray[np.bool_] | None, product: Product) -> Iterator[Reason]:
        name = self.terms[number].reason()
        yield Reason(name, number)
        if table is None or self.layer is None or self.layer.product != product.id:
            return
        rest = ~table
        for cause, flag in product.definition.masks.items():
            if flag.variable != self.layer.variable:
                continue
            codes = flag.is_set(_CODES)
            if codes.any() and not (codes & table).any() and (codes != ~table).any():
                yield Reason(f"{name}: {cause}", number, codes)
                rest &= ~codes
        if rest.any() and (rest != ~table).any():
            yield Reason(f"{name}: other", number, rest)


def explain_mask(
    product: Product,
    aoi: Any,
    time: Any = None,
    mask: str = "",
    *,
    variable: str | None = None,
    coverage: str = "fraction",
    engine: str = "auto",
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return how many pixels each condition of a mask leaves out, in each feature of an area, date by date.

    Parameters
    ----------
    product : Product
    aoi : Aoi, or anything `probav.aoi` takes
    time : str, date, pair or slice, optional
        Both ends included; all dates if not given.
    mask : str
        "clear & land & ndvi > 0.1" has three conditions; see `probav.masks`.
    variable : str, optional
        Whose values count; the product's main variable if not given.
    coverage : {"fraction", "centre", "touched"}
        How polygons cover pixels.
    engine : {"auto", "local", "spark"}
    progress : callable, optional
        Called with tasks done, tasks in all and bytes read.

    Returns
    -------
    xarray.Dataset
        `pixels`, `share`, `alone` and `first` (zone, reason, time), and `count`, `valid`, `several`, `nodata`
        and `outside` (zone, time), float64. A reason is a condition that fails ("not clear") or, where a
        status map says so, the cause of that ("not clear: cloud", with the coordinate `cause` true). Valid,
        several, no data, outside and `alone` of the conditions add up to the count; so do valid, no data,
        outside and `first`. `alone` of a cause counts pixels that fail this condition only, and of its causes
        have only this one.

    Raises
    ------
    MaskError, UnknownNameError
        If it is no mask; the message says what may have been meant.
    QueryError
        If it has more than four conditions that aren't about the codes of one layer, or if there are several
        variables.
    OutsideError, TimeError, AoiError
        As `Product.statistics`.
    """
    if variable is not None and not isinstance(variable, str):
        raise QueryError(f"A mask is explained for one variable, got {variable!r}; name one of them.")
    where = areas.aoi(aoi)
    conditions = Conditions(mask, product, opened(product.store.url, product.store.snapshot))
    runs = list(_runs(conditions))
    options: dict[str, Any] = {
        "variable": variable, "coverage": coverage, "engine": engine, "reducers": ("valid",),
        "by": _by(conditions.layer, product),
    }  # fmt: skip
    steps = Steps(progress, len(runs))
    counted: _Counts | None = None
    for text, passed in runs:
        found = product.statistics(where, time, text, progress=steps.of_run(), **options)
        counted = counted or _Counts(conditions, found)
        counted.add(found, passed)
    assert counted is not None
    result = counted.dataset()
    query = {
        "mask": mask, "variable": result.attrs["variable"], "coverage": coverage, "aoi": where.digest,
        "time": [str(day)[:10] for day in result["time"].to_numpy()[[0, -1]]],
    }  # fmt: skip
    result.attrs |= {**provenance(product, "explain_mask", query), "mask": mask, "coverage": coverage}
    return result


def mask_table(explained: xr.Dataset) -> pd.DataFrame:
    """Return an explanation as a table, all dates together, the most frequent reason first.

    Parameters
    ----------
    explained : xarray.Dataset
        As `explain_mask` returns it.

    Returns
    -------
    DataFrame
        (zone, name where there are several zones,) reason, pixels, share, alone; causes stand beneath their
        condition. Then valid pixels, those without data and those outside, which have no `alone`.
    """
    total = explained.drop_vars(["geometry", "share", "first"], errors="ignore").sum("time")
    several = explained.sizes["zone"] > 1
    rows = []
    for zone in range(explained.sizes["zone"]):
        own = total.isel(zone=zone)
        count = float(own["count"])
        labels = {"zone": str(own["zone"].item()), "name": str(own["name"].item())} if several else {}
        for reason, pixels, alone in _sorted(own):
            share = pixels / count if count else 0.0
            rows.append({**labels, "reason": reason, "pixels": pixels, "share": share, "alone": alone})
    return pd.DataFrame(rows)


def _sorted(own: xr.Dataset) -> Iterator[tuple[str, float, float]]:
    pixels, alone = own["pixels"].to_numpy(), own["alone"].to_numpy()
    names, terms, cause = (own[name].to_numpy() for name in ("reason", "term", "cause"))
    whole = {terms[i]: pixels[i] for i in np.flatnonzero(~cause)}
    order = sorted(range(len(names)), key=lambda i: (-whole[terms[i]], str(terms[i]), cause[i], -pixels[i]))
    for i in order:
        if pixels[i] > 0 or not cause[i]:
            yield str(names[i]), float(pixels[i]), float(alone[i])
    for name, words in (("valid", "valid"), ("nodata", "no data"), ("outside", "outside of the archive")):
        if name != "outside" or own[name] > 0:
            yield words, float(own[name]), np.nan


class _Counts:
    """Sums over the runs, of which each counts other pixels."""

    def __init__(self, conditions: Conditions, found: xr.Dataset) -> None:
        self._conditions, self._found = conditions, found
        self._first = found.sum("class") if "class" in found.dims else found
        shape = found.sizes["zone"], len(conditions.reasons), found.sizes["time"]
        self._pixels, self._alone, self._first_of = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._valid, self._several = np.zeros((shape[0], shape[2])), np.zeros((shape[0], shape[2]))

    def add(self, found: xr.Dataset, passed: dict[int, bool]) -> None:
        """Add the counts of those pixels that pass some of the conditions and fail others."""
        if "class" not in found.dims:
            self._add(found["valid"].to_numpy(), passed, None)
            return
        values = found["valid"].transpose("class", "zone", "time").to_numpy()
        for code, counts in zip(found["class"].to_numpy().tolist(), values, strict=True):
            tables = enumerate(self._conditions.tables)
            own = {number: bool(table[code]) for number, table in tables if table is not None}
            self._add(counts, passed | own, code)

    def _add(self, counts: NDArray[np.float64], passed: dict[int, bool], code: int | None) -> None:
        failed = {number for number, passes in passed.items() if not passes}
        if not failed:
            self._valid += counts
        elif len(failed) > 1:
            self._several += counts
        here = [
            index
            for index, reason in enumerate(self._conditions.reasons)
            if reason.term in failed and (reason.codes is None or reason.codes[code])
        ]
        causes = [index for index in here if self._conditions.reasons[index].codes is not None]
        for index in here:
            self._pixels[:, index] += counts
            is_cause = self._conditions.reasons[index].codes is not None
            if self._conditions.reasons[index].term == min(failed) and (not is_cause or index == causes[0]):
                self._first_of[:, index] += counts
            if len(failed) == 1 and (not is_cause or len(causes) == 1):
                self._alone[:, index] += counts

    def dataset(self) -> xr.Dataset:
        """Return all counts, labelled."""
        found, first = self._found, self._first
        reasons = self._conditions.reasons
        count = first["count"].to_numpy()
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(count[:, None] > 0, self._pixels / count[:, None], 0.0)
        cube, flat = ("zone", "reason", "time"), ("zone", "time")
        data = {
            "pixels": (cube, self._pixels), "share": (cube, share), "alone": (cube, self._alone),
            "first": (cube, self._first_of),
            "count": (flat, count), "valid": (flat, self._valid), "several": (flat, self._several),
            "nodata": (flat, first["nodata"].to_numpy()), "outside": (flat, first["outside"].to_numpy()),
        }  # fmt: skip
        coords = {
            **{name: found[name] for name in ("zone", "name", "geometry", "time")},
            "reason": [reason.name for reason in reasons],
            "term": ("reason", [self._conditions.terms[reason.term].text for reason in reasons]),
            "cause": ("reason", [reason.codes is not None for reason in reasons]),
        }
        described = {
            name: (*given, {"long_name": _WORDS[name], "units": "1" if name == "share" else "pixels"})
            for name, given in data.items()
        }
        kept = {name: found.attrs[name] for name in ("variable", "long_name")}
        return xr.Dataset(described, coords, kept)


def _runs(conditions: Conditions) -> Iterator[tuple[str | None, dict[int, bool]]]:
    """Yield the mask of each run, and which conditions its pixels pass and fail."""
    separate = conditions.separate
    if len(separate) > _MOST_SEPARATE:
        texts = ", ".join(conditions.terms[number].text for number in separate)
        raise QueryError(
            f"The mask has {len(separate)} conditions that take a run each way ({texts}); at most "
            f"{_MOST_SEPARATE} can be told apart. Leave some out, or write 0.1 < ndvi < 0.9 for two in one."
        )
    for passes in combinations((True, False), repeat=len(separate)):
        passed = dict(zip(separate, passes, strict=True))
        parts = [
            f"({conditions.terms[number].text})" if holds else f"~({conditions.terms[number].text})"
            for number, holds in passed.items()
        ]
        yield " & ".join(parts) or None, passed


def _layer_of_codes(terms: Sequence[Mask], product: Product, archive: Archive) -> Layer | None:
    """Return the 8-bit layer of classes or flags that most conditions are about, the product's own first."""
    about: dict[Layer, int] = {}
    for term in terms:
        if len(term.layers) == 1:
            layer = term.layers[0]
            variable = archive[layer.product].variables[layer.variable]
            if variable.kind != "continuous" and variable.dtype == "uint8":
                about[layer] = about.get(layer, 0) + 1
    return max(about, key=lambda layer: (layer.product == product.id, about[layer]), default=None)


def _by(layer: Layer | None, product: Product) -> str | None:
    if layer is None:
        return None
    return layer.variable if layer.product == product.id else layer.product
