"""Which pixel grid items are loaded on, and the blocks they are read in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from probav.errors import OutsideError, QueryError, SourceError
from probav.grid import Grid

# pixels; blocks lie on a lattice that neither the area nor the caller's chunks move, so that resampling gives
# each pixel the same value whatever else is asked for. Twice the archive's chunks.
BLOCK = 560
_NEARLY = 1e-6  # of a pixel: how exactly transforms are written


def choose(area: Any, geoboxes: Iterable[Any], crs: str | None, resolution: float | None) -> Grid:
    """Return the grid of an area's pixels.

    Parameters
    ----------
    area : shapely geometry, EPSG:4326
    geoboxes : iterable of odc.geo.GeoBox or None
        Of the bands to load, in all items.
    crs : str, optional
        The items' own if not given.
    resolution : float, CRS units, optional
        The finest of the items' if not given.

    Raises
    ------
    QueryError
        If the items have several CRSs, or don't say theirs, and the call doesn't choose; if the CRS or the
        resolution make no sense.
    OutsideError
        If the area can't be transformed to the CRS.
    """
    own = [box for box in geoboxes if box is not None and box.crs is not None]
    names = sorted({name_of(CRS(box.crs.to_wkt())) for box in own})
    if crs is None:
        if len(names) != 1:
            found = (
                f"lie in {len(names)} reference systems ({', '.join(names)[:200]})" if names else "don't say"
            )
            raise QueryError(f"The items {found}; choose with crs= (and resolution=).")
        crs = names[0]
    try:
        target = CRS(crs)
    except CRSError as error:
        raise QueryError(f"crs={crs!r} is no coordinate reference system: {error}.") from error
    name = name_of(target)
    lattice = [box.affine for box in own if name_of(CRS(box.crs.to_wkt())) == name]
    if resolution is None:
        if not lattice:
            raise QueryError(f"crs={crs!r} is not the items' own; say how fine with resolution=.")
        resolution = min(abs(affine.a) for affine in lattice)
    if not 0 < resolution < np.inf:
        raise QueryError(f"resolution={resolution!r} is no size of a pixel; expected a positive number.")
    for affine in lattice:
        if affine.b or affine.d or affine.a <= 0 or affine.e >= 0:
            raise SourceError("The items' pixels are not north-up; choose a grid with crs= and resolution=.")
    step = float(resolution)
    left, top = next(
        ((a.c % step, a.f % step) for a in lattice if np.isclose(a.a, step, rtol=1e-9)), (0.0, 0.0)
    )
    west, south, east, north = _bounds(area, name)
    first_column, last_column = _floor((west - left) / step), -_floor((left - east) / step)
    first_row, last_row = _floor((top - north) / step), -_floor((south - top) / step)
    width, height = max(1, last_column - first_column), max(1, last_row - first_row)
    x0, y0 = left + (first_column + 0.5) * step, top - (first_row + 0.5) * step
    return Grid(x0, y0, 1 / step, 1 / step, width, height, name)


def blocks(grid: Grid) -> tuple[Grid, slice, slice]:
    """Return a grid of whole blocks that holds another, and the rows and columns of that one in it."""
    step = 1 / grid.nx
    column, row = _floor(grid.x0 / step - 0.5), _floor(-grid.y0 / step - 0.5)
    before, above = column % BLOCK, row % BLOCK
    width, height = -(-(before + grid.width) // BLOCK) * BLOCK, -(-(above + grid.height) // BLOCK) * BLOCK
    whole = grid.window(-above, -before, height, width)
    return whole, slice(above, above + grid.height), slice(before, before + grid.width)


def name_of(crs: CRS) -> str:
    """Return EPSG:n where there is such a code, else WKT."""
    authority = crs.to_authority(min_confidence=100)
    return crs.to_wkt() if authority is None else ":".join(authority)


def _floor(value: float) -> int:
    """Round down, but up where only rounding keeps a value below a whole number."""
    return int(np.floor(value + _NEARLY))


def _bounds(area: Any, crs: str) -> tuple[float, float, float, float]:
    from pyproj import Transformer

    transformer = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    west, south, east, north = area.bounds
    outline = shapely.segmentize(area, max(east - west, north - south, 1e-9) / 20)
    x, y = transformer.transform(*shapely.get_coordinates(outline).T)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise OutsideError(
            f"The area {area.bounds} reaches beyond what {crs[:80]} can show; choose another crs=."
        )
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())
