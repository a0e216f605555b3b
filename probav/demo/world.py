"""The synthetic world: what grows where, what rain and trend do to it. All of it is noise-free truth.

NDVI = season of the land cover class + texture + gain * rain anomaly some dekads ago + trend of the district.
Seasons are double logistics (Beck et al. 2006, Remote Sensing of Environment 100, 321-334).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray

from probav.demo.fields import Field, Floats, random
from probav.grid import Grid, cgls_grid, probav_grid

WEST, NORTH = 4.0, 51.5  # centre of the first pixel, degrees; inside tile X18Y02
LAG = 3  # dekads from rain to NDVI
N = 336  # pixels a degree


@dataclass(frozen=True)
class Cover:
    """A land cover class: NDVI of winter and summer, days of green-up and decline, what rain does."""

    code: int
    winter: float
    summer: float
    green_up: float = 120
    decline: float = 280
    rain_gain: float = 0.0  # NDVI per standard deviation of rain
    vegetation: bool = True

    def season(self, day: float) -> float:
        """NDVI on a day of the year (1 to 366)."""
        rise = 1 / (1 + math.exp(-0.08 * (day - self.green_up)))
        fall = 1 / (1 + math.exp(0.06 * (day - self.decline)))
        return self.winter + (self.summer - self.winter) * (rise + fall - 1)


COVERS = (
    Cover(30, 0.42, 0.66, 95, 300, rain_gain=0.03),
    Cover(40, 0.28, 0.72, 115, 205, rain_gain=0.04),
    Cover(50, 0.20, 0.30, 115, 285, vegetation=False),
    Cover(80, 0.02, 0.04, vegetation=False),
    Cover(90, 0.35, 0.58, 130, 270),
    Cover(111, 0.60, 0.68, 110, 290, rain_gain=0.005),
    Cover(114, 0.40, 0.78, 118, 288, rain_gain=0.01),
    Cover(115, 0.50, 0.74, 114, 289, rain_gain=0.01),
    Cover(200, -0.04, -0.03, vegetation=False),
)
_INDEX = {cover.code: index for index, cover in enumerate(COVERS)}
_RAIN_GAINS = np.array([cover.rain_gain for cover in COVERS])
_VEGETATION = np.array([cover.vegetation for cover in COVERS])

# name, NDVI trend per year, outline in fractions of the window (east, south)
_DISTRICTS = (
    ("Noorderveld", 0.02, ((0.42, 0.06), (0.62, 0.04), (0.66, 0.16), (0.55, 0.24), (0.40, 0.19))),
    ("Oostmark", -0.02, ((0.78, 0.20), (0.95, 0.18), (0.96, 0.40), (0.84, 0.44), (0.77, 0.33))),
    ("Middelland", 0.0, ((0.38, 0.36), (0.58, 0.33), (0.63, 0.50), (0.50, 0.58), (0.35, 0.51))),
    ("Westakker", 0.03, ((0.06, 0.44), (0.24, 0.40), (0.28, 0.56), (0.17, 0.64), (0.05, 0.59))),
    ("Zuiderwoud", -0.03, ((0.60, 0.68), (0.86, 0.66), (0.90, 0.86), (0.74, 0.94), (0.61, 0.85))),
    ("Dalgrond", 0.0, ((0.12, 0.74), (0.34, 0.72), (0.40, 0.88), (0.26, 0.95), (0.10, 0.90))),
)


@dataclass(frozen=True)
class District:
    """A named polygon (longitude, latitude) with a known NDVI trend per year on its vegetation."""

    name: str
    trend: float
    polygon: shapely.Polygon


@dataclass(frozen=True)
class Dekad:
    """One dekad: its place in the series, first and last day."""

    index: int
    first: np.datetime64
    last: np.datetime64

    @property
    def middle(self) -> float:
        """Middle of the dekad as a day of the year."""
        january = self.first.astype("datetime64[Y]").astype("datetime64[D]")
        return float((self.first - january + (self.last - january)).astype(int)) / 2 + 1


def dekads(years: tuple[int, ...]) -> list[Dekad]:
    """Return all dekads of consecutive years."""
    months = np.arange(f"{min(years)}-01", f"{max(years) + 1}-01", dtype="datetime64[M]")
    firsts = [month.astype("datetime64[D]") + day for month in months for day in (0, 10, 20)]
    ends = [*firsts[1:], np.datetime64(f"{max(years) + 1}-01-01")]
    return [Dekad(i, first, end - 1) for i, (first, end) in enumerate(zip(firsts, ends, strict=True))]


class World:
    """The truth of one seed, period and window.

    Arrays of the truth have one row and column more than the 300 m window, in the north and west: a 1 km
    pixel covers 300 m columns 3k-1 to 3k+1.
    """

    def __init__(self, seed: int, years: tuple[int, ...], size_degrees: float) -> None:
        self.seed = seed
        self.dekads = dekads(years)
        self.size_degrees = size_degrees
        km = round(size_degrees * N / 3)
        column = round((WEST + 180) * N)
        self.grid300 = probav_grid(N).window(round((75 - NORTH) * N), column, 3 * km, 3 * km)
        row = round((80 - NORTH) * N)
        self.grid1000 = cgls_grid(N // 3).window(row // 3, column // 3, km, km)
        # the 100 m pixels below the 300 m ones: 3k-1 to 3k+1 again
        self.grid100 = cgls_grid(3 * N).window(3 * row - 1, 3 * column - 1, 9 * km, 9 * km)
        self.truth_grid = self.grid300.window(-1, -1, 3 * km + 1, 3 * km + 1)

    def unit(self, grid: Grid) -> tuple[Floats, Floats]:
        """Rows and columns of a grid as fractions of the window, southwards and eastwards."""
        return (NORTH - grid.ys()) / self.size_degrees, (grid.xs() - WEST) / self.size_degrees

    def field(self, purpose: int, modes: int, power: float, lowest: int = 1) -> Floats:
        """Evaluate a field that does not change with time on the truth grid."""
        v, u = self.unit(self.truth_grid)
        return Field.draw(random(self.seed, purpose), modes, power, lowest).on(v, u)

    @cached_property
    def elevation(self) -> Floats:
        """Height above the sea, unitless: rises to the south-east."""
        v, u = self.unit(self.truth_grid)
        return v[:, None] + u[None, :] + 0.25 * self.field(1, 12, 1.5)

    @cached_property
    def cover(self) -> NDArray[np.intp]:
        """Index into COVERS of every pixel of the truth grid."""
        v, u = self.unit(self.truth_grid)
        patches, trees, ground = (self.field(purpose, 64, 1.3, lowest=4) for purpose in (2, 3, 4))
        towns = self.field(5, 64, 1.0, lowest=12)
        lake = np.hypot(v[:, None] - 0.30, u[None, :] - 0.70) + 0.006 * patches
        codes = np.select(
            [
                v[:, None] + u[None, :] + 0.03 * ground < 0.25,
                lake < 0.035,
                lake < 0.05,
                towns > 1.7,
                (wooded := patches + 0.7 * (self.elevation - 1) > 0.6) & (trees > 0.5),
                wooded & (trees < -0.3),
                wooded,
                ground > 0.5,
            ],
            [200, 80, 90, 50, 111, 115, 114, 30],
            default=40,
        )
        lookup = np.zeros(256, np.intp)
        for code, index in _INDEX.items():
            lookup[code] = index
        return np.asarray(lookup[codes])

    @cached_property
    def sea(self) -> NDArray[np.bool_]:
        """Where the truth grid is sea."""
        return np.asarray(self.cover == _INDEX[200])

    @cached_property
    def districts(self) -> list[District]:
        """The districts of this window."""
        size = self.size_degrees
        return [
            District(
                name,
                trend,
                shapely.Polygon([(round(WEST + size * u, 5), round(NORTH - size * v, 5)) for u, v in ring]),
            )
            for name, trend, ring in _DISTRICTS
        ]

    @cached_property
    def district(self) -> NDArray[np.int16]:
        """Number of the district (from 1, 0: none) in which a pixel of the truth grid has its centre."""
        grid = self.truth_grid
        shapes = [(district.polygon, number) for number, district in enumerate(self.districts, start=1)]
        numbers = rasterio.features.rasterize(
            shapes, (grid.height, grid.width), transform=grid.transform, dtype="int16"
        )
        return np.asarray(numbers, np.int16)

    @cached_property
    def _texture(self) -> Floats:
        return np.asarray(0.015 * np.clip(self.field(6, 64, 1.0, lowest=4), -2, 2) * _VEGETATION[self.cover])

    @cached_property
    def _rain_gain(self) -> Floats:
        return np.asarray(_RAIN_GAINS[self.cover])

    @cached_property
    def _trend(self) -> Floats:
        slopes = np.array([0.0, *(district.trend for district in self.districts)])
        return np.asarray(slopes[self.district] * _VEGETATION[self.cover])

    @cached_property
    def _wetness(self) -> Floats:
        """Regional rain anomaly per dekad, LAG dekads ahead of the first: variance 1, no trend."""
        count = len(self.dekads) + LAG
        values = random(self.seed, 7).standard_normal(count)
        time = np.arange(count) - (count - 1) / 2
        values -= values.mean()
        values -= time * (time @ values) / (time @ time)
        return np.asarray(values / values.std())

    def rain_anomaly(self, index: int, grid: Grid) -> Floats:
        """Rain anomaly of dekad `index` (down to -LAG) in standard deviations."""
        v, u = self.unit(grid)
        local = Field.draw(random(self.seed, 8, index + LAG), 4, 1.0).on(v, u)
        return np.asarray(np.clip(0.85 * self._wetness[index + LAG] + 0.5 * local, -2.5, 2.5))

    def years_from_middle(self, dekad: Dekad) -> float:
        """Time since the middle of the series in years of 36 dekads: the trend's clock."""
        return (dekad.index - (len(self.dekads) - 1) / 2) / 36

    def ndvi(self, dekad: Dekad) -> Floats:
        """Noise-free NDVI on the truth grid."""
        seasons = np.array([cover.season(dekad.middle) for cover in COVERS])
        rain = self.rain_anomaly(dekad.index - LAG, self.truth_grid)
        trend = self._trend * self.years_from_middle(dekad)
        return np.asarray(seasons[self.cover] + self._texture + self._rain_gain * rain + trend)

    def rainfall(self, dekad: Dekad, grid: Grid) -> Floats:
        """Total rain of a dekad in mm."""
        normal = 24 + 5 * np.cos(2 * np.pi * (dekad.middle - 330) / 365)
        return np.asarray(normal * np.exp(0.45 * self.rain_anomaly(dekad.index, grid)))
