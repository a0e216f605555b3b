"""Pixel grids and the 10 degree tiles of PROBA-V.

Everything here counts from pixel *centres*, as the products do: the integer-degree corner of a tile is the
centre of its top-left pixel, so tile edges lie half a pixel north-west of it and differ per resolution.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from probav.errors import SourceError

TILE_DEGREES = 10
TILE_COLUMNS = 36
TILE_ROWS = 14
_TILE_NAME = re.compile(r"X(\d\d)Y(\d\d)")


@dataclass(frozen=True)
class Grid:
    """A regular north-up pixel grid.

    Parameters
    ----------
    x0, y0 : float, CRS units
        Centre of the top-left pixel (longitude, latitude in degrees for EPSG:4326).
    nx, ny : float, pixels per CRS unit
        Columns per unit eastwards and rows per unit southwards: 336 for the 300 m products.
    width, height : int, pixels
    crs : str
        Anything pyproj understands.
    """

    x0: float
    y0: float
    nx: float
    ny: float
    width: int
    height: int
    crs: str = "EPSG:4326"

    @property
    def transform(self) -> Affine:
        """Affine transform from (column, row) to the outer corner of that pixel, as GDAL uses it."""
        return Affine(1 / self.nx, 0, self.x0 - 0.5 / self.nx, 0, -1 / self.ny, self.y0 + 0.5 / self.ny)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Outer edges: west, south, east, north, in CRS units."""
        west, north = self.x0 - 0.5 / self.nx, self.y0 + 0.5 / self.ny
        return (west, north - self.height / self.ny, west + self.width / self.nx, north)

    @property
    def is_geographic(self) -> bool:
        """Whether the axes are longitude and latitude in degrees."""
        return self.crs == "EPSG:4326"

    @property
    def goes_round(self) -> bool:
        """Whether the grid goes once round the world, so that its last column meets its first."""
        return self.is_geographic and self.width == round(360 * self.nx)

    def pixels(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fractional (column, row) of points: 0.5 is the centre of the first pixel, 0 its outer edge."""
        return (x - self.x0) * self.nx + 0.5, (self.y0 - y) * self.ny + 0.5

    def xs(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Centres of columns `start` to `stop` (exclusive), in CRS units."""
        return self.x0 + np.arange(start, self.width if stop is None else stop) / self.nx

    def ys(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Centres of rows `start` to `stop` (exclusive), in CRS units, north to south."""
        return self.y0 - np.arange(start, self.height if stop is None else stop) / self.ny

    def pixel_km2(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Area of a pixel in each row, in square kilometres.

        Parameters
        ----------
        rows : (n,) int64

        Notes
        -----
        Exact on the WGS 84 ellipsoid for longitude and latitude (Snyder 1987, Map Projections: A Working
        Manual, USGS Professional Paper 1395, equation 3-12); as if the projection kept areas for others,
        whose units are taken for metres.
        """
        if not self.is_geographic:
            return np.full(len(rows), 1e-6 / (self.nx * self.ny))
        north = self.y0 - (rows - 0.5) / self.ny
        edges = _zone_km2(np.clip(np.stack([north, north - 1 / self.ny]), -90, 90))
        return np.asarray((edges[0] - edges[1]) / 360 / self.nx)

    @property
    def largest_km2(self) -> float:
        """Area of the largest pixel, in square kilometres."""
        nearest = round(min(max(self.y0 * self.ny, 0), self.height - 1)) if self.is_geographic else 0
        return float(self.pixel_km2(np.array([nearest])).max())

    def relative_areas(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Area of a pixel in each row as a part of the largest pixel's."""
        return np.minimum(self.pixel_km2(rows) / self.largest_km2, 1.0)

    def window(self, row: int, column: int, height: int, width: int) -> Grid:
        """Return the grid of a window of this one; row and column may lie outside of it."""
        return Grid(
            self.x0 + column / self.nx, self.y0 - row / self.ny, self.nx, self.ny, width, height, self.crs
        )

    def offset_of(self, other: Grid) -> tuple[int, int] | None:
        """(row, column) of another grid's first pixel on this lattice; None where it isn't on the lattice.

        Pixels must coincide to a hundredth of a pixel over the whole of `other`: files store their corners
        with 6 to 12 digits.
        """
        if self.crs != other.crs:
            return None
        column = (other.x0 - self.x0) * self.nx
        row = (self.y0 - other.y0) * self.ny
        last_column = column + (other.width - 1) * self.nx / other.nx
        last_row = row + (other.height - 1) * self.ny / other.ny
        for value, expected in (
            (column, round(column)),
            (row, round(row)),
            (last_column, round(column) + other.width - 1),
            (last_row, round(row) + other.height - 1),
        ):
            if abs(value - expected) > 0.01:
                return None
        return round(row), round(column)


def _zone_km2(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of the ellipsoid between the equator and a latitude, all round, in square kilometres."""
    major, flattening = 6378.137, 1 / 298.257223563  # WGS 84
    e2 = flattening * (2 - flattening)
    e, sine = np.sqrt(e2), np.sin(np.radians(latitude))
    return np.asarray(np.pi * major**2 * (1 - e2) * (sine / (1 - e2 * sine**2) + np.arctanh(e * sine) / e))


def probav_grid(n: int) -> Grid:
    """Return the whole PROBA-V Level 3 grid (36 x 14 tiles) at `n` pixels per degree: 112, 336 or 1008."""
    size = TILE_DEGREES * n
    return Grid(-180.0, 75.0, n, n, TILE_COLUMNS * size, TILE_ROWS * size)


def cgls_grid(n: int) -> Grid:
    """Return the global Copernicus Global Land grid (80 N to 60 S) at `n` pixels per degree."""
    return Grid(-180.0, 80.0, n, n, 360 * n, 140 * n)


# version 2 ends at 50 degrees, version 3 and the demo's synthetic rainfall at 60
CHIRPS_GRID = Grid(-179.975, 59.975, 20, 20, 7200, 2400)


def tile_at(lon: float, lat: float, n: int) -> tuple[str, int, int]:
    """Tile name, column and row of the pixel that holds a point.

    Parameters
    ----------
    lon, lat : float, degrees
    n : int, pixels per degree

    Raises
    ------
    ValueError
        If the point lies north of 75 or south of -65 degrees, where there are no tiles.
    """
    x = math.floor((lon + 180 + 0.5 / n) / TILE_DEGREES)
    y = math.floor((75 + 0.5 / n - lat) / TILE_DEGREES)
    lon0 = TILE_DEGREES * x - 180
    if x == TILE_COLUMNS:  # within half a pixel of 180 degrees east: the first column of the world
        x = 0
    if not (0 <= x < TILE_COLUMNS and 0 <= y < TILE_ROWS):
        raise ValueError(f"({lon}, {lat}) is in no PROBA-V tile: they cover 180 W to 180 E and 75 N to 65 S")
    lat0 = 75 - TILE_DEGREES * y
    column = math.floor((lon - lon0) * n + 0.5)
    row = math.floor((lat0 - lat) * n + 0.5)
    return f"X{x:02d}Y{y:02d}", column, row


def tile_offset(name: str, n: int) -> tuple[int, int]:
    """(row, column) of a tile's first pixel on `probav_grid(n)`."""
    match = _TILE_NAME.fullmatch(name)
    if match is None or int(match[1]) >= TILE_COLUMNS or int(match[2]) >= TILE_ROWS:
        raise SourceError(f"{name!r} is no PROBA-V tile; expected X00Y00 to X35Y13")
    size = TILE_DEGREES * n
    return int(match[2]) * size, int(match[1]) * size
