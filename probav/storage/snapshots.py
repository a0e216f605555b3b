"""Snapshots of an archive: which there are, their tags, and which are thrown away."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import icechunk

from probav.errors import ArchiveError
from probav.storage.location import first_line, local_path
from probav.storage.lock import lock
from probav.storage.repository import Store
from probav.storage.steady import steady

_ROOT = "1CECHNKREP0F1RSTCMT0"  # Icechunk's own first snapshot, under every history


@dataclass(frozen=True)
class Snapshot:
    """One commit: its id, when it was made (UTC), what it is called and what was noted with it."""

    id: str
    time: datetime.datetime
    message: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Collected:
    """What garbage collection threw away, or would: bytes, and numbers of files."""

    bytes: int
    chunks: int
    manifests: int
    snapshots: int

    def __str__(self) -> str:
        return (
            f"{self.bytes / 1e6:.1f} MB in {self.chunks} chunks, {self.manifests} manifests and "
            f"{self.snapshots} snapshots"
        )


def ancestry(store: Store, snapshot: str | None = None, limit: int | None = None) -> list[Snapshot]:
    """Return the snapshots up to one (the store's own, if not given), newest first."""

    def read() -> list[Snapshot]:
        found = store.repository.ancestry(snapshot_id=snapshot or store.snapshot)
        return [
            Snapshot(str(info.id), info.written_at, info.message, dict(info.metadata))
            for info in islice(found, limit)
        ]

    with _explained(f"Can't read the history of {store.url}"):
        return steady(store.url, read)


def tags(store: Store) -> dict[str, str]:
    """Return the snapshot of each tag, sorted by tag."""
    with _explained(f"Can't read the tags of {store.url}"):
        names = _tag_names(store)
        return {name: _lookup(store, name) for name in sorted(names)}


def _tag_names(store: Store) -> set[str]:
    """List the tags until a list has nothing new: Icechunk leaves out those whose answer breaks off."""
    names: set[str] = set()
    while found := set(steady(store.url, store.repository.list_tags)) - names:
        names |= found
    return names


def _lookup(store: Store, name: str) -> str:
    return steady(store.url, lambda: str(store.repository.lookup_tag(name)))


def add_tag(store: Store, name: str) -> None:
    """Give a store's snapshot a name that stays.

    Raises
    ------
    ArchiveError
        If the tag exists or existed: Icechunk never gives a tag name twice.
    """
    with lock(store.url), _explained(f"Can't tag {store.snapshot} as {name!r}"):
        try:
            store.repository.create_tag(name, store.snapshot)
        except icechunk.IcechunkError:  # it may have been made, and the answer got lost
            if _lookup(store, name) != store.snapshot:
                raise


def remove_tag(store: Store, name: str) -> None:
    """Take a tag away for ever.

    Raises
    ------
    ArchiveError
        If there is no such tag.
    """
    with lock(store.url), _explained(f"Can't take the tag {name!r} away"):
        store.repository.delete_tag(name)


def expire(url: str, older_than: datetime.datetime, keep: int, dry_run: bool) -> list[Snapshot]:
    """Forget snapshots older than a moment, but not the newest `keep` nor a tagged one; return them.

    Raises
    ------
    ArchiveError
        If they can't be read or forgotten.
    """
    with lock(url):
        store = Store(url)
        tagged = tags(store)
        newest = ancestry(store, limit=keep)
        limit = min([older_than, *(snapshot.time for snapshot in newest)])
        stay = {_ROOT, *tagged.values(), *(snapshot.id for snapshot in newest)}
        known = {
            snapshot.id: snapshot
            for tip in (store.snapshot, *tagged.values())
            for snapshot in ancestry(store, tip)
        }
        going = [found for found in known.values() if found.time < limit and found.id not in stay]
        if going and not dry_run:
            with _explained(f"Can't expire snapshots of {url}"):
                store.repository.expire_snapshots(limit)
    return sorted(going, key=lambda snapshot: snapshot.time, reverse=True)


def collect(url: str, older_than: datetime.datetime, dry_run: bool) -> Collected:
    """Throw away files older than a moment that no snapshot needs.

    Raises
    ------
    ArchiveError
        If they can't be found or thrown away.
    """
    with lock(url), _explained(f"Can't collect the garbage of {url}"):
        store = Store(url)
        names = _tag_names(store)
        if local_path(url) is None and any(names != store.repository.list_tags() for _ in range(3)):
            raise ArchiveError(  # Icechunk would take what these tags hold for garbage
                f"{url} answers incompletely, so that nothing was thrown away; try again when it is steady."
            )
        done = store.repository.garbage_collect(older_than, dry_run=dry_run)
    return Collected(
        int(done.bytes_deleted),
        int(done.chunks_deleted),
        int(done.manifests_deleted),
        int(done.snapshots_deleted),
    )


@contextmanager
def _explained(words: str) -> Iterator[None]:
    try:
        yield
    except (icechunk.IcechunkError, ValueError) as error:
        raise ArchiveError(f"{words}: {first_line(error)}") from error
