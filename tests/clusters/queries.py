"""What every place is asked: the benchmark's reference queries, small, and ten years over four tiles."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely

CENTRE = (-180 + 19 * 10 - 0.5 / 336, 75 - 3 * 10 + 0.5 / 336)  # where the four tiles meet
HALF = 199 / 336  # degrees from there to the border of what is stored, a pixel less
STATS = ("mean", "std", "min", "max", "p10", "p50", "p90")


def frame(shapes) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"name": [f"zone {n}" for n in range(len(shapes))]}, geometry=list(shapes), crs="EPSG:4326"
    )


def polygon() -> gpd.GeoDataFrame:
    """Return a bent outline half a degree across."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    radius = 0.25 * (1 + 0.06 * np.sin(5 * angle + 1) + 0.04 * np.sin(17 * angle))
    return frame(
        [shapely.Polygon(np.array(CENTRE) + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))]
    )


def districts(count: int) -> gpd.GeoDataFrame:
    """Return Voronoi cells that cover what is stored."""
    area = shapely.box(*(np.array(CENTRE) - HALF), *(np.array(CENTRE) + HALF))
    points = np.array(CENTRE) + np.random.default_rng(count).uniform(-HALF, HALF, (count, 2))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(points), extend_to=area))
    return frame(shapely.intersection(cells, area))


def parcels(across: int) -> gpd.GeoDataFrame:
    """Return rotated rectangles of 8 to 15 pixels a side, some of them over the borders of tiles."""
    random = np.random.default_rng(across)
    step = 2 * HALF / across
    centre = np.array(CENTRE) - HALF + step * (np.mgrid[0:across, 0:across].reshape(2, -1).T + 0.5)
    side = random.uniform(8, 15, (len(centre), 1, 2)) / 336 / 2
    angle = random.uniform(0, np.pi, len(centre))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    corners = side * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return frame(shapely.polygons(corners @ turn + centre[:, None]))


CLEAR = "QUALITY == 'clear'"
# name -> product and what its `statistics` is called with
QUERIES = {
    "polygon": ("SERIES", lambda: dict(aoi=polygon(), time="2015", mask=CLEAR, reducers=STATS)),
    "districts": (
        "SERIES",
        lambda: dict(
            aoi=districts(50), time="2015", mask="QUALITY != 'cloud'", by="landcover", reducers=STATS
        ),
    ),
    "point": ("SERIES", lambda: dict(aoi=frame([shapely.Point(CENTRE).buffer(0.001).centroid]), mask=CLEAR)),
    "parcels": (
        "SERIES",
        lambda: dict(aoi=parcels(24), time="2015", mask=CLEAR, reducers=("mean", "p50"), coverage="centre"),
    ),
    "months": (
        "SERIES",
        lambda: dict(aoi=districts(9), time=("2013", "2014"), by_time="month", weights="area"),
    ),
    "floats": ("RAIN", lambda: dict(aoi=districts(9), reducers=STATS, weights="area")),
    "decade": ("SERIES", lambda: dict(aoi=districts(12), mask=CLEAR, by="landcover", reducers=STATS)),
}
# a mask that takes long, so that something can go wrong meanwhile: numbers that are no NDVI, one by one
SLOW = " & ".join(["landcover != 7", *(f"NDVI != {0.1 + 0.004 * step:.3f}" for step in range(30))])
LONG = {"long": ("SERIES", lambda: dict(aoi=districts(12), mask=SLOW, by="landcover", reducers=STATS))}
