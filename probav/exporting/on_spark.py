"""Files written by the executors of a Spark session, whole ones, into a folder that all of them see.

What goes out says which pixels and which file; what comes back are names and sizes. The folder is one that
this process has just made, so that an executor which doesn't see it says so.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import rasterio
import xarray as xr

from probav import metering
from probav.errors import EngineError, ProbavError
from probav.execution import spark
from probav.exporting.pieces import Piece, write

_ADVICE = "name a file in a folder that all executors see under the same path, or use engine='local'."


def travels(parts: Mapping[str, xr.Dataset]) -> bool:
    """Return whether datasets say what to read, instead of holding pixels."""
    return all(
        _innermost(array.variable._data)
        for part in parts.values()
        for array in part.data_vars.values()
        if {"y", "x"} <= set(array.dims)
    )


def _innermost(data: Any) -> bool:
    while hasattr(data, "array"):
        data = data.array
    return getattr(data, "descriptor", False) is True


def write_all(
    module: Any,
    parts: Mapping[str, xr.Dataset],
    pieces: list[Piece],
    folder: Path,
    tick: Callable[[float], None],
) -> None:
    """Write pieces into a folder; parameters as those of the local engine.

    Raises
    ------
    EngineError
        If Spark can't start, the job fails, or this process doesn't see what an executor wrote.
    """
    shared = pickle.dumps((_versions(), str(folder), module.__name__, pickle.dumps(parts)))
    payloads = [pickle.dumps(piece) for piece in pieces]
    for _, size, name in spark.each(f"{__name__}:write_one", payloads, shared, tick):
        if not name:
            metering.executors_read(size)
            continue
        file = folder / name.decode()
        found = file.stat().st_size if file.is_file() else None
        if found != size:
            seen = "no such file" if found is None else f"{found} bytes"
            raise EngineError(
                f"An executor wrote {file.name} ({size} bytes) beneath {folder.parent}, but this process "
                f"finds {seen} there: {_ADVICE}"
            )


def write_one(shared: bytes, payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Write a piece, on an executor; yield size and name of each file, and what was read under no name."""
    versions, path, module, parts = pickle.loads(shared)  # noqa: S301 - our own, carried by Spark
    where = f"probav: the executor on {socket.gethostname()}"
    if versions != _versions():
        raise RuntimeError(
            f"{where} has {_listed(_versions())}, the notebook {_listed(versions)}, which may write other "
            "bytes: give the executors the notebook's environment, or use engine='local' (docs/clusters.md)."
        )
    folder = Path(path)
    if not folder.is_dir():
        raise RuntimeError(f"{where} doesn't see {folder.parent} as the notebook does: {_ADVICE}")

    def step() -> None:
        if not folder.is_dir():
            raise RuntimeError(f"{where} stops: the export was ended.")

    piece: Piece = pickle.loads(payload)  # noqa: S301
    try:
        with metering.tally() as sizes:
            write(import_module(module), _opened(parts)[piece.part], piece, folder, step)
    except ProbavError:
        raise
    except OSError as error:
        raise RuntimeError(
            f"{where} can't write to {folder.parent}: {' '.join(str(error).split())}"
        ) from error
    for name in piece.names:
        yield (folder / name).stat().st_size, name.encode()
    yield sum(sizes), b""


@lru_cache(maxsize=2)
def _opened(parts: bytes) -> dict[str, xr.Dataset]:
    found: dict[str, xr.Dataset] = pickle.loads(parts)  # noqa: S301
    return found


def _versions() -> dict[str, str]:
    """Return the versions of what pixels travel in and of what writes them."""
    return {
        "xarray": xr.__version__,
        "GDAL": rasterio.__gdal_version__,
        "HDF5": h5py.version.hdf5_version,
    }


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
