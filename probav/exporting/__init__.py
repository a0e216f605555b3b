"""Results as files: tables, vector cubes and rasters, each with where it comes from inside."""

from __future__ import annotations

import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from probav.errors import ProbavError, QueryError, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ExportError", "check", "export"]

Kind = Literal["statistics", "pixels"]
# kind of result -> suffix -> module that writes it
FORMATS: dict[Kind, dict[str, str]] = {
    "statistics": {".csv": "text", ".parquet": "parquet", ".geoparquet": "parquet", ".nc": "vector_cube"},
    "pixels": {".nc": "raster_cube", ".tif": "cog", ".tiff": "cog"},
}
_CALLS = {"statistics": "statistics()", "pixels": "load()"}


class ExportError(ProbavError, ValueError):
    """A result can't be written to a file of this name or format; nothing was written."""


def export(dataset: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> list[Path]:
    """Write what `statistics` or `load` returned to a file, whose suffix says the format.

    Statistics go to .csv, .parquet or .geoparquet (GeoParquet 1.1) and .nc (CF vector data cube); pixels to
    .nc (CF) and .tif or .tiff (Cloud Optimized GeoTIFF, one band a date). Pixels are read and written block
    by block. The dataset's attributes (product, snapshot, query, citation and so on) are in every file.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the dimension zone, or with y and x.
    path : path-like
        A GeoTIFF holds one variable: of several, each gets a file of its own, NAME_VARIABLE.tif.
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ExportError
        If a file exists, the suffix is unknown or doesn't fit the result, the folder doesn't exist or can't
        be written, or the format can't hold the result. Files that existed are as they were then.
    MissingExtraError
        If the format needs a library that is not installed.
    """
    kind = _kind(dataset)
    target = check(path, kind, overwrite=True)
    module = import_module(f"probav.exporting.{FORMATS[kind][target.suffix.lower()]}")
    parts: dict[Path, xr.Dataset] = module.parts(dataset, target)
    try:
        for file in parts:
            _refuse_existing(file, overwrite)
        # beside the target, so that the last step is a rename within one file system
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem[:50]}-") as folder:
            made = {Path(folder) / file.name: file for file in parts}
            for new, part in zip(made, parts.values(), strict=True):
                module.write(part, new)
            for file in parts:  # another process may have been faster
                _refuse_existing(file, overwrite)
            for new, file in made.items():
                new.replace(file)
    except ProbavError:
        raise
    except OSError as error:
        raise ExportError(f"Can't write {target}: {error}") from error
    return list(parts)


def check(path: str | os.PathLike[str], kind: Kind, *, overwrite: bool = False) -> Path:
    """Return the path of a file to write, after what can be said of it before there is a result.

    Parameters
    ----------
    path : path-like
    kind : {"statistics", "pixels"}
    overwrite : bool

    Raises
    ------
    ExportError
        As `export`.
    """
    target = Path(path).expanduser()
    suffix = target.suffix.lower()
    fitting = FORMATS[kind]
    if suffix not in fitting:
        known = {name for formats in FORMATS.values() for name in formats}
        if suffix in known:
            (other,) = (name for name, formats in FORMATS.items() if suffix in formats)
            raise ExportError(
                f"{target} would hold {other}, what {_CALLS[other]} returns; this is a result of "
                f"{_CALLS[kind]}, which goes to {_listed(fitting)}."
            )
        found = f"the suffix {suffix!r}, which names no format" if suffix else "no suffix"
        near = did_you_mean(suffix, fitting) if suffix else ""
        near = near if near.startswith(" Did") else ""
        raise ExportError(f"{target} has {found}; results of {_CALLS[kind]} go to {_listed(fitting)}.{near}")
    if not target.parent.is_dir():
        raise ExportError(f"Can't write {target}: there is no folder {target.parent}. Make it first.")
    _refuse_existing(target, overwrite)
    return target


def _kind(dataset: xr.Dataset) -> Kind:
    dims = set(getattr(dataset, "dims", ()))
    if not hasattr(dataset, "data_vars"):
        what = f"a {type(dataset).__name__}"
    elif "zone" in dims:
        return "statistics"
    elif {"y", "x"} <= dims:
        return "pixels"
    else:
        what = f"a dataset with the dimensions {', '.join(map(repr, dataset.dims)) or 'none'}"
    raise QueryError(
        f"Can't export {what}; expected the xarray.Dataset of statistics() (with 'zone') or load() (with 'y' "
        "and 'x'). One variable NAME of it is dataset[[NAME]]."
    )


def _refuse_existing(file: Path, overwrite: bool) -> None:
    if file.is_dir():
        raise ExportError(f"{file} is a folder; name a file in it.")
    if not overwrite and (file.exists() or file.is_symlink()):
        raise ExportError(
            f"{file} exists and was left as it is. Take another name, or say overwrite=True (--overwrite)."
        )


def _listed(names: dict[str, str]) -> str:
    *head, last = names
    return f"{', '.join(head)} or {last}"
