"""What a chart of statistics over time shows, whatever draws it: panels, lines, words and a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from probav.errors import ProbavError
from probav_extensions.colours import LINES

ENOUGH = 0.5  # of the pixels valid: a value of fewer is marked
MAX_BANDS = 3  # more spreads than these hide each other
_MAX_LINES = len(LINES)
_MAX_PANELS = 6
_MIDDLES = ("mean", "p50", "median", "max", "min", "std")
_SPREADS = (("p10", "p90"), ("p25", "p75"), ("p5", "p95"), ("min", "max"))


@dataclass(frozen=True)
class Shown:
    """What is drawn of a series of one variable.

    Attributes
    ----------
    series : xarray.Dataset
        With one stratum at most.
    middle : str
        The reducer that lines show.
    spread : (str, str) or None
        Those that a band lies between; None where there are none, or too many lines.
    panels : list of (str, list of (str, xarray.Dataset))
        Titles, and in each the labels and the series over time of its lines.
    left_out : list of str
        What is not drawn, in words.
    second : Second or None
        What is drawn on an axis of its own.
    """

    series: xr.Dataset
    middle: str
    spread: tuple[str, str] | None
    panels: list[tuple[str, list[tuple[str, xr.Dataset]]]]
    left_out: list[str]
    second: Second | None = None

    @classmethod
    def of(cls, series: xr.Dataset, secondary: xr.Dataset | None = None) -> Shown:
        """Choose what to draw of statistics of one variable, as `Product.statistics` returns them."""
        series = _crossed(series.drop_dims("bin", errors="ignore"))
        middle = next((name for name in _MIDDLES if name in series), None) or _first_reducer(series)
        spread = next((pair for pair in _SPREADS if pair[0] in series and pair[1] in series), None)
        panels, left_out = _panels(series)
        bands = max(len(lines) for _, lines in panels) <= MAX_BANDS
        second = None if secondary is None else Second.of(secondary, panels, "class" in series.dims)
        return cls(series, middle, spread if bands else None, panels, left_out, second)

    @property
    def labels(self) -> list[str]:
        """The labels of the lines of a panel."""
        return [text for text, _ in self.panels[0][1]]

    @property
    def notes(self) -> list[str]:
        """Where the numbers come from, and what is left out."""
        second = [] if self.second is None else [provenance(self.second.series), *self.second.left_out]
        return [provenance(self.series), *second, *self.left_out]

    @property
    def alt(self) -> str:
        """What the chart shows, in a sentence or two."""
        words = alt(self.series, self.middle)
        if self.second is None:
            return words
        return f"{words} With it: {alt(self.second.series, self.second.middle)}"

    def empty(self, number: int) -> NDArray[Any]:
        """Return the dates on which no line of a panel has a valid pixel."""
        lines = [line for _, line in self.panels[number][1]]
        nothing = np.logical_and.reduce([line["valid"].to_numpy() == 0 for line in lines])
        times: NDArray[Any] = lines[0]["time"].to_numpy()
        return times[nothing]

    @property
    def shares(self) -> list[tuple[str, xr.Dataset]]:
        """The shares of valid pixels: of each line, or of each whole panel where there are several."""
        if len(self.panels) == 1:
            return self.panels[0][1]
        return [(title, _whole(panel)) for title, panel in self.panels]


@dataclass(frozen=True)
class Second:
    """A second variable on an axis of its own: rainfall beneath a vegetation index.

    Attributes
    ----------
    series : xarray.Dataset
    middle : str
        The reducer shown.
    panels : list of (list of (str, xarray.Dataset))
        The lines of each panel of the first variable.
    bars : bool
        Whether it is drawn as bars from zero: amounts of an only zone.
    left_out : list of str
    """

    series: xr.Dataset
    middle: str
    panels: list[list[tuple[str, xr.Dataset]]]
    bars: bool
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, series: xr.Dataset, panels: list[tuple[str, list[tuple[str, xr.Dataset]]]], by_zone: bool
    ) -> Second:
        """Choose what to draw of a second variable, zone by zone as the first.

        Raises
        ------
        ProbavError
            If it is split into classes, or its time is of another kind.
        """
        series = series.drop_dims("bin", errors="ignore")
        if "class" in series.dims or "variable" in series.dims:
            raise ProbavError(
                "The secondary series of a chart is one variable without classes; this one, "
                f"{heading(series)}, has dimensions {', '.join(map(str, series.dims))}. Compute it for one "
                "variable, without by=."
            )
        if are_dates(series) != are_dates(panels[0][1][0][1]):
            raise ProbavError(
                "The two series of a chart have different times: one has dates, the other periods of any "
                "year. Compute both with the same by_time=."
            )
        middle = next((name for name in ("sum", *_MIDDLES) if name in series), None) or _first_reducer(series)
        zones = {str(key): n for n, key in enumerate(series["zone"].to_numpy())}
        names = _names(series, "zone", "name")

        def of(line: xr.Dataset) -> int | None:
            return 0 if len(zones) == 1 else zones.get(str(line["zone"].item()))

        wanted = [[of(lines[0][1])] if by_zone else [of(line) for _, line in lines] for _, lines in panels]
        if len(zones) == 1:
            wanted = [[0] for _ in panels]
        missing = sum(zone is None for one in wanted for zone in one)
        left_out = [f"{missing} zones have no {heading(series)}."] if missing else []
        chosen = [
            [(names[zone], series.isel(zone=zone)) for zone in one if zone is not None] for one in wanted
        ]
        bars = max(map(len, chosen)) <= 1 and str(series.attrs.get("units", "")).startswith(("mm", "kg"))
        return cls(series, middle, chosen, bars, left_out)

    @property
    def days(self) -> float:
        """The width of a bar in days, or periods: a little less than the shortest step."""
        steps = np.diff(self.series["time"].to_numpy())
        if not len(steps):
            return 5.0
        step = steps.min()
        return float(step / np.timedelta64(1, "D") if are_dates(self.series) else step) * 0.85


def series_of_each(series: xr.Dataset) -> list[xr.Dataset]:
    """Return the statistics of each variable, as one dataset a variable of its own name and units."""
    if "variable" not in series.dims:
        return [series]
    found = []
    for name in series["variable"].to_numpy():
        one = series.sel(variable=name)
        own = {"variable": str(name), "long_name": str(name), "units": str(one["units"].item())}
        found.append(one.drop_vars(["variable", "units"]).assign_attrs(own))
    return found


def series_table(series: xr.Dataset) -> pd.DataFrame:
    """Return statistics as a flat table, a row a variable, zone, class and date, without the geometries."""
    series = series.drop_vars("geometry", errors="ignore")
    flat = series.drop_dims("bin", errors="ignore").to_dataframe().reset_index()
    keys = ("variable", "zone", "name", "class", "class_name", "class2", "class2_name", "time")
    names = [name for name in keys if name in flat]
    if "name" in names and (flat["name"].astype(str) == flat["zone"].astype(str)).all():
        names.remove("name")
    counts = ("valid", "valid_fraction", "masked", "nodata", "outside", "count")
    rest = [name for name in series.data_vars if name not in counts and name in flat]
    ordered = [*names, *rest, *(name for name in counts if name in flat)]
    flat = flat[ordered].rename(columns={"time": "date"})
    if are_dates(series):
        flat["date"] = flat["date"].dt.strftime("%Y-%m-%d")
    return flat


def are_dates(series: xr.Dataset) -> bool:
    """Return whether time is a date, and not a dekad or month of any year."""
    return np.issubdtype(series["time"].dtype, np.datetime64)


def _crossed(series: xr.Dataset) -> xr.Dataset:
    """Make one stratum of two."""
    if "class2" not in series.dims:
        return series
    pairs = [
        f"{one}, {other}"
        for one in series["class_name"].to_numpy()
        for other in series["class2_name"].to_numpy()
    ]
    apart = series.drop_vars(["class_name", "class2_name"])
    flat = apart.stack(both=("class", "class2"))  # noqa: PD013 - of xarray
    flat = flat.drop_vars(["both", "class", "class2"]).rename(both="class")
    flat = flat.assign_coords({"class": np.arange(len(pairs)), "class_name": ("class", pairs)})
    return flat.transpose("zone", "class", "time", ...)


def _first_reducer(series: xr.Dataset) -> str:
    counts = {"count", "valid", "masked", "nodata", "outside", "valid_fraction"}
    return str(next((name for name in series.data_vars if name not in counts), "valid_fraction"))


def _panels(series: xr.Dataset) -> tuple[list[tuple[str, list[tuple[str, xr.Dataset]]]], list[str]]:
    """Return (title, [(label, one series over time)]) a panel, and what had to be left out, in words."""
    zones = _names(series, "zone", "name")
    left_out = []
    if "class" not in series.dims:
        if len(zones) > _MAX_LINES:
            left_out.append(f"The first {_MAX_LINES} of {len(zones)} zones; all are in the dataset.")
        lines = [(name, series.isel(zone=i)) for i, name in enumerate(zones[:_MAX_LINES])]
        return [(_title(zones), lines)], left_out
    valid = series["valid"].sum(("zone", "time")).to_numpy()
    order = [int(i) for i in np.argsort(-valid, kind="stable")[:_MAX_LINES] if valid[i] > 0] or [0]
    if len(order) < (valid > 0).sum():
        left_out.append(f"The {len(order)} largest of {(valid > 0).sum()} classes; all are in the dataset.")
    if len(zones) > _MAX_PANELS:
        left_out.append(f"The first {_MAX_PANELS} of {len(zones)} zones; all are in the dataset.")
    classes = _names(series, "class", "class_name")
    return [
        (
            name if len(zones) > 1 else _title(zones),
            [(classes[c], series.isel({"zone": z, "class": c})) for c in order],
        )
        for z, name in enumerate(zones[:_MAX_PANELS])
    ], left_out


def _title(zones: list[str]) -> str:
    """Return the name of an only zone, unless it is a number for want of a name."""
    return zones[0] if len(zones) == 1 and not zones[0].isdecimal() else ""


def _names(series: xr.Dataset, dim: str, coordinate: str) -> list[str]:
    """Return labels of a dimension: the names where they tell members apart, else the keys."""
    keys = [str(key) for key in series[dim].to_numpy()]
    names = [str(name) for name in series[coordinate].to_numpy()] if coordinate in series.coords else keys
    return [
        name if names.count(name) == 1 else f"{name} ({key})" for name, key in zip(names, keys, strict=True)
    ]


def _whole(panel: list[tuple[str, xr.Dataset]]) -> xr.Dataset:
    """Return the share of valid pixels of a panel that is split into lines."""
    names = ("valid", "masked", "nodata")
    total = sum(line[name].to_numpy() for _, line in panel for name in names)
    valid = sum(line["valid"].to_numpy() for _, line in panel)
    share = np.divide(valid, total, out=np.zeros_like(total, dtype=float), where=total > 0)
    return xr.Dataset({"valid_fraction": ("time", share)}, {"time": panel[0][1]["time"]})


def label(series: xr.Dataset, middle: str) -> str:
    """Return what an axis says: reducer, variable and units."""
    units = str(series.attrs.get("units", "1"))
    variable = str(series.attrs.get("variable", ""))
    return f"{middle} {variable}" + (f" [{units}]" if units not in ("", "1") else "")


def heading(series: xr.Dataset) -> str:
    """Return the title: what the variable is."""
    return str(series.attrs.get("long_name") or series.attrs.get("variable", ""))


def provenance(series: xr.Dataset) -> str:
    """Return where the numbers come from, in a line."""
    attrs = series.attrs
    parts = [str(attrs[name]) for name in ("product", "variable") if attrs.get(name)]
    parts += [f"{name}: {attrs[name]}" for name in ("mask", "by", "coverage", "snapshot") if attrs.get(name)]
    return " · ".join(parts)


def alt(series: xr.Dataset, middle: str) -> str:
    """Return what the chart shows, in a sentence."""
    values = series[middle].to_numpy()
    dates = [str(date)[:10] for date in series["time"].to_numpy()]
    span = f"{dates[0]} to {dates[-1]}" if dates else "no date"
    words = f"Chart: {middle} {series.attrs.get('variable', '')}, {span}, {series.sizes['zone']} zone(s)"
    if "class" in series.dims:
        words += f", {series.sizes['class']} classes"
    if np.isfinite(values).any():
        words += f"; values from {np.nanmin(values):.4g} to {np.nanmax(values):.4g}"
    return words + f". {provenance(series)}"
