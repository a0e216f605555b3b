"""What a file says of itself: the attributes of a dataset, fit for any format."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import xarray as xr

import probav


def attributes(dataset: xr.Dataset) -> dict[str, Any]:
    """Return a dataset's attributes as netCDF can hold them: text, numbers and arrays of numbers.

    The archive's URL loses user, password and query; `probav_version` is added where nobody said it.
    """
    found = {str(name): _storable(value) for name, value in dataset.attrs.items()}
    if "archive" in found:
        found["archive"] = without_credentials(str(found["archive"]))
    return {**found, "probav_version": found.get("probav_version", probav.__version__)}


def texts(dataset: xr.Dataset) -> dict[str, str]:
    """Return a dataset's attributes as text, a line each."""
    return {name: " ".join(str(value).split()) for name, value in attributes(dataset).items()}


def without_credentials(url: str) -> str:
    """Return a URL without user, password, query and fragment; a path as it is."""
    parts = urlsplit(url) if "://" in url else None
    if parts is None:
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def descriptions(dataset: xr.Dataset) -> dict[str, dict[str, str]]:
    """Return the long name and the unit of each variable that has them."""
    return {
        str(name): {key: str(array.attrs[key]) for key in ("long_name", "units") if key in array.attrs}
        for name, array in dataset.data_vars.items()
        if {"long_name", "units"} & set(array.attrs)
    }


def _storable(value: Any) -> Any:
    if isinstance(value, str | int | float | np.number) and not isinstance(value, bool):
        return value
    if isinstance(value, np.ndarray | list | tuple) and np.asarray(value).dtype.kind in "iuf":
        return np.asarray(value)
    return "" if value is None else str(value)
