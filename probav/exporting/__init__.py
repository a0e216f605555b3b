"""Results as files: tables, vector cubes and rasters, each with where it comes from inside."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from probav.choices import FILE_ENGINES
from probav.errors import ProbavError, QueryError, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

    from probav.archive import Progress

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


def export(
    dataset: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    by_date: bool = False,
    engine: str = "auto",
    progress: Progress | None = None,
) -> list[Path]:
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
    by_date : bool
        Give each date of pixels a file of its own: NAME_2016-07-01.tif, NAME_VARIABLE_2016-07-01.tif.
    engine : {"auto", "local", "spark"}
        Who writes the files of pixels, the same bytes each: threads of this process, or Spark's executors,
        which must see the folder. "auto" takes Spark where a session is running and promises to be faster.
    progress : callable, optional
        Called with blocks written, blocks in all, and 0.

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
    if engine not in FILE_ENGINES:
        raise QueryError(_no_engine(engine))
    target = check(path, kind, overwrite=True)
    module = import_module(f"probav.exporting.{FORMATS[kind][target.suffix.lower()]}")
    parts: dict[Path, xr.Dataset] = module.parts(dataset, target)
    if kind == "statistics":
        if by_date or engine == "spark":
            what = "by_date" if by_date else "engine='spark'"
            raise QueryError(f"{what} is for the pixels of load(); statistics are one file, written here.")
        files = list(parts)
    else:
        from probav.exporting.pixels import Export

        work = Export(module, parts, by_date, progress)
        files = [target.with_name(name) for name in work.names]
    try:
        for file in files:
            _refuse_existing(file, overwrite)
        with _beside(target) as folder:
            if kind == "statistics":
                module.write(parts[target], folder / target.name)
            else:
                work.write(folder, engine)
            for file in files:  # another process may have been faster
                _refuse_existing(file, overwrite)
            for file in files:
                (folder / file.name).replace(file)
    except ProbavError:
        raise
    except OSError as error:
        raise ExportError(f"Can't write {target}: {error}") from error
    return files


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Make a folder beside a file, so that the last step is a rename within one file system."""
    folder = Path(tempfile.mkdtemp(dir=target.parent.absolute(), prefix=f".{target.stem[:50]}-"))
    try:
        yield folder
    finally:
        gone = Path(f"{folder}-gone")
        with suppress(OSError):
            folder.rename(gone)  # an executor that goes on can't put anything there
        for left in (gone, folder):
            shutil.rmtree(left, ignore_errors=True)


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


def _no_engine(name: str) -> str:
    if name == "livy":
        return (
            "engine='livy' writes no files: a cluster behind Livy shares no folder with this machine. "
            "Use engine='local', or a Spark session whose executors see the folder (engine='spark')."
        )
    return f"There is no engine {name!r} to write files.{did_you_mean(name, FILE_ENGINES)}"


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
