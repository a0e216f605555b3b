"""Pixels as several files: who writes which together, and how one appears, whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from probav.exporting import ExportError
from probav.exporting.blocks import blocks

Step = Callable[[], object]
"""Called after each block and each file; raises where nobody waits any more."""
_TOGETHER = 12  # dates: a chunk of an archive holds as many, and is decoded whole for each of them
_HELD = 128 * 2**20  # bytes of pixels that are read once for several files


@dataclass(frozen=True)
class Piece:
    """Files that are written one after the other.

    Attributes
    ----------
    part : str
        Which of the datasets they are from.
    first : int or None
        The position of the first file's date, where each has one.
    names : tuple of str
    """

    part: str
    first: int | None
    names: tuple[str, ...]


def cut(parts: dict[Path, xr.Dataset], by_date: bool, at_once: int) -> list[Piece]:
    """Return the pieces of datasets, enough of them for so many writers.

    Raises
    ------
    ExportError
        If there are no dates, or two with one name.
    """
    if not by_date:
        return [Piece(file.name, None, (file.name,)) for file in parts]
    pieces = []
    for file, part in parts.items():
        if "time" not in part.dims:
            raise ExportError(f"Can't write {file} by date: the dataset has no dimension time.")
        names = [f"{file.stem}_{date}{file.suffix}" for date in _dates(part)]
        if len({*names}) < len(names):
            raise ExportError(f"Can't write {file} by date: two of its dates are the same to the second.")
        fitting = _HELD * len(names) // max(1, part.nbytes)
        size = max(1, min(_TOGETHER, fitting, len(names) * len(parts) // max(1, at_once)))
        pieces += [
            Piece(file.name, first, tuple(names[first : first + size]))
            for first in range(0, len(names), size)
        ]
    return pieces


def steps(part: xr.Dataset, by_date: bool) -> int:
    """Return how often `write` calls its `step` for a dataset: a block, a file."""
    arrays = [array for array in part.data_vars.values() if {"y", "x"} <= set(array.dims)]
    if by_date:
        times = part.sizes["time"]
        return times * (1 + sum(_blocks(array.isel(time=slice(1))) for array in arrays))
    return 1 + sum(map(_blocks, arrays))


def write(module: Any, part: xr.Dataset, piece: Piece, folder: Path, step: Step) -> None:
    """Write the files of a piece into a folder, each beside its place first: there is never half a file."""
    if piece.first is not None:
        part = part.isel(time=slice(piece.first, piece.first + len(piece.names)))
        if len(piece.names) > 1:
            part = part.compute()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".", ignore_cleanup_errors=True) as own:
        for number, name in enumerate(piece.names):
            new = Path(own) / name
            module.write(part if piece.first is None else part.isel(time=[number]), new, step)
            os.replace(new, folder / name)
            step()


def _dates(part: xr.Dataset) -> list[str]:
    times = part["time"].values
    if times.dtype.kind == "M":
        days = times.astype("datetime64[D]")
        times = days if (times == days).all() else times.astype("datetime64[s]")
    return [re.sub(r"[^\w.-]", "_", str(time)) for time in np.asarray(times)]


def _blocks(array: xr.DataArray) -> int:
    return sum(1 for _ in blocks(array))
