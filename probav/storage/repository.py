"""The Icechunk repository under an archive: how it is opened, and how a change is committed."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import icechunk
import zarr

from probav.errors import ArchiveError, ProbavError
from probav.storage.location import exists, first_line, icechunk_storage, local_path, lock
from probav.storage.originals import CheckedStore, authorized


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
            where = icechunk_storage(url)
            self._repository = icechunk.Repository.open(
                where, config=_config(), authorize_virtual_chunk_access=authorized(url, where)
            )
        except icechunk.IcechunkError as error:
            raise ArchiveError(
                f"{url} is no probav archive, or can't be read: {first_line(error)}"
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
            raise ArchiveError(f"The archive {url} has no {wanted}: {first_line(error)}") from error
        self.snapshot = str(session.snapshot_id)
        self.zarr_store = CheckedStore(session.store)
        try:
            self.root = zarr.open_group(self.zarr_store, mode="r")
        except FileNotFoundError as error:
            raise ArchiveError(f"{url} is an Icechunk repository, but no probav archive.") from error

    def tag(self, name: str) -> None:
        """Give this snapshot a name that stays.

        Raises
        ------
        ArchiveError
            If the tag exists or existed: Icechunk never gives a tag name twice.
        """
        with lock(self.url):
            try:
                self._repository.create_tag(name, self.snapshot)
            except icechunk.IcechunkError as error:
                raise ArchiveError(f"Can't tag {self.snapshot} as {name!r}: {first_line(error)}") from error

    def history(self) -> list[dict[str, Any]]:
        """Return the snapshots up to this one, newest first: id, time (UTC) and message."""
        return [
            {"snapshot": str(info.id), "time": info.written_at, "message": info.message}
            for info in self._repository.ancestry(snapshot_id=self.snapshot)
        ]


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
        with lock(url):
            if exists(url):
                if missing_only:
                    return False
                raise ArchiveError(f"Can't create an archive at {url}: there is something already.")
            if path is None:
                _create(icechunk_storage(url))
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
        raise ArchiveError(f"Can't create an archive at {url}: {first_line(error)}") from error
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
    with lock(url):
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
    with lock(url):
        try:
            session = icechunk.Repository.open(icechunk_storage(url), config=_config()).writable_session(
                "main"
            )
        except icechunk.IcechunkError as error:
            raise ArchiveError(f"Can't write to the archive {url}: {first_line(error)}") from error
        try:
            yield zarr.open_group(session.store, mode="a")
            if session.has_uncommitted_changes:
                session.commit(message, metadata=dict(metadata))
        except ProbavError:
            raise
        except (icechunk.IcechunkError, OSError) as error:  # a full disk, a folder that may not be written
            raise ArchiveError(f"Nothing was changed in {url}: {first_line(error)}") from error
