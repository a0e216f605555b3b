"""How an archive is made, whole or not at all, and taken away again if nothing came of it."""

from __future__ import annotations

import inspect
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import icechunk
import zarr

from probav.errors import ArchiveError
from probav.storage.location import TRIES, first_line, hint, icechunk_storage, local_path
from probav.storage.lock import lock
from probav.storage.repository import (
    BRANCH,
    Store,
    commit_session,
    exists,
    open_repository,
    steady_store,
)
from probav.storage.steady import pause, steady


def create(url: str, *, missing_only: bool = False) -> bool:
    """Make an empty archive, whole or not at all; return whether one was made.

    Raises
    ------
    ArchiveError
        If it can't be written, or (unless `missing_only`) there is something at `url` already.
    """
    with explained_making(url), lock(url):
        return create_unlocked(url, missing_only)


@contextmanager
def explained_making(url: str) -> Iterator[None]:
    """Make what is above a local archive; say of what fails inside that it was about creating one."""
    try:
        if (path := local_path(url)) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except ArchiveError:
        raise
    except (icechunk.IcechunkError, OSError) as error:
        raise ArchiveError(f"Can't create an archive at {url}: {first_line(error)}{hint(url)}") from error


def create_unlocked(url: str, missing_only: bool) -> bool:
    """Make an empty archive as `create` does, where the lock is held."""
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
        _add_root(str(beside), _new_repository(str(beside)))
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return True


def _create_in_store(url: str) -> bool:
    """Make an archive in an object store, where another process may do so too, or died doing so."""
    for tries_left in reversed(range(TRIES)):
        try:
            repository = _new_repository(url)
            break
        except icechunk.IcechunkError as error:  # another was quicker, or the store refuses
            if exists(url):
                repository = open_repository(url)
                break
            # another has begun and is not done yet: there are files, but no repository
            if not (tries_left and "clean prefix" in str(error)):
                raise
        time.sleep(pause(TRIES - 1 - tries_left))
    try:
        return _add_root(url, repository)
    except (icechunk.ConflictError, icechunk.RebaseFailedError):  # another was quicker now
        return False


def _new_repository(url: str) -> Any:
    # format 1 is what both supported Pythons' Icechunk (1.x and 2.x) read and write
    known = inspect.signature(icechunk.Repository.create).parameters
    options: dict[str, Any] = {"spec_version": 1} if "spec_version" in known else {}
    return icechunk.Repository.create(icechunk_storage(url), **options)


def _add_root(url: str, repository: Any) -> bool:
    session = steady(url, lambda: repository.writable_session(BRANCH))
    store = steady_store(url, repository, session)
    zarr.open_group(store, mode="a", attributes={"title": "probav archive"})
    if not session.has_uncommitted_changes:
        return False
    commit_session(url, session, "Archive created", {})
    return True


def remove_if_empty(path: Path | None) -> None:
    """Take a local archive away that holds nothing, where the lock is held."""
    if path is not None and not list(Store(str(path)).root.group_keys()):
        shutil.rmtree(path)
