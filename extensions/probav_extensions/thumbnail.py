"""Where a product's tiles lie, as paths of a small SVG: the page that shows it gives the colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from probav_extensions.outlines import land, neighbourhood

if TYPE_CHECKING:
    import geopandas as gpd

_WIDTH = 240  # of the picture
_LOWEST, _HIGHEST = 70, 200
_MOST_TILES = 400
_CLASSES = 4  # of tiles, by number of dates


def thumbnail(tiles: gpd.GeoDataFrame) -> dict[str, Any]:
    """Return a footprint to draw.

    Parameters
    ----------
    tiles : GeoDataFrame
        As `Product.footprint` returns it.

    Returns
    -------
    dict
        width, height; `land`, the path of the countries; `tiles`, a list of paths with the `share` of dates
        that their tiles have of the fullest (0 to 1], and `words` on them.
    """
    if tiles.empty:
        return {"width": _WIDTH, "height": _LOWEST, "land": "", "tiles": []}
    west, south, east, north = neighbourhood(tuple(tiles.total_bounds), margin=0.6)
    height = round(float(np.clip((north - south) / (east - west) * _WIDTH, _LOWEST, _HIGHEST)))
    scale = min(_WIDTH / (east - west), height / (north - south))  # pixels per degree
    left, top = (west + east) / 2 - _WIDTH / scale / 2, (south + north) / 2 + height / scale / 2
    view = (left, top - height / scale, left + _WIDTH / scale, top)

    def placed(shape: Any) -> Any:
        return shapely.transform(
            shape, lambda xy: np.column_stack([(xy[:, 0] - left) * scale, (top - xy[:, 1]) * scale])
        )

    countries = placed(shapely.union_all(land(view).values))
    return {
        "width": _WIDTH,
        "height": height,
        "land": _path(shapely.simplify(countries, 0.4)),
        "tiles": [
            {"share": share, "words": words, "path": _path(placed(shape), digits=1)}
            for share, words, shape in _parts(tiles)
        ],
    }


def _parts(tiles: gpd.GeoDataFrame) -> list[tuple[float, str, Any]]:
    """Return tiles one by one, or, where they are many, together by how many dates they have."""
    most = int(tiles["dates"].max())
    shares = np.ceil(tiles["dates"].to_numpy() / most * _CLASSES) / _CLASSES
    if len(tiles) <= _MOST_TILES:
        words = [
            f"{row.tile}: {_dates(row.dates)}, {row.first:%Y-%m-%d} to {row.last:%Y-%m-%d}"
            for row in tiles.itertuples()
        ]
        return list(zip(shares.tolist(), words, tiles.geometry, strict=True))
    found = []
    for share in np.unique(shares):
        chosen = tiles[shares == share]
        few, many = chosen["dates"].min(), chosen["dates"].max()
        dates = _dates(few) if few == many else f"{few} to {many} dates"
        shape = shapely.union_all(chosen.geometry.values)
        found.append((float(share), f"{len(chosen)} tiles of {dates}", shape))
    return found


def _dates(count: int) -> str:
    return f"{count} date" if count == 1 else f"{count} dates"


def _path(shape: Any, digits: int = 0) -> str:
    """Return the `d` of an SVG path."""
    rings = []
    for polygon in shapely.get_parts(shape):
        if polygon.geom_type != "Polygon" or polygon.is_empty:
            continue
        for ring in (polygon.exterior, *polygon.interiors):
            points = " ".join(f"{x:.{digits}f},{y:.{digits}f}" for x, y in ring.coords[:-1])
            rings.append(f"M{points}Z")
    return "".join(rings)
