"""How an archive is changed: a transaction that is committed whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import icechunk
import zarr

from probav.errors import ArchiveError, ConflictError, ProbavError
from probav.storage.creation import create_unlocked, explained_making, remove_if_empty
from probav.storage.location import first_line, hint, local_path
from probav.storage.lock import lock
from probav.storage.repository import BRANCH, commit_session, open_repository, steady_store
from probav.storage.steady import pause, steady

T = TypeVar("T")
_TRIES = 20  # of a transaction that another one gets ahead of


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
            time.sleep(pause(number))
    raise AssertionError


@contextmanager
def _transaction(
    url: str, message: str, metadata: Mapping[str, Any], make: bool
) -> Iterator[tuple[zarr.Group, list[str]]]:
    """Give the root group and a list that gets the id of the snapshot."""
    committed: list[str] = []
    with explained_making(url) if make else nullcontext():  # the lock is a file beside it
        pass
    with lock(url):
        with explained_making(url) if make else nullcontext():
            made = make and create_unlocked(url, missing_only=True)
        try:
            yield from _changed(url, message, metadata, committed)
        finally:
            if made and not committed:
                remove_if_empty(local_path(url))


def _changed(
    url: str, message: str, metadata: Mapping[str, Any], committed: list[str]
) -> Iterator[tuple[zarr.Group, list[str]]]:
    repository = open_repository(url)
    try:
        session = steady(url, lambda: repository.writable_session(BRANCH))
        yield zarr.open_group(steady_store(url, repository, session), mode="a"), committed
        if session.has_uncommitted_changes:
            committed.append(commit_session(url, session, message, dict(metadata)))
    except ProbavError:
        raise
    except (icechunk.ConflictError, icechunk.RebaseFailedError) as error:
        raise ConflictError(
            f"Nothing was changed in {url}: another process changed the same part of it first; do it again."
        ) from error
    except (icechunk.IcechunkError, OSError) as error:  # a full disk, no right to write
        raise ArchiveError(f"Nothing was changed in {url}: {first_line(error)}{hint(url)}") from error
