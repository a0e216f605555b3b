"""Pixels in pieces: what is read and written at once, and where it lies on the ground."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import xarray as xr
from affine import Affine
from pyproj import CRS

from probav.exporting import ExportError

# dates, rows, columns: 48 MiB of float32. Multiples of the chunks of the files, so that none is written twice
BLOCK = {"time": 12, "y": 1024, "x": 1024}
_OFF = 1e-3  # of a pixel that coordinates may be off their grid


def blocks(array: xr.DataArray) -> Iterator[dict[str, slice]]:
    """Return the pieces of a variable, as slices by dimension."""
    sizes = {str(dim): size for dim, size in array.sizes.items()}
    steps = [range(0, size, BLOCK.get(dim, 1)) for dim, size in sizes.items()]
    for starts in itertools.product(*steps):
        yield {
            dim: slice(start, min(start + BLOCK.get(dim, 1), size))
            for start, (dim, size) in zip(starts, sizes.items(), strict=True)
        }


def crs_of(dataset: xr.Dataset) -> CRS:
    """Return the coordinate reference system of pixels.

    Raises
    ------
    ExportError
        If the dataset doesn't say it.
    """
    if "spatial_ref" not in dataset.variables:
        raise ExportError(
            "The dataset has no coordinate spatial_ref, which says its reference system. Take it over: "
            "dataset.assign_coords(spatial_ref=pixels.spatial_ref)."
        )
    return CRS.from_cf(dataset["spatial_ref"].attrs)


def transform_of(dataset: xr.Dataset) -> Affine:
    """Return the GDAL transform of pixels, from their coordinates: right for a part of a dataset, too.

    Raises
    ------
    ExportError
        If the coordinates are not evenly spaced, or a single pixel has no known size.
    """
    words = str(dataset["spatial_ref"].attrs.get("GeoTransform", "")) if "spatial_ref" in dataset else ""
    said = Affine.from_gdal(*map(float, words.split())) if words else None
    width, left = _axis(dataset, "x", None if said is None else (said.a, said.c))
    height, top = _axis(dataset, "y", None if said is None else (said.e, said.f))
    return Affine(width, 0, left, 0, height, top)


def _axis(dataset: xr.Dataset, dim: str, said: tuple[float, float] | None) -> tuple[float, float]:
    """Return the step and the outer edge of the first pixel along a dimension."""
    centres = np.asarray(dataset[dim].values, dtype=np.float64)
    if len(centres) > 1:
        step = float(centres[-1] - centres[0]) / (len(centres) - 1)
    elif said is not None:
        step = said[0]
    else:
        raise ExportError(f"The dataset has one pixel along {dim}, and nothing says how large it is.")
    even = centres[0] + step * np.arange(len(centres))
    if not step or np.abs(centres - even).max() > _OFF * abs(step):
        raise ExportError(f"The coordinates {dim} are not evenly spaced, but a raster's pixels are.")
    if said is not None:  # without the rounding of sums, if it is that of these pixels
        first = said[1] + said[0] / 2
        same_step = abs(step - said[0]) * len(centres) < _OFF * abs(step)
        if same_step and abs(first - centres[0]) < _OFF * abs(step):
            return said
        if same_step:
            step = said[0]
    return step, float(centres[0]) - step / 2
