"""The Icechunk repository under an archive: how it is made and opened, and how a change is committed."""

from __future__ import annotations

import inspect
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import icechunk
import zarr

from probav.errors import ArchiveError, ConflictError, ProbavError
from probav.storage.location import exists, first_line, hint, icechunk_storage, local_path, store_settings
from probav.storage.lock import lock
from probav.storage.originals import CheckedStore, authorized

T = TypeVar("T")

BRANCH = "main"
# Chunks in a manifest, the file that says where they are: a commit writes only the manifests it touches, so
# what an appended date costs does not grow with the archive, nor with the tiles beside it.
_SPLIT = {"time": 4, "y": 36, "x": 36}
_TRIES = 20
_WAIT_SECONDS = 0.1  # before a transaction is run again: doubling, at most 5 s, half of it by chance


def config(url: str) -> Any:
    """Return Icechunk's configuration: nothing is read ahead of need, manifests are small."""
    condition, dimension = icechunk.ManifestSplitCondition, icechunk.ManifestSplitDimCondition
    sizes: dict[Any, int] = {dimension.DimensionName(name): chunks for name, chunks in _SPLIT.items()}
    made = icechunk.RepositoryConfig.default()
    made.manifest = icechunk.ManifestConfig(
        preload=icechunk.ManifestPreloadConfig(max_total_refs=0),
        splitting=icechunk.ManifestSplittingConfig.from_dict({condition.AnyArray(): sizes}),
    )
    if (settings := store_settings(url)) is not None:
        made.storage = settings
    return made


def open_repository(url: str) -> Any:
    """Open the Icechunk repository of an archive.

    Raises
    ------
    ArchiveError
        If there is none, or it can't be read.
    """
    path = local_path(url)
    if path is not None and not path.is_dir():
        raise ArchiveError(
            f"There is no archive at {path}. Create the demo archive with `probav archive create-demo`, "
            "fill one with `probav archive ingest`, or name another with $PROBAV_ARCHIVE."
        )
    try:
        where = icechunk_storage(url)
        return icechunk.Repository.open(
            where, config=config(url), authorize_virtual_chunk_access=authorized(url, where)
        )
    except icechunk.IcechunkError as error:
        raise ArchiveError(
            f"{url} is no probav archive, or can't be read: {first_line(error)}{hint(url)}"
        ) from error


class Store:
    """One archive's repository at one snapshot.

    Parameters
    ----------
    url : str
        Path, file:// or s3:// URL.
    snapshot : str, optional
        What to pin to: a snapshot's id, or its beginning if no other begins so.
    tag : str, optional
        What to pin to; the newest snapshot of the main branch, if neither is given.

    Raises
    ------
    ArchiveError
        If there is no archive, or no such snapshot or tag in it.
    """

    def __init__(self, url: str, snapshot: str | None = None, tag: str | None = None) -> None:
        self.url = url
        self.repository = open_repository(url)
        try:
            if snapshot is not None:
                session = self.repository.readonly_session(snapshot_id=self._whole(snapshot))
            elif tag is not None:
                session = self.repository.readonly_session(tag=tag)
            else:
                session = self.repository.readonly_session(branch=BRANCH)
        except (icechunk.IcechunkError, ValueError) as error:
            wanted = f"snapshot {snapshot!r}, or it has expired" if snapshot is not None else f"tag {tag!r}"
            raise ArchiveError(f"The archive {url} has no {wanted}: {first_line(error)}") from error
        self.snapshot = str(session.snapshot_id)
        self.zarr_store = CheckedStore(session.store)
        try:
            self.root = zarr.open_group(self.zarr_store, mode="r")
        except FileNotFoundError as error:
            raise ArchiveError(f"{url} is an Icechunk repository, but no probav archive.") from error

    def _whole(self, snapshot: str) -> str:
        """Return the id of the one snapshot that begins so; what is none stays as it is."""
        begin = snapshot.upper()
        if len(begin) < 4 or len(begin) >= 20:  # an id has 20 letters
            return snapshot
        tips = [{"branch": BRANCH}, *({"tag": tag} for tag in self.repository.list_tags())]
        found = {
            str(info.id)
            for tip in tips
            for info in self.repository.ancestry(**tip)
            if str(info.id).startswith(begin)
        }
        if len(found) > 1:
            raise ArchiveError(
                f"{len(found)} snapshots of {self.url} begin with {snapshot!r}: {', '.join(sorted(found))}."
            )
        return found.pop() if found else snapshot


def create(url: str, *, missing_only: bool = False) -> bool:
    """Make an empty archive, whole or not at all; return whether one was made.

    Raises
    ------
    ArchiveError
        If it can't be written, or (unless `missing_only`) there is something at `url` already.
    """
    with _making(url), lock(url):
        return _create(url, missing_only)


@contextmanager
def _making(url: str) -> Iterator[None]:
    try:
        if (path := local_path(url)) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except ArchiveError:
        raise
    except (icechunk.IcechunkError, OSError) as error:
        raise ArchiveError(f"Can't create an archive at {url}: {first_line(error)}{hint(url)}") from error


def _create(url: str, missing_only: bool) -> bool:
    path = local_path(url)
    if exists(url) and not (missing_only and path is None):
        if missing_only:
            return False
        raise ArchiveError(f"Can't create an archive at {url}: there is something already.")
    if path is None:
        return _create_in_store(url)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.mkdir()
    try:
        _add_root(_new_repository(str(beside)))
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return True


def _create_in_store(url: str) -> bool:
    """Make an archive in an object store, where another process may do so too, or died doing so."""
    try:
        repository = _new_repository(url)
    except icechunk.IcechunkError:  # another was quicker, or the store refuses
        if not exists(url):
            raise
        repository = open_repository(url)
    try:
        return _add_root(repository)
    except (icechunk.ConflictError, icechunk.IcechunkError):
        if list(zarr.open_group(repository.readonly_session(BRANCH).store, mode="r").attrs):
            return False
        raise


def _new_repository(url: str) -> Any:
    # format 1 is what both supported Pythons' Icechunk (1.x and 2.x) read and write
    known = inspect.signature(icechunk.Repository.create).parameters
    options: dict[str, Any] = {"spec_version": 1} if "spec_version" in known else {}
    return icechunk.Repository.create(icechunk_storage(url), config=config(url), **options)


def _add_root(repository: Any) -> bool:
    session = repository.writable_session(BRANCH)
    zarr.open_group(session.store, mode="a", attributes={"title": "probav archive"})
    if not session.has_uncommitted_changes:
        return False
    session.commit("Archive created")
    return True


def remove_empty(url: str) -> None:
    """Take away a local archive that was made for an ingest that then took nothing in."""
    with lock(url):
        _remove_empty(local_path(url))


def _remove_empty(path: Path | None) -> None:
    if path is not None and not list(Store(str(path)).root.group_keys()):
        shutil.rmtree(path)


@contextmanager
def writing(
    url: str, message: str, metadata: Mapping[str, Any], *, create: bool = False
) -> Iterator[zarr.Group]:
    """Give a writable root group whose changes are committed together at the end, or not at all.

    Parameters
    ----------
    url : str
    message : str
        For the archive's history.
    metadata : mapping, JSON
        Kept with the snapshot; it may be filled until the end of the block. The history shows `product` (its
        id) and `dates` (ISO, sorted).
    create : bool
        Make the archive where there is none; without a change in the end none is left.

    Raises
    ------
    ConflictError
        If another process changed the same chunks or metadata of an archive on an object store meanwhile;
        nothing is changed then, and `commit` would do the work again.
    ArchiveError
        If the archive can't be opened or the commit fails; nothing is changed then.
    """
    with _transaction(url, message, metadata, create) as (root, _):
        yield root


def commit(
    url: str,
    message: str,
    metadata: Mapping[str, Any],
    work: Callable[[zarr.Group], T],
    *,
    create: bool = False,
) -> tuple[T, str | None]:
    """Commit what `work` does to the root group, see `writing`; on a conflict it is done again.

    Parameters
    ----------
    work : callable
        Called with the root group as it is in the newest snapshot, again after every conflict: what it does
        may depend on nothing that it did before.

    Returns
    -------
    result
        What `work` returned.
    snapshot : str or None
        Id of the new snapshot; None if nothing was changed.
    """
    for number in range(_TRIES):
        try:
            with _transaction(url, message, metadata, create) as (root, committed):
                result = work(root)
            return result, committed[0] if committed else None
        except ConflictError:
            if number + 1 == _TRIES:
                raise
            longest = min(5.0, _WAIT_SECONDS * 2**number)
            time.sleep(random.uniform(longest / 2, longest))  # noqa: S311  # nothing to keep secret
    raise AssertionError


@contextmanager
def _transaction(
    url: str, message: str, metadata: Mapping[str, Any], make: bool
) -> Iterator[tuple[zarr.Group, list[str]]]:
    """Give the root group and a list that gets the id of the snapshot."""
    committed: list[str] = []
    if make:
        with _making(url):
            pass
    with lock(url):
        made = make and _made(url)
        try:
            session = _session(url)
            try:
                yield zarr.open_group(session.store, mode="a"), committed
                if session.has_uncommitted_changes:
                    committed.append(_commit(session, message, dict(metadata)))
            except ProbavError:
                raise
            except (icechunk.ConflictError, icechunk.RebaseFailedError) as error:
                raise ConflictError(
                    f"Nothing was changed in {url}: another process changed the same part of it first; "
                    "do it again."
                ) from error
            except (
                icechunk.IcechunkError,
                OSError,
            ) as error:  # a full disk, a folder that may not be written
                raise ArchiveError(f"Nothing was changed in {url}: {first_line(error)}{hint(url)}") from error
        finally:
            if made and not committed:
                _remove_empty(local_path(url))


def _made(url: str) -> bool:
    with _making(url):
        return _create(url, missing_only=True)


def _session(url: str) -> Any:
    repository = open_repository(url)
    try:
        return repository.writable_session(BRANCH)
    except icechunk.IcechunkError as error:
        raise ArchiveError(f"Can't write to the archive {url}: {first_line(error)}") from error


def _commit(session: Any, message: str, metadata: dict[str, Any]) -> str:
    # what others committed meanwhile (object stores only) is kept, unless both changed the same thing
    return str(session.commit(message, metadata=metadata, rebase_with=icechunk.ConflictDetector()))
