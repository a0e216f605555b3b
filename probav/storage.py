"""The Icechunk repository under an archive: where it is, how it is opened, and how a change is committed.

One group a product; variables are `(time, y, x)` in their stored numbers with CF attributes, so that xarray
alone reads an archive. Nothing else of the package knows of Icechunk.
"""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import filelock
import numpy as np
import platformdirs
import zarr
from pyproj import CRS
from xarray.backends.zarr import FillValueCoder
from zarr.codecs import ZstdCodec

from probav.errors import ArchiveError, ProbavError
from probav.grid import Grid
from probav.products import ProductDefinition, Variable

os.environ.setdefault("ICECHUNK_LOG", "error")  # its warning on local disks is what our lock answers
import icechunk

TIME_CHUNK = 12  # dates; appending stays cheap and a long series still reads few chunks (design D2)
PIXEL_CHUNK = 280  # divides tiles of 1120, 3360 and 10080 pixels
SOURCE_CHUNK = 256
LOCK_SECONDS = 600
_EPOCH = np.datetime64("1970-01-01", "D")


def demo_path() -> Path:
    """Return where the demo archive of this user is, or will be."""
    return platformdirs.user_data_path("probav") / "demo-archive"


def default_url() -> str:
    """Return the archive a user means who names none: $PROBAV_ARCHIVE, else the local demo archive."""
    return os.environ.get("PROBAV_ARCHIVE") or str(demo_path())


def local_path(url: str) -> Path | None:
    """Return the folder of a path or file:// URL; None for an object store."""
    parsed = urlparse(url)
    if parsed.scheme == "file":
        return Path(url2pathname(parsed.path))
    return None if parsed.scheme == "s3" else Path(url).expanduser().absolute()


def _storage(url: str) -> Any:
    path = local_path(url)
    if path is not None:
        return icechunk.local_filesystem_storage(str(path))
    parsed = urlparse(url)
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    return icechunk.s3_storage(
        bucket=parsed.netloc,
        prefix=parsed.path.strip("/") or None,
        endpoint_url=endpoint,
        allow_http=bool(endpoint and endpoint.startswith("http://")),
        force_path_style=endpoint is not None,
        from_env=True,
    )


def _config() -> Any:
    """Return Icechunk's configuration, without the manifests it would read ahead of any need for them."""
    config = icechunk.RepositoryConfig.default()
    config.manifest = icechunk.ManifestConfig(preload=icechunk.ManifestPreloadConfig(max_total_refs=0))
    return config


class Store:
    """One archive's repository at one snapshot.

    Parameters
    ----------
    url : str
        Path, file:// or s3:// URL.
    snapshot, tag : str, optional
        What to pin to; the newest snapshot of the main branch otherwise.

    Raises
    ------
    ArchiveError
        If there is no archive, or no such snapshot or tag in it.
    """

    def __init__(self, url: str, snapshot: str | None = None, tag: str | None = None) -> None:
        self.url = url
        path = local_path(url)
        if path is not None and not path.is_dir():
            raise ArchiveError(
                f"There is no archive at {path}. Create the demo archive with `probav archive create-demo`, "
                "fill one with `probav archive ingest`, or name another with $PROBAV_ARCHIVE."
            )
        try:
            self._repository = icechunk.Repository.open(_storage(url), config=_config())
        except icechunk.IcechunkError as error:
            raise ArchiveError(
                f"{url} is no probav archive, or can't be read: {_first_line(error)}"
            ) from error
        try:
            if snapshot is not None:
                session = self._repository.readonly_session(snapshot_id=snapshot)
            elif tag is not None:
                session = self._repository.readonly_session(tag=tag)
            else:
                session = self._repository.readonly_session(branch="main")
        except (icechunk.IcechunkError, ValueError) as error:
            wanted = f"snapshot {snapshot!r}" if snapshot is not None else f"tag {tag!r}"
            raise ArchiveError(f"The archive {url} has no {wanted}: {_first_line(error)}") from error
        self.snapshot = str(session.snapshot_id)
        self.zarr_store = session.store
        try:
            self.root = zarr.open_group(session.store, mode="r")
        except FileNotFoundError as error:
            raise ArchiveError(f"{url} is an Icechunk repository, but no probav archive.") from error

    def tag(self, name: str) -> None:
        """Give this snapshot a name that stays.

        Raises
        ------
        ArchiveError
            If the tag exists or existed: Icechunk never gives a tag name twice.
        """
        with _lock(self.url):
            try:
                self._repository.create_tag(name, self.snapshot)
            except icechunk.IcechunkError as error:
                raise ArchiveError(f"Can't tag {self.snapshot} as {name!r}: {_first_line(error)}") from error

    def history(self) -> list[dict[str, Any]]:
        """Return the snapshots up to this one, newest first: id, time (UTC) and message."""
        return [
            {"snapshot": str(info.id), "time": info.written_at, "message": info.message}
            for info in self._repository.ancestry(snapshot_id=self.snapshot)
        ]


def _first_line(error: BaseException) -> str:
    lines = (line.strip(" x×") for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)


@contextmanager
def _lock(url: str) -> Iterator[None]:
    """Hold the archive's write lock: on a local disk Icechunk alone loses one of two concurrent commits."""
    path = local_path(url)
    if path is None:  # object stores have conditional writes
        yield
        return
    lock = filelock.FileLock(f"{path}.lock", timeout=LOCK_SECONDS, mode=0o664)  # a group may share it
    try:
        lock.acquire()
    except filelock.Timeout as error:
        words = f"Another process has been writing to {path} for over {LOCK_SECONDS} s"
        raise ArchiveError(f"{words}; wait for it, or stop it.") from error
    except OSError as error:
        raise ArchiveError(f"Can't lock {path} for writing: {error}.") from error
    try:
        yield
    finally:
        lock.release()


def exists(url: str) -> bool:
    """Return whether there is anything at `url`: an archive, or what is in the way of one."""
    path = local_path(url)
    if path is None:
        return bool(icechunk.Repository.exists(_storage(url)))
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def create(url: str, *, missing_only: bool = False) -> bool:
    """Make an empty archive, whole or not at all; return whether one was made.

    Raises
    ------
    ArchiveError
        If it can't be written, or (unless `missing_only`) there is something at `url` already.
    """
    path = local_path(url)
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(url):
            if exists(url):
                if missing_only:
                    return False
                raise ArchiveError(f"Can't create an archive at {url}: there is something already.")
            if path is None:
                _create(_storage(url))
                return True
            beside = path.with_name(f".{path.name}.{os.getpid()}")
            beside.mkdir()
            try:
                _create(icechunk.local_filesystem_storage(str(beside)))
                beside.rename(path)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    except ArchiveError:
        raise
    except (icechunk.IcechunkError, OSError) as error:
        raise ArchiveError(f"Can't create an archive at {url}: {_first_line(error)}") from error
    return True


def _create(where: Any) -> None:
    # format 1 is what both supported Pythons' Icechunk (1.x and 2.x) read and write
    known = inspect.signature(icechunk.Repository.create).parameters
    options: dict[str, Any] = {"spec_version": 1} if "spec_version" in known else {}
    session = icechunk.Repository.create(where, **options).writable_session("main")
    zarr.create_group(session.store, attributes={"title": "probav archive"})
    session.commit("Archive created")


def remove_empty(url: str) -> None:
    """Take away a local archive that was made for an ingest that then took nothing in."""
    with _lock(url):
        if (path := local_path(url)) is not None and not list(Store(url).root.group_keys()):
            shutil.rmtree(path)


@contextmanager
def writing(url: str, message: str, metadata: Mapping[str, Any]) -> Iterator[zarr.Group]:
    """Give a writable root group whose changes are committed together at the end, or not at all.

    Parameters
    ----------
    url : str
    message : str
        For the archive's history.
    metadata : mapping, JSON
        Kept with the snapshot; it may be filled until the end of the block.

    Raises
    ------
    ArchiveError
        If the archive can't be opened or the commit fails; nothing is changed then.
    """
    with _lock(url):
        try:
            session = icechunk.Repository.open(_storage(url), config=_config()).writable_session("main")
        except icechunk.IcechunkError as error:
            raise ArchiveError(f"Can't write to the archive {url}: {_first_line(error)}") from error
        try:
            yield zarr.open_group(session.store, mode="a")
            if session.has_uncommitted_changes:
                session.commit(message, metadata=dict(metadata))
        except ProbavError:
            raise
        except (icechunk.IcechunkError, OSError) as error:  # a full disk, a folder that may not be written
            raise ArchiveError(f"Nothing was changed in {url}: {_first_line(error)}") from error


# --- a product's group ----------------------------------------------------------------------------------


def array_of(group: zarr.Group, name: str) -> Any:
    """Return an array of a group (the type checker can't tell it from a sub-group)."""
    item = group[name]
    assert isinstance(item, zarr.Array), f"{group.path}/{name} is no array"
    return item


def create_group(root: zarr.Group, definition: ProductDefinition, grid: Grid) -> zarr.Group:
    """Make the empty group of a product on a grid."""
    group = root.create_group(
        definition.id,
        attributes={
            "Conventions": "CF-1.8",
            "title": definition.title,
            "citation": definition.citation,
            "license": definition.licence,
            "probav": {
                "grid": {
                    "x0": grid.x0, "y0": grid.y0, "nx": grid.nx, "ny": grid.ny,
                    "width": grid.width, "height": grid.height, "crs": grid.crs,
                },
                "tiles": [],
            },
        },
    )  # fmt: skip
    crs = CRS(grid.crs)
    names = ["projection_x_coordinate", "projection_y_coordinate"]
    if crs.is_geographic:
        names = ["longitude", "latitude"]
    units = "degrees_{}" if crs.is_geographic else "m"
    for name, values, standard, side in (
        ("x", grid.xs(), names[0], "east"),
        ("y", grid.ys(), names[1], "north"),
    ):
        array = group.create_array(
            name, shape=values.shape, chunks=values.shape, dtype="float64", dimension_names=(name,),
            attributes={"standard_name": standard, "units": units.format(side)},
        )  # fmt: skip
        array[:] = values
    group.create_array(
        "time", shape=(0,), chunks=(1024,), dtype="int32", dimension_names=("time",),
        attributes={
            "standard_name": "time", "units": "days since 1970-01-01", "calendar": "proleptic_gregorian",
            "long_name": "first day of the period",
        },
    )  # fmt: skip
    group.create_array(
        "spatial_ref", shape=(), dtype="int32",
        attributes={**crs.to_cf(), "GeoTransform": " ".join(map(str, grid.transform.to_gdal()))},
    )  # fmt: skip
    for name, depth, dtype in (("source_rank", (), "int64"), ("source_digest", (32,), "uint8")):
        group.create_array(
            name, shape=(0, 0, *depth), chunks=(SOURCE_CHUNK, SOURCE_CHUNK, *depth), dtype=dtype,
            fill_value=0, dimension_names=("time", "tile", "byte")[: 2 + len(depth)],
        )  # fmt: skip
    return group


def create_variable(group: zarr.Group, variable: Variable, grid: Grid) -> zarr.Array[Any]:
    """Make the empty array of a variable in a product's group."""
    dtype = np.dtype(variable.dtype)
    fill = variable.unwritten
    attributes: dict[str, Any] = {
        "long_name": variable.long_name,
        "units": variable.units,
        "grid_mapping": "spatial_ref",
        "scale_factor": variable.scale,
        "add_offset": variable.offset,
    }
    if variable.kind != "continuous":  # a class or a flag is no quantity: nothing to scale
        del attributes["scale_factor"], attributes["add_offset"]
    if variable.nodata is not None:
        attributes["_FillValue"] = FillValueCoder.encode(dtype.type(variable.nodata), dtype)
    if variable.valid is not None:
        attributes["valid_range"] = list(variable.valid)
    if variable.flags:
        attributes["flag_values"] = list(variable.flags)
        attributes["flag_meanings"] = " ".join(name.replace(" ", "_") for name in variable.flags.values())
    times = array_of(group, "time").shape[0]
    return group.create_array(
        variable.name, shape=(times, grid.height, grid.width), chunks=(TIME_CHUNK, PIXEL_CHUNK, PIXEL_CHUNK),
        dtype=dtype, fill_value=dtype.type(fill), compressors=ZstdCodec(level=1),
        dimension_names=("time", "y", "x"), attributes=attributes,
    )  # fmt: skip


def stored_variable(array: zarr.Array[Any], definition: ProductDefinition) -> Variable:
    """Return a variable as the archive holds it: the file's encoding, the product table's words."""
    attributes: dict[str, Any] = dict(array.attrs)
    name = array.basename
    known = definition.variables.get(name) or Variable(name, str(array.dtype), name)
    fill = attributes.get("_FillValue")
    valid = attributes.get("valid_range")
    return known.found(
        dtype=str(array.dtype),
        scale=float(attributes.get("scale_factor", 1.0)),
        offset=float(attributes.get("add_offset", 0.0)),
        nodata=None if fill is None else float(FillValueCoder.decode(fill, array.dtype)),
        valid=None if valid is None else (valid[0], valid[1]),
        units=str(attributes["units"]),
        long_name=str(attributes["long_name"]),
    )


def stored_info(group: zarr.Group) -> dict[str, Any]:
    """Return what probav itself notes on a product's group: its grid and the windows of its sources."""
    info = group.attrs["probav"]
    assert isinstance(info, dict)
    return dict(info)


def stored_grid(group: zarr.Group) -> Grid:
    """Return the pixel grid of a product's group."""
    return Grid(**stored_info(group)["grid"])


def stored_times(group: zarr.Group) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    """Return the dates of a product's group in the order they are stored, which need not be sorted."""
    return _EPOCH + np.asarray(array_of(group, "time")[:]).astype("timedelta64[D]")


def append_times(group: zarr.Group, dates: np.ndarray[Any, np.dtype[np.datetime64]]) -> None:
    """Lengthen every array of a product's group by some dates."""
    old = array_of(group, "time").shape[0]
    length = old + len(dates)
    for _, array in group.arrays():
        names = getattr(array.metadata, "dimension_names", None)
        if names and names[0] == "time":
            array.resize((length, *array.shape[1:]))
    array_of(group, "time")[old:] = (dates - _EPOCH).astype("int32")
