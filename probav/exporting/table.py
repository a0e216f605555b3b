"""Statistics as a table: a row a zone, class and date."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

# dimensions whose values stand side by side in a row: repeating a mean for each bin of a histogram, somebody
# would sum it up
ACROSS = ("bin", "bnds", "nv", "bounds")


def tidy(dataset: xr.Dataset) -> pd.DataFrame:
    """Return statistics as a table without geometry, one row a zone, class, variable and date.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `statistics` returned.

    Returns
    -------
    DataFrame
        Rows in the order of the dataset's dimensions. Columns: each dimension followed by what
        belongs to it (zone, name; class, class_name; time), then the statistics. A histogram has a column a
        bin, named "histogram_" and the bin's value.
    """
    flat = _spread(dataset.drop_vars([name for name in dataset.coords if name == "geometry"]))
    flat = flat.drop_vars([name for name, array in flat.variables.items() if not array.dims])
    rows = list(flat.dims)
    first = max((array.dims for array in flat.data_vars.values()), key=len, default=())
    rows.sort(key=lambda dim: first.index(dim) if dim in first else len(first))
    frame = flat.to_dataframe(dim_order=rows).reset_index()
    columns: list[Any] = []
    for dim in rows:
        columns += [
            dim,
            *(name for name, array in flat.coords.items() if array.dims == (dim,) and name != dim),
        ]
    columns += [name for name in [*flat.coords, *flat.data_vars] if name not in columns]
    return frame[columns].set_axis([str(name) for name in columns], axis="columns")


def _spread(dataset: xr.Dataset) -> xr.Dataset:
    """Make a variable of each position along the dimensions that stand side by side."""
    for dim in ACROSS:
        if dim not in dataset.dims:
            continue
        labels = [_label(value) for value in dataset[dim].to_numpy()]  # positions, where it has no coordinate
        apart: dict[str, Any] = {}
        for name, array in dataset.data_vars.items():
            if dim in array.dims:
                for position, label in enumerate(labels):
                    apart[f"{name}_{label}"] = array.isel({dim: position}, drop=True).variable
            else:
                apart[str(name)] = array.variable
        kept = {name: array for name, array in dataset.coords.items() if dim not in array.dims}
        dataset = xr.Dataset(apart, kept, dataset.attrs)
    return dataset


def _label(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
