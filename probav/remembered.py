"""Results kept on the disk under snapshot and query: what can't change need not be computed again.

A snapshot never changes, so a result is that of its query for ever. Files are plain NumPy archives in
$PROBAV_RESULTS, or the user's cache folder; the oldest go when they take more than $PROBAV_RESULTS_BYTES
(1 GiB if that isn't set). A file that can't be read is computed anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import shapely
import xarray as xr

from probav.areas import Aoi

_GEOMETRY = "geometry"  # comes from the area


def folder() -> Path:
    """Return where results are kept."""
    given = os.environ.get("PROBAV_RESULTS")
    return Path(given) if given else Path(platformdirs.user_cache_dir("probav")) / "results"


def result(attributes: dict[str, Any], where: Aoi, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
    """Return the result with these attributes from the disk, else compute and keep it.

    Parameters
    ----------
    attributes : dict
        Of the result: archive, snapshot, query, version and area's digest among them.
    where : Aoi
    compute : callable
    """
    key = hashlib.blake2b(json.dumps([attributes, where.digest], sort_keys=True).encode(), digest_size=16)
    path = folder() / f"{key.hexdigest()}.npz"
    with contextlib.suppress(Exception):  # not there, or damaged in whatever way
        found = _read(path, where)
        path.touch()  # the oldest go first
        return found
    made = compute()
    with contextlib.suppress(OSError):  # a full disk costs the copy, not the result
        _write(path, made)
        _tidy(path.parent)
    return made


def _read(path: Path, where: Aoi) -> xr.Dataset:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        described = json.loads(str(arrays["described"]))
        variables: dict[str, Any] = {
            name: (dims, arrays[name], attributes)
            for name, (dims, attributes) in described["variables"].items()
        }
    variables[_GEOMETRY] = ("zone", shapely.from_wkb(shapely.to_wkb(where.frame.geometry.to_numpy())))
    # names are no part of the key: those of this area, not of the one that was asked first
    variables["name"] = ("zone", where.frame["name"].astype(str).to_numpy(dtype=object).astype(str))
    coords = {name: variables[name] for name in described["coords"]}
    return xr.Dataset({name: variables[name] for name in described["data"]}, coords, described["attributes"])


def _write(path: Path, dataset: xr.Dataset) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [str(name) for name in dataset.variables if name != _GEOMETRY]
    described = {
        "variables": {name: [list(dataset[name].dims), dataset[name].attrs] for name in kept},
        "data": list(dataset.data_vars), "coords": list(dataset.coords), "attributes": dataset.attrs,
    }  # fmt: skip
    arrays: dict[str, Any] = {name: dataset[name].values for name in kept}
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            np.savez(file, described=np.array(json.dumps(described)), **arrays)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _tidy(where: Path) -> None:
    given = os.environ.get("PROBAV_RESULTS_BYTES", "")
    room = int(given) if given.isdigit() else 1 << 30
    files = sorted(
        ((path.stat(), path) for path in where.glob("*.npz")), key=lambda item: -item[0].st_mtime_ns
    )
    for status, path in files:
        room -= status.st_size
        if room < 0:
            path.unlink(missing_ok=True)
