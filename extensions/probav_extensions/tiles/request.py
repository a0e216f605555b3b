"""What a request for a tile asks: read, checked and bounded."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from probav import open_archive
from probav.archive import Product, opened
from probav.errors import ArchiveError, OutsideError, ProbavError, UnknownNameError
from probav.storage import default_url
from probav_extensions.tiles.address import registered
from probav_extensions.tiles.render import MAX_ZOOM, Layer
from probav_extensions.tiles.style import variable_of

_KNOWN = ("time", "mask", "snapshot", "archive", "ramp", "low", "high", "v")
_LONGEST = 1000  # letters of a mask; other arguments are shorter
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SNAPSHOT = re.compile(r"[0-9A-Z]{20}")
_KEY = re.compile(r"[0-9a-f]{24}")
_SECONDS = 5.0  # for which the newest snapshot is not looked up again
_newest: dict[str, tuple[float, str]] = {}
_lock = threading.Lock()


class BadRequestError(Exception):
    """A request that means nothing; the message says why in a sentence."""


class NotThereError(Exception):
    """A request for what there is not."""


@dataclass(frozen=True)
class Asked:
    """A tile that is asked for, and whether the address alone says what it shows."""

    layer: Layer
    z: int
    x: int
    y: int
    is_pinned: bool


def read(product: str, variable: str, place: tuple[str, str, str], query: Mapping[str, list[str]]) -> Asked:
    """Return what is asked for; opens the archive.

    Parameters
    ----------
    product, variable : str
    place : (str, str, str)
        z, x and y, of digits only.
    query : mapping
        Name to values.

    Raises
    ------
    BadRequestError, NotThereError
    """
    z, x, y = _place(place)
    values = _values(query)
    url, snapshot = _archive(values.get("archive")), values.get("snapshot")
    if snapshot is not None and not _SNAPSHOT.fullmatch(snapshot):
        raise BadRequestError(f"snapshot={snapshot!r} is no snapshot's id, which has 20 letters and digits.")
    low, high = (_number(name, values.get(name)) for name in ("low", "high"))
    try:
        pinned = snapshot or _newest_of(url)
        own = opened(url, pinned)[product]
        name = variable_of(own, variable).name
        date = _date(own, values.get("time"))
    except (UnknownNameError, ArchiveError, OutsideError) as error:
        raise NotThereError(str(error)) from None
    layer = Layer(url, pinned, own.id, name, date, values.get("mask"), values.get("ramp"), low, high)
    try:
        _ = layer.style
    except ProbavError as error:
        raise BadRequestError(str(error)) from None
    return Asked(layer, z, x, y, snapshot is not None and "time" in values)


def _place(place: tuple[str, str, str]) -> tuple[int, int, int]:
    if any(len(text) > 8 for text in place):
        raise BadRequestError(f"There is no tile {'/'.join(place)[:60]}.")
    z, x, y = (int(text) for text in place)
    if z > MAX_ZOOM:
        raise BadRequestError(f"There are no tiles of zoom {z}: the largest is {MAX_ZOOM}.")
    if not (x < 1 << z and y < 1 << z):
        raise BadRequestError(f"There is no tile {z}/{x}/{y}: at zoom {z} they go to {(1 << z) - 1}.")
    return z, x, y


def _values(query: Mapping[str, list[str]]) -> dict[str, str]:
    found = {}
    for name, values in query.items():
        if name not in _KNOWN:
            if name == "token":  # the server's own
                continue
            raise BadRequestError(f"Tiles know no {name[:40]!r}; they know {', '.join(_KNOWN)}.")
        if len(values) != 1:
            raise BadRequestError(f"{name} is given {len(values)} times; give it once.")
        longest = _LONGEST if name == "mask" else 60
        if len(values[0]) > longest:
            raise BadRequestError(f"{name} has {len(values[0])} letters; {longest} are the most.")
        if values[0].strip():
            found[name] = values[0].strip()
    return found


def _number(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadRequestError(f"{name}={text!r} is no number.")
    return number


def _archive(key: str | None) -> str:
    if key is None:
        return default_url()
    if not _KEY.fullmatch(key):
        raise BadRequestError(f"archive={key!r} is no key of an archive.")
    url = registered(key)
    if url is None:
        raise NotThereError("The archive is not known to this server: draw the map again in its notebook.")
    return url


def _newest_of(url: str) -> str:
    """Return an archive's newest snapshot, as it was a few seconds ago at most."""
    with _lock:
        asked, snapshot = _newest.get(url, (-math.inf, ""))
        if time.monotonic() - asked > _SECONDS:
            snapshot = open_archive(url).snapshot
            _newest[url] = time.monotonic(), snapshot
        return snapshot


def _date(product: Product, text: str | None) -> str:
    times = product.times
    if not len(times):
        raise NotThereError(f"{product.id} is empty.")
    if text is None:
        return str(times[-1])
    if not _DATE.fullmatch(text):
        raise BadRequestError(f"time={text!r} is no date; expected one like {times[-1]}.")
    if text not in times.astype(str):
        raise NotThereError(
            f"{product.id} has no date {text}: it holds {len(times)} dates from {times[0]} to {times[-1]}."
        )
    return text
