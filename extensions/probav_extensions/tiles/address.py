"""Where tiles are: the address that a map in a notebook asks, and which archive a key in it stands for.

A kernel tells the notebook server of an archive it has opened by a file in Jupyter's runtime folder, which
their user alone can write; the address carries a key. So a request can't make the server open anything.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jupyter_core.paths import jupyter_runtime_dir

from probav import Product
from probav.masks import parse_mask
from probav.storage import demo_path, local_path
from probav.times import select
from probav_extensions.tiles.route import ARCHIVE, PREFIX, ROUTE
from probav_extensions.tiles.style import Style, variable_of

VERSION = "1"  # of how tiles look: browsers keep them for a year
_KEPT = 64  # archives that a user's kernels opened


def template(
    product: Product,
    variable: str | None = None,
    time: Any = None,
    mask: str | None = None,
    ramp: str | None = None,
    low: float | None = None,
    high: float | None = None,
) -> str | None:
    """Return the address of a product's map tiles, with {z}, {x} and {y} for a tile's zoom and place.

    Parameters
    ----------
    product : Product
    variable : str, optional
        The product's main variable if not given.
    time : str or date, optional
        The last of the dates it selects; of all dates if not given.
    mask : str, optional
        Which pixels are shown; see `probav.masks`.
    ramp : str, optional
        One of Matplotlib's colour maps; the product's own colours if not given.
    low, high : float, optional
        Physical values that the ramp's ends stand for.

    Returns
    -------
    str, or None where no notebook server of ours started this kernel (a terminal, another editor), or the
    product isn't one of an archive (products combined).

    Raises
    ------
    UnknownNameError, MaskError, TimeError, QueryError
        If an argument can't be understood.
    """
    prefix = os.environ.get(PREFIX)
    if not prefix or not isinstance(product, Product):
        return None
    from probav.archive import opened

    chosen = variable_of(product, variable)
    style = Style(chosen, ramp, low, high)
    day = product.times[select(product.times, time, product.id)[-1]]
    if mask is not None:
        parse_mask(mask, product, opened(product.store.url, product.store.snapshot))
    query = {
        "time": str(day), "mask": mask, "snapshot": product.store.snapshot,
        "archive": register(product.store.url), "ramp": ramp, "low": low, "high": high,
        "v": f"{VERSION}-{style.digest[:8]}",
    }  # fmt: skip
    asked = urlencode({name: item for name, item in query.items() if item is not None}, quote_via=quote)
    where = f"{ROUTE}/{quote(product.id)}/{quote(chosen.name)}"
    return f"{prefix.rstrip('/')}/{where}/{{z}}/{{x}}/{{y}}.png?{asked}"


def register(url: str) -> str | None:
    """Tell the notebook server of an archive; return its key, None for the one it knows anyway."""
    whole = _whole(url)
    known = os.environ.get(ARCHIVE)  # not what this kernel means by default: its user may have changed that
    if known is not None and whole == _whole(known or str(demo_path())):
        return None
    key = hashlib.sha256(whole.encode()).hexdigest()[:24]
    path = _file(key)
    if registered(key) == whole:
        path.touch()
        return key
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": whole}, file)
    os.replace(part, path)
    files = sorted(path.parent.glob("probav-archive-*.json"), key=_age)
    for old in files[_KEPT:]:
        old.unlink(missing_ok=True)
    return key


def registered(key: str) -> str | None:
    """Return the archive that a kernel of this user told of under a key."""
    path = _file(key)
    with suppress(OSError, ValueError, KeyError, TypeError):
        if path.lstat().st_uid == os.getuid() and not path.is_symlink():
            return str(json.loads(path.read_text(encoding="utf-8"))["url"])
    return None


def _file(key: str) -> Path:
    return Path(jupyter_runtime_dir(), f"probav-archive-{key}.json")


def _whole(url: str) -> str:
    """Return an archive's URL, of a path the whole one: server and kernel may be in different folders."""
    path = local_path(url)
    return url if path is None else str(path.resolve())


def _age(path: Path) -> float:
    with suppress(OSError):
        return -path.stat().st_mtime
    return 0.0
