"""A commit that many processes write: their changes are merged and become visible at once."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import icechunk
import zarr

from probav.errors import ArchiveError, ConflictError, ProbavError
from probav.storage.creation import create
from probav.storage.location import first_line, local_path
from probav.storage.lock import lock
from probav.storage.repository import BRANCH, open_repository

T = TypeVar("T")
P = TypeVar("P")
_BESIDE = "unfinished-"


def commit_distributed(
    url: str,
    message: str,
    metadata: Mapping[str, Any],
    prepare: Callable[[zarr.Group], P],
    spread: Callable[[P, bytes], Iterable[bytes]],
    finish: Callable[[zarr.Group, P], T],
) -> tuple[T, str | None]:
    """Commit what `prepare`, many processes and `finish` do, as one visible change.

    Icechunk forks only a session without changes, so what `prepare` does is committed on a branch beside the
    main one, which is moved to the end of that branch when all is written: readers see all of it or nothing.

    Parameters
    ----------
    url, message, metadata
        As in `probav.storage.writing`.
    prepare : callable
        Called with the root group; makes the arrays.
    spread : callable
        Called with what `prepare` returned and a fork, to be opened by `forked` in other processes; returns
        the forks that came back. Two of them must not write the same chunk.
    finish : callable
        Called with the root group and what `prepare` returned; its result is returned.

    Returns
    -------
    result, snapshot
        The snapshot's id; None if nothing was changed.

    Raises
    ------
    ConflictError
        If another process wrote to the archive meanwhile (on an object store); nothing is changed then.
    ArchiveError
        If the archive can't be written; nothing is changed then.
    """
    create(url, missing_only=True)
    with lock(url):
        repository = open_repository(url)
        branch = f"{_BESIDE}{uuid.uuid4().hex}"
        try:
            if local_path(url) is not None:  # the lock is ours: what is left of a killed process is nobody's
                for name in repository.list_branches():
                    if name.startswith(_BESIDE):
                        repository.delete_branch(name)
            before = repository.lookup_branch(BRANCH)
            repository.create_branch(branch, before)
            try:
                session = repository.writable_session(branch)
                plan = prepare(zarr.open_group(session.store, mode="a"))
                if session.has_uncommitted_changes:
                    session.commit(f"{message}: made room", metadata=dict(metadata))
                session = repository.writable_session(branch)
                forks = [pickle.loads(fork) for fork in spread(plan, pickle.dumps(session.fork()))]  # noqa: S301 - ours
                session.merge(*forks)
                result = finish(zarr.open_group(session.store, mode="a"), plan)
                if not session.has_uncommitted_changes:
                    return result, None
                snapshot = str(session.commit(message, metadata=dict(metadata)))
                if repository.lookup_branch(BRANCH) != before:
                    raise ConflictError(f"Nothing was changed in {url}: another process wrote to it first.")
                repository.reset_branch(BRANCH, snapshot, from_snapshot_id=before)
                return result, snapshot
            finally:
                repository.delete_branch(branch)
        except ProbavError:
            raise
        except (icechunk.IcechunkError, OSError) as error:
            raise ArchiveError(f"Nothing was changed in {url}: {first_line(error)}") from error


class Fork:
    """A part of a distributed commit, in the process that writes it.

    Parameters
    ----------
    data : bytes
        What `commit_distributed` gave to `spread`.
    """

    def __init__(self, data: bytes) -> None:
        self._session = pickle.loads(data)  # noqa: S301 - made by this package, carried by Spark
        self.root = zarr.open_group(self._session.store, mode="a")

    def close(self) -> bytes:
        """Return what `spread` returns of it."""
        return pickle.dumps(self._session)
