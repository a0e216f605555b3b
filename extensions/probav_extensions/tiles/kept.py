"""Tiles made before: in memory and in a private folder, both bounded; one that two ask for is made once."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict
from functools import lru_cache

import platformdirs

from probav.caches import ByteCache
from probav.errors import BudgetError
from probav.kept_files import KeptFiles, room_of
from probav_extensions.tiles.address import VERSION
from probav_extensions.tiles.render import Layer, tile
from probav_extensions.tiles.signs import EMPTY, zoom_in

_MEMORY = ByteCache(lambda: room_of("PROBAV_TILES_MEMORY", 64 << 20))
_locks = [threading.Lock() for _ in range(64)]


def kept_tile(layer: Layer, z: int, x: int, y: int) -> tuple[bytes, bool]:
    """Return a tile as a PNG, and whether it stays so: a sign to zoom in does not.

    Raises
    ------
    ProbavError
        As `render.tile`.
    """
    text = json.dumps([VERSION, layer.style.digest, asdict(layer), z, x, y])
    key = hashlib.sha256(text.encode()).hexdigest()
    with _locks[int(key[:8], 16) % len(_locks)]:
        try:
            return _MEMORY.get(key, lambda: _from_disk(key, layer, z, x, y), len), True
        except BudgetError:
            return zoom_in(), False


def _from_disk(key: str, layer: Layer, z: int, x: int, y: int) -> bytes:
    files = _files()
    if (found := files.get(key)) is not None:
        return found
    made = tile(layer, z, x, y)
    if made is None:  # found out faster than a file is read
        return EMPTY
    files.put(key, made)
    return made


@lru_cache(maxsize=1)
def _files() -> KeptFiles:
    folder = platformdirs.user_cache_path("probav") / "tiles"
    return KeptFiles(folder, room_of("PROBAV_TILES_BYTES", 512 << 20), level=1)
