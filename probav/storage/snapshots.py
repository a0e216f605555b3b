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
from probav.storage.location import first_line
from probav.storage.lock import lock
from probav.storage.repository import Store

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
    with _explained(f"Can't read the history of {store.url}"):
        found = store.repository.ancestry(snapshot_id=snapshot or store.snapshot)
        return [
            Snapshot(str(info.id), info.written_at, info.message, dict(info.metadata))
            for info in islice(found, limit)
        ]


def tags(store: Store) -> dict[str, str]:
    """Return the snapshot of each tag, sorted by tag."""
    with _explained(f"Can't read the tags of {store.url}"):
        return {tag: str(store.repository.lookup_tag(tag)) for tag in sorted(store.repository.list_tags())}


def add_tag(store: Store, name: str) -> None:
    """Give a store's snapshot a name that stays.

    Raises
    ------
    ArchiveError
        If the tag exists or existed: Icechunk never gives a tag name twice.
    """
    with lock(store.url), _explained(f"Can't tag {store.snapshot} as {name!r}"):
        store.repository.create_tag(name, store.snapshot)


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
        done = Store(url).repository.garbage_collect(older_than, dry_run=dry_run)
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
