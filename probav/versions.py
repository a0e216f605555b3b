"""Versions of an archive: its history and tags, what changed between two, and what of it is thrown away."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from probav import storage
from probav.errors import ArchiveError, TimeError
from probav.storage import Collected, Snapshot, Store

PUBLISHED = "published."
"""What the tags of published snapshots begin with: they stay, and so does what they point to."""

Age = str | datetime.datetime | datetime.date | datetime.timedelta
"""A moment (UTC) or how long ago: "2026-01-01", "90 days"."""

_TAG = re.compile(r"[^\W_][\w.+-]{0,99}")
_DURATION = re.compile(r"\s*\d+(\.\d+)?\s*[a-zA-Z]+\s*")
_LEAST_GRACE = datetime.timedelta(hours=1)  # on an object store, where writers hold no lock


def history(store: Store, limit: int | None = None) -> pd.DataFrame:
    """Return the snapshots up to a store's own, newest first.

    Returns
    -------
    DataFrame
        snapshot, time (UTC), message, product, first, last, dates (what it wrote, in number) and tags.
    """
    return _table(storage.ancestry(store, limit=limit), storage.tags(store))


def _table(snapshots: list[Snapshot], tagged: dict[str, str]) -> pd.DataFrame:
    rows = []
    for snapshot in snapshots:
        dates = [str(date) for date in snapshot.metadata.get("dates", [])]
        rows.append({
            "snapshot": snapshot.id,
            "time": snapshot.time,
            "message": snapshot.message,
            "product": str(snapshot.metadata.get("product", "")),
            "first": pd.Timestamp(dates[0]) if dates else pd.NaT,
            "last": pd.Timestamp(dates[-1]) if dates else pd.NaT,
            "dates": len(dates),
            "tags": ", ".join(tag for tag, tip in tagged.items() if tip == snapshot.id),
        })  # fmt: skip
    columns = ["snapshot", "time", "message", "product", "first", "last", "dates", "tags"]
    return pd.DataFrame(rows, columns=columns)


def tags(store: Store) -> pd.DataFrame:
    """Return all tags of an archive, sorted: tag, snapshot, time (UTC) and message."""
    rows = []
    for tag, tip in storage.tags(store).items():
        (snapshot,) = storage.ancestry(store, tip, 1)
        rows.append({"tag": tag, "snapshot": tip, "time": snapshot.time, "message": snapshot.message})
    return pd.DataFrame(rows, columns=["tag", "snapshot", "time", "message"])


def tag(store: Store, name: str) -> None:
    """Give a store's snapshot a name that stays.

    Raises
    ------
    ArchiveError
        If it can't be a name, or exists or existed: no tag is ever given twice.
    """
    if not _TAG.fullmatch(name):
        raise ArchiveError(
            f"{name!r} can't be a tag; expected a letter or digit, then letters, digits, '.', '_', '-' or "
            "'+', 100 in all at most."
        )
    storage.add_tag(store, name)


def untag(store: Store, name: str) -> None:
    """Take a tag away for ever; its snapshot may then expire.

    Raises
    ------
    ArchiveError
        If there is no such tag, or it marks a published snapshot.
    """
    if name.startswith(PUBLISHED):
        raise ArchiveError(f"{name!r} marks a published snapshot, which others rely on; it stays.")
    storage.remove_tag(store, name)


def version(url: str, name: str) -> Store:
    """Open an archive at a tag, or else at the snapshot whose id is, or begins with, `name`.

    Raises
    ------
    ArchiveError
        If it has neither.
    """
    tagged = name in storage.tags(Store(url))
    return Store(url, tag=name) if tagged else Store(url, snapshot=name)


def diff(new: Store, since: Store) -> pd.DataFrame:
    """Return what changed from one snapshot to another.

    Compares what was noted of every date and tile: the digests of its source and of the numbers written.

    Returns
    -------
    DataFrame
        product, date, tile, change ("added", "replaced", "removed"; "attributes" with no date and tile) and
        detail (which attribute of which variable, and how).
    """
    rows: list[dict[str, Any]] = []
    for product in sorted({*_products(since), *_products(new)}):
        one, other = (store.root[product] if product in store.root else None for store in (since, new))
        before, after = _sources(one), _sources(other)
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                change = "added" if key not in before else "removed" if key not in after else "replaced"
                tile = (after.get(key) or before[key])[0]
                rows.append(
                    {"product": product, "date": pd.Timestamp(key[0]), "tile": tile, "change": change}
                )
        if one is not None and other is not None:
            rows += [
                {"product": product, "date": pd.NaT, "tile": "", "change": "attributes", "detail": detail}
                for detail in _details(_described(one), _described(other))
            ]
    return pd.DataFrame(rows, columns=["product", "date", "tile", "change", "detail"]).fillna({"detail": ""})


def _products(store: Store) -> list[str]:
    return [name for name, group in store.root.groups() if storage.is_product(group)]


def _sources(group: Any) -> dict[tuple[np.datetime64, tuple[int, int, int, int]], tuple[str, bytes]]:
    """Return tile name and digests of each date and window of a product's group."""
    if group is None:
        return {}
    times = storage.stored_times(group)
    ranks = group["source_rank"][:]
    names = [name for name in ("source_digest", "content_digest") if name in group]  # old archives lack one
    digests = [group[name][:] for name in names]
    return {
        (times[at], storage.window_key(window)): (
            str(window["name"]),
            b"".join(digest[at, index].tobytes() for digest in digests),
        )
        for index, window in enumerate(storage.stored_info(group)["tiles"])
        for at in np.flatnonzero(ranks[:, index])
    }


def _described(group: Any) -> dict[str, Any]:
    """Return what is said of a product and its variables, each thing under a name."""
    said = {key: value for key, value in dict(group.attrs).items() if key != "probav"}
    said |= {key: value for key, value in storage.stored_info(group).items() if key != "tiles"}
    for array in storage.variables_of(group):
        said |= {f"{array.basename}.dtype": str(array.dtype), f"{array.basename}.chunks": array.chunks}
        said |= {f"{array.basename}.{key}": value for key, value in dict(array.attrs).items()}
    return said


def _details(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield f"{key}: {before.get(key, 'none')} -> {after.get(key, 'none')}"


def expire(url: str, older_than: Age, *, keep: int = 1, yes: bool = False) -> pd.DataFrame:
    """Forget old snapshots; what only they held is thrown away by `collect`.

    Tagged snapshots stay, published ones among them, and so do the newest.

    Parameters
    ----------
    url : str
    older_than : str, datetime or timedelta
        A moment (UTC) or an age: "2026-01-01", "90 days".
    keep : int
        How many of the newest snapshots stay in any case; at least 1.
    yes : bool
        Do it; otherwise only tell what would go.

    Returns
    -------
    DataFrame
        The snapshots that go, or would, as in `history`.

    Raises
    ------
    ArchiveError
        If it can't be done.
    TimeError
        If `older_than` is no moment or age.
    """
    if keep < 1:
        raise ArchiveError(f"keep={keep}: the newest snapshot always stays; expected 1 or more.")
    return _table(storage.expire(url, moment(older_than), keep, not yes), {})


def collect(url: str, *, grace: Age = "1 day", yes: bool = False) -> Collected:
    """Throw away what no snapshot needs: what expired ones held, and what interrupted writers left.

    Parameters
    ----------
    url : str
    grace : str, datetime or timedelta
        Nothing younger is thrown away: what an unfinished write has written looks like garbage.
    yes : bool
        Do it; otherwise only tell what would go.

    Raises
    ------
    ArchiveError
        If it can't be done, or `grace` is below an hour on an object store, where writers hold no lock.
    TimeError
        If `grace` is no moment or age.
    """
    before = moment(grace)
    now = datetime.datetime.now(datetime.UTC)
    if storage.local_path(url) is None and now - before < _LEAST_GRACE:
        raise ArchiveError(f"grace={grace}: {url} may be written to meanwhile; expected an hour or more.")
    return storage.collect(url, before, not yes)


def moment(age: Age) -> datetime.datetime:
    """Return the moment (UTC) that a date or an age means.

    Raises
    ------
    TimeError
        If it can't be understood.
    """
    now = datetime.datetime.now(datetime.UTC)
    try:
        if isinstance(age, datetime.timedelta):
            return now - age
        if isinstance(age, str) and _DURATION.fullmatch(age):
            return now - pd.Timedelta(age).to_pytimedelta()
        found = pd.Timestamp(age)
        if pd.isna(found):
            raise ValueError
        return (found.tz_localize("UTC") if found.tz is None else found.tz_convert("UTC")).to_pydatetime()
    except (ValueError, OverflowError, TypeError) as error:
        raise TimeError(
            f"{age!r} is no age and no date; expected one like '90 days', '12 hours' or '2026-01-01'."
        ) from error
