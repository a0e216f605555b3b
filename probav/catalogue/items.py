"""STAC 1.1 documents: a product is a collection, and a window of it at a date an item."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS

from probav import storage
from probav.archive import Archive, Product
from probav.catalogue.search import within_world
from probav.catalogue.table import ItemTable, Window
from probav.grid import Grid
from probav.products import Variable
from probav.products.optics import optics

MEDIA_TYPE = "application/vnd.zarr+icechunk"
VERSION = "1.1.0"
_EXTENSION = "https://stac-extensions.github.io/{}/schema.json"
_BASE = ("projection/v2.0.0", "raster/v2.0.0", "version/v1.2.0")
# relative to a folder of its own for each collection, as `static` writes them
ROOT_LINK = {"rel": "root", "href": "../catalog.json", "type": "application/json"}
ITEM_LINKS = [
    ROOT_LINK,
    *(
        {"rel": rel, "href": "./collection.json", "type": "application/json"}
        for rel in ("parent", "collection")
    ),
]
_LICENCES = {"CC-BY 4.0": "CC-BY-4.0", "CC0 (public domain)": "CC0-1.0"}  # SPDX; all others are "other"


def collection(product: Product, items: ItemTable, archive: Archive) -> dict[str, Any]:
    """Return the STAC collection of a product.

    Parameters
    ----------
    product : Product
    items : ItemTable
        Of this product.
    archive : Archive
    """
    definition = product.definition
    used = [items.windows[index] for index in np.unique(items.window).tolist()]
    boxes = [box_of(window) for window in used] or [[-180.0, -90.0, 180.0, 90.0]]
    whole = np.array(boxes)
    bounds = [*whole[:, :2].min(axis=0).tolist(), *whole[:, 2:].max(axis=0).tolist()]
    period = [f"{items.date.min()}T00:00:00Z", f"{items.last_days().max()}T23:59:59Z"] if len(items) else []
    licence = _LICENCES.get(definition.licence, "other")
    return {
        "type": "Collection",
        "stac_version": VERSION,
        "stac_extensions": [*_extensions(product), _EXTENSION.format("scientific/v1.0.0")],
        "id": product.id,
        "title": product.title,
        "description": f"{product.title}. Licence: {definition.licence}",
        "license": licence,
        "version": product.store.snapshot,
        "sci:citation": definition.citation,
        "extent": {
            "spatial": {"bbox": [bounds]},
            "temporal": {"interval": [period or [None, None]]},
        },
        "summaries": {
            "proj:code": [_code(product.grid)],
            "gsd": [_metres(product.grid)],
        },
        "item_assets": {"data": _asset(product)},
        "assets": {"archive": {**_where(archive, product), **_asset(product)}},
        "links": [dict(ROOT_LINK), {**ROOT_LINK, "rel": "parent"}],
    }


def items_of(product: Product, items: ItemTable, archive: Archive) -> Iterator[dict[str, Any]]:
    """Yield the STAC items of a product, in their order."""
    shared = [_window_fields(window) for window in items.windows]
    where = _where(archive, product)
    lasts = items.last_days()
    for position, name in enumerate(items.ids()):
        window = int(items.window[position])
        fields, properties = shared[window]
        first = f"{items.date[position]}T00:00:00Z"
        cloud = float(items.cloud[position])
        cloudy = math.isfinite(cloud)
        yield {
            "type": "Feature",
            "stac_version": VERSION,
            "stac_extensions": _extensions(product, cloudy),
            "id": name,
            "collection": product.id,
            **fields(),
            "properties": {
                "datetime": first,
                "start_datetime": first,
                "end_datetime": f"{lasts[position]}T23:59:59Z",
                **properties(),
                **({"eo:cloud_cover": round(cloud, 4)} if cloudy else {}),
                "probav:tile": items.windows[window].name,
                "probav:source_rank": int(items.rank[position]),
                "probav:source_digest": items.digest[position].ljust(32, b"\0").hex(),
            },
            "assets": {"data": {**where, **_asset(product)}},
            "links": [dict(link) for link in ITEM_LINKS],
        }


def box_of(window: Window) -> list[float]:
    """Return west, south, east, north of a window; west > east where it crosses 180 degrees (RFC 7946)."""
    shape = within_world(window.footprint)
    west, south, east, north = shape.bounds
    parts = shapely.get_parts(shape)
    if len(parts) == 2 and (west, east) == (-180.0, 180.0):
        west = max(part.bounds[0] for part in parts)
        east = min(part.bounds[2] for part in parts)
    return [west, south, east, north]


def _window_fields(window: Window) -> Any:
    """Return what makes the fields that all items of a window have: no two items share an object."""
    geometry = shapely.to_geojson(within_world(window.footprint))
    box = box_of(window)
    grid = window.grid

    def fields() -> dict[str, Any]:
        return {"geometry": json.loads(geometry), "bbox": list(box)}

    def properties() -> dict[str, Any]:
        return {
            **({"proj:code": _code(grid)} if _code(grid) else {"proj:code": None, "proj:wkt2": grid.crs}),
            "proj:bbox": list(grid.bounds),
            "proj:shape": [grid.height, grid.width],
            "proj:transform": list(grid.transform)[:6],
            "gsd": _metres(grid),
        }

    return fields, properties


def _where(archive: Archive, product: Product) -> dict[str, Any]:
    """Return where the data is: the archive, which version of it, and the group in it."""
    path = storage.local_path(archive.url)
    return {
        "href": archive.url if path is None else Path(path).as_uri(),
        "type": MEDIA_TYPE,
        "version": archive.snapshot,
        "probav:group": product.id,
    }


def _asset(product: Product) -> dict[str, Any]:
    return {
        "type": MEDIA_TYPE,
        "title": f"Group {product.id} of the Icechunk archive",
        "roles": ["data"],
        "bands": [_band(product, variable) for variable in product.variables.values()],
    }


def _band(product: Product, variable: Variable) -> dict[str, Any]:
    band: dict[str, Any] = {
        "name": variable.name,
        "description": variable.long_name,
        "data_type": variable.dtype,
        "unit": variable.units,
        "raster:sampling": "area",
    }
    if variable.nodata is not None:
        band["nodata"] = "nan" if math.isnan(variable.nodata) else variable.nodata
    if variable.kind == "continuous":
        band |= {"raster:scale": variable.scale, "raster:offset": variable.offset}
    if (found := optics(product.id, variable.name)) is not None:
        names = ("eo:common_name", "eo:center_wavelength", "eo:full_width_half_max")
        band |= dict(zip(names, found, strict=True))
    return band


def _extensions(product: Product, cloudy: bool = False) -> list[str]:
    optical = cloudy or any(optics(product.id, name) for name in product.variables)
    return [_EXTENSION.format(name) for name in (*_BASE, *(["eo/v2.0.0"] if optical else []))]


def _code(grid: Grid) -> str | None:
    authority = CRS(grid.crs).to_authority(min_confidence=100)
    return None if authority is None else ":".join(authority)


def _metres(grid: Grid) -> float:
    """Return the width of a pixel, in metres at the equator where the grid is in degrees."""
    return round(1 / grid.nx * (111_319.49 if CRS(grid.crs).is_geographic else 1), 2)
