"""The Icechunk repository under an archive: how it is opened, at a snapshot, and committed to."""

from __future__ import annotations

import uuid
from typing import Any

import icechunk
import zarr

from probav.errors import ArchiveError
from probav.storage.location import (
    TRIES,
    first_line,
    hint,
    icechunk_storage,
    local_path,
    store_settings,
)
from probav.storage.locations import Places
from probav.storage.originals import CheckedStore, authorized
from probav.storage.steady import SteadyStore, broken_off, steady

BRANCH = "main"
# Chunks in a manifest, the file that says where they are: a commit writes only the manifests it touches, so
# what an appended date costs does not grow with the archive, nor with the tiles beside it.
_SPLIT = {"time": 4, "y": 36, "x": 36}


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


def exists(url: str) -> bool:
    """Return whether there is anything at `url`: an archive, or what is in the way of one.

    Raises
    ------
    ArchiveError
        If the object store can't be asked.
    """
    path = local_path(url)
    if path is not None:
        return path.exists() and (not path.is_dir() or any(path.iterdir()))
    try:
        return bool(steady(url, lambda: icechunk.Repository.exists(icechunk_storage(url))))
    except icechunk.IcechunkError as error:
        raise ArchiveError(f"Can't reach {url}: {first_line(error)}{hint(url)}") from error


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
        return steady(
            url,
            lambda: icechunk.Repository.open(
                where, config=config(url), authorize_virtual_chunk_access=authorized(url, where)
            ),
        )
    except icechunk.IcechunkError as error:
        raise ArchiveError(
            f"{url} is no probav archive, or can't be read: {first_line(error)}{hint(url)}"
        ) from error


def steady_store(url: str, repository: Any, session: Any) -> Any:
    """Return a session's store, sure to answer on an object store."""
    if local_path(url) is not None:
        return session.store
    # asked for what a snapshot it couldn't read has, Icechunk says that there is no such thing: read it first
    steady(url, lambda: next(iter(repository.ancestry(snapshot_id=session.snapshot_id))))
    return SteadyStore(session.store)


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
            which: dict[str, Any] = {"branch": BRANCH} if tag is None else {"tag": tag}
            if snapshot is not None:
                which = {"snapshot_id": steady(url, lambda: self._whole(snapshot))}
            session = steady(url, lambda: self.repository.readonly_session(**which))
        except (icechunk.IcechunkError, ValueError) as error:
            wanted = f"snapshot {snapshot!r}, or it has expired" if snapshot is not None else f"tag {tag!r}"
            raise ArchiveError(f"The archive {url} has no {wanted}: {first_line(error)}") from error
        self.snapshot = str(session.snapshot_id)
        self.zarr_store = CheckedStore(steady_store(url, self.repository, session))
        self.places = Places(self)
        try:
            self.root = zarr.open_group(self.zarr_store, mode="r")
        except FileNotFoundError as error:
            raise ArchiveError(f"{url} is an Icechunk repository, but no probav archive.") from error
        except ArchiveError as error:
            raise ArchiveError(f"{url} can't be read: {error}") from error

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


def commit_session(url: str, session: Any, message: str, metadata: dict[str, Any]) -> str:
    """Commit a session's changes to the main branch; return the id of the new snapshot.

    What others committed meanwhile (to object stores only) stays, unless both changed the same thing.

    Raises
    ------
    icechunk.ConflictError, icechunk.RebaseFailedError
        If they did; nothing is changed then.
    icechunk.IcechunkError
        If it can't be committed; nothing is changed then.
    """
    if local_path(url) is not None:
        return str(session.commit(message, metadata=metadata))
    # the answer that a commit was made may get lost: it is known by a number of its own
    number, parent = uuid.uuid4().hex, session.snapshot_id
    for tries_left in reversed(range(TRIES)):
        try:
            return str(
                session.commit(
                    message,
                    metadata={**metadata, "transaction": number},
                    rebase_with=icechunk.ConflictDetector(),
                )
            )
        except (icechunk.IcechunkError, icechunk.ConflictError, icechunk.RebaseFailedError) as error:
            if (made := steady(url, lambda: _find(url, number, parent))) is not None:
                return made
            if not (broken_off(error) and tries_left):
                raise
    raise AssertionError


def _find(url: str, number: str, parent: str) -> str | None:
    for info in open_repository(url).ancestry(branch=BRANCH):
        if info.metadata.get("transaction") == number:
            return str(info.id)
        if info.id == parent:
            break
    return None
