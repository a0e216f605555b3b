"""A made-up tile: fields, seasons and clouds that hang together in space, and compress like real ones.

NDVI is PROBA-V's (0.004 DN - 0.08, 255: no data), the status map has its bits, land cover has ten classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLASSES = 10  # codes 1 to 10
_CLEAR_LAND, _CLEAR_SEA, _CLOUD, _SHADOW, _SNOW = 248, 240, 251, 249, 252
_NOISE = 3.3  # DN; sets the size of the compressed tile


def _weights(length: int, cell: int) -> NDArray[np.float32]:
    """Weights (length, nodes) of linear interpolation between nodes `cell` pixels apart."""
    place = np.arange(length) / cell
    node = place.astype(int)
    found = np.zeros((length, node[-1] + 2), np.float32)
    found[np.arange(length), node] = 1 - (place - node)
    found[np.arange(length), node + 1] = place - node
    return found


def smooth(random: np.random.Generator, shape: tuple[int, int], cell: int) -> NDArray[np.float32]:
    """Return random numbers on nodes `cell` pixels apart, interpolated: (height, width) float32."""
    down, along = _weights(shape[0], cell), _weights(shape[1], cell)
    nodes = random.standard_normal((down.shape[1], along.shape[1]), dtype=np.float32)
    return down @ nodes @ along.T


class World:
    """What stays the same from date to date.

    Parameters
    ----------
    height, width : int
        Pixels.
    seed : int
    """

    def __init__(self, height: int, width: int, seed: int = 7) -> None:
        self.shape = height, width
        self.seed = seed
        random = np.random.default_rng(seed)
        # fields: a grid with bent lines
        row = np.arange(height)[:, None] + 25 * smooth(random, self.shape, 70)
        column = np.arange(width)[None, :] + 25 * smooth(random, self.shape, 70)
        number = (row / 13).astype(np.int64) * 7919 + (column / 17).astype(np.int64)
        of_field = random.standard_normal(4096).astype(np.float32)[number % 4096]
        region = smooth(random, self.shape, 160) + 0.6 * of_field
        limits = np.quantile(region[::7, ::7], np.linspace(0, 1, CLASSES + 1)[1:-1])
        self.landcover: NDArray[np.uint8] = (np.digitize(region, limits) + 1).astype(np.uint8)
        self.sea = smooth(random, self.shape, 420) < -1.4
        of_class = np.linspace(60, 150, CLASSES, dtype=np.float32)[self.landcover - 1]
        self._base = of_class + 8 * of_field
        self._amplitude = np.linspace(10, 60, CLASSES, dtype=np.float32)[self.landcover - 1]
        self._late = (of_field > 0.8).astype(np.float32) * 0.7  # some fields green later

    def observe(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return NDVI and status map of a dekad, counted from January of the first year."""
        random = np.random.default_rng([self.seed, number])
        season = np.sin(2 * np.pi * (number % 36 - 9) / 36 - self._late)
        ndvi = self._base + self._amplitude * season
        ndvi += _NOISE * random.standard_normal(self.shape, dtype=np.float32)
        cloud = smooth(random, self.shape, 220) + 0.6 * smooth(random, self.shape, 60)
        cloud += 0.25 * smooth(random, self.shape, 14)
        is_cloud = cloud > random.uniform(0.1, 0.9)
        is_shadow = np.roll(is_cloud, (5, 7), (0, 1)) & ~is_cloud
        is_snow = (cloud < -1.2) & (number % 36 in (0, 1, 2, 34, 35))
        ndvi = np.where(is_cloud, 0.3 * ndvi, ndvi)
        status = np.full(self.shape, _CLEAR_LAND, np.uint8)
        status[is_shadow], status[is_snow], status[is_cloud] = _SHADOW, _SNOW, _CLOUD
        status[self.sea] &= 0b11110111  # bit 3: land
        dn = np.clip(ndvi, 0, 250).astype(np.uint8)
        dn[self.sea] = 255
        return dn, status
