"""How dates stand in netCDF files."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr


def time_encoding(dataset: xr.Dataset) -> dict[Any, dict[str, Any]]:
    """Return xarray's encoding of the coordinate time: whole days since 1970; its own choice for hours."""
    if "time" not in dataset.variables or dataset["time"].dtype.kind != "M":
        return {}
    times = dataset["time"].values
    if (times != times.astype("datetime64[D]")).any():
        return {}
    words = {"units": "days since 1970-01-01", "calendar": "standard", "dtype": np.dtype("int32")}
    return {"time": words}
