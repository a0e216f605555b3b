"""What the satellite sees of the world in one dekad: clouds, shadow, snow, gaps, noise, stored numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probav.demo.fields import Field, Floats, random
from probav.demo.world import COVERS, Dekad, World

NOISE = 0.012  # largest error of a clear observation, NDVI
_CLEAR, _SHADOW, _UNDEFINED, _CLOUD, _SNOW = range(5)
# what isn't clear lowers NDVI (gain, shift), so that a forgotten mask shows
_GAIN = np.array([1, 0.65, 0.8, 0.15, 0.1])
_SHIFT = np.array([0, 0, 0, 0.02, -0.02])
_LAND, _SWIR_GOOD, _ALL_GOOD = 8, 16, 240


@dataclass(frozen=True)
class Observation:
    """Stored numbers of one dekad on the 300 m grid.

    Parameters
    ----------
    ndvi : uint8
    sm : uint8
    bands : RED, NIR, BLUE, SWIR -> int16
    time : uint16, minutes
    """

    ndvi: NDArray[np.uint8]
    sm: NDArray[np.uint8]
    bands: dict[str, NDArray[np.int16]]
    time: NDArray[np.uint16]

    @property
    def status(self) -> NDArray[np.uint8]:
        """Bits 0-2 of the status map: one number."""
        return self.sm & np.uint8(7)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where the sensor saw nothing."""
        return np.asarray(self.ndvi == 255)


def dn(values: Floats, scale: float, offset: float = 0.0) -> NDArray[np.int64]:
    """Return the stored numbers of physical values: (value - offset) / scale, rounded half up."""
    return np.floor((values - offset) / scale + 0.5).astype(np.int64)


def observe(world: World, dekad: Dekad, truth: Floats) -> Observation:
    """Observe the world in one dekad, `truth` being its NDVI on the truth grid."""
    v, u = world.unit(world.truth_grid)

    def smooth(purpose: int, modes: int, power: float, lowest: int = 1) -> Floats:
        return Field.draw(random(world.seed, purpose, dekad.index), modes, power, lowest).on(v, u)

    chance = random(world.seed, 20, dekad.index)
    winter = 0.5 + 0.5 * np.cos(2 * np.pi * (dekad.middle - 15) / 365)
    amount = np.clip(0.08 + 0.22 * winter + 0.15 * chance.standard_normal(), 0, 0.6)
    if chance.random() < 0.06:
        amount = 0.92  # a dekad nearly without a clear view
    blobs = smooth(21, 40, 1.5, 3)
    cloud = blobs > np.quantile(blobs, 1 - amount)
    shadow = np.roll(cloud, (-4, 3), (0, 1)) & ~cloud  # the sun stands in the south
    rim = np.roll(cloud, (1, -1), (0, 1)) & ~cloud & ~shadow
    snowy = winter > 0.8 and chance.random() < 0.5
    snow = snowy & (world.elevation > 1.3 + 0.3 * abs(chance.standard_normal())) & ~world.sea
    status = np.select([cloud, shadow, rim, snow], [_CLOUD, _SHADOW, _UNDEFINED, _SNOW], _CLEAR)

    ndvi = truth + np.clip(0.5 * NOISE * smooth(22, 24, 0.5), -NOISE, NOISE)
    ndvi = _GAIN[status] * ndvi + _SHIFT[status]
    stored = np.clip(dn(ndvi, 0.004, -0.08), 0, 250).astype(np.uint8)

    diagonal = (u[None, :] + 0.3 * v[:, None]) * 4 - chance.random() * 5
    missing = np.abs(diagonal) < 0.04 if dekad.index % 4 == 1 else np.zeros_like(cloud)
    swir_bad = np.abs(diagonal - 1.3) < 0.02 if dekad.index % 3 == 2 else np.zeros_like(cloud)
    stored[missing] = 255

    sm = status + np.where(world.sea, 0, _LAND) + np.where(swir_bad, _ALL_GOOD - _SWIR_GOOD, _ALL_GOOD)
    sm = np.where(missing, _UNDEFINED + np.where(world.sea, 0, _LAND), sm).astype(np.uint8)

    days = int((dekad.last - dekad.first).astype(int)) + 1
    day = np.clip((smooth(23, 6, 1.5) + 2) * days / 4, 0, days - 1).astype(np.int64)
    time = np.where(missing, 0, 1440 * day + 630 + 6 * (day % 5)).astype(np.uint16)
    bands = _bands(stored, status, world.cover, swir_bad)
    inner = np.s_[1:, 1:]  # without the margin of the truth grid
    return Observation(
        stored[inner], sm[inner], {name: band[inner] for name, band in bands.items()}, time[inner]
    )


def _bands(
    ndvi: NDArray[np.uint8],
    status: NDArray[np.int64],
    cover: NDArray[np.intp],
    swir_bad: NDArray[np.bool_],
) -> dict[str, NDArray[np.int16]]:
    """Reflectances that give the stored NDVI back: NDVI = (NIR - RED) / (NIR + RED)."""
    value = 0.004 * np.arange(256) - 0.08
    ground = 0.10 + 0.03 * np.sin(np.arange(len(COVERS)))[:, None] + 0.35 * value  # a brightness per cover
    others = [factor + 0.2 * value for factor in (0.05, 0.12, 0.50, 0.60)]  # shadow, undefined, cloud, snow
    nir = np.maximum(np.vstack([ground, *others]), 0.02)
    red = nir * (1 - value) / (1 + value)
    tables = {"RED": red, "NIR": nir, "BLUE": 0.02 + 0.55 * red, "SWIR": 0.08 + 0.7 * red}
    entry = np.where(status == _CLEAR, cover, len(COVERS) + status - 1) * 256 + ndvi
    bands = {}
    for name, table in tables.items():
        stored = dn(table, 1 / 2000).astype(np.int16)
        stored[:, 255] = -1  # missing
        bands[name] = stored.take(entry)
    bands["SWIR"][swir_bad] = -1
    return bands
