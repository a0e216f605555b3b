"""GeoTIFF: the sets derived from PROBA-V products, Collection 2 bands, land cover, rainfall, plain crops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

from probav.errors import SourceError
from probav.grid import Grid
from probav.products import ProductDefinition, Variable
from probav.readers.layers import Layer, as_found, bounded, placed, source_errors
from probav.readers.zips import unpacked_gzip

# order of the bands in files without band names. GeoTIFF isn't alphabetical as HDF5 is
_BANDS = {
    "RADIOMETRY": ("RED", "NIR", "BLUE", "SWIR"),
    "GEOMETRY": ("SZA", "SAA", "SWIR_VAA", "SWIR_VZA", "VNIR_VAA", "VNIR_VZA"),
}
_LEVEL = re.compile(r"TO[AC]_?", re.IGNORECASE)
_LARGEST_BLOCK = 1 << 31  # pixels; GDAL reads whole blocks


def open_geotiff(
    files: Sequence[tuple[Path, str | None]], product: ProductDefinition, tile: str, stack: ExitStack
) -> tuple[Grid, dict[str, Layer]]:
    """Open the GeoTIFFs of one granule, each with the layer its name says; `stack` closes them.

    Raises
    ------
    SourceError
        If a file is damaged, not north-up, without georeference, not on the grid of the first one,
        or contradicts the product table.
    """
    grids: list[Grid] = []
    layers: dict[str, Layer] = {}
    for path, layer in files:
        with source_errors(path):
            dataset = _open(path, stack)
            grids.append(placed(_grid(dataset), product, tile))
            if not _same(grids[0], grids[-1]):
                raise SourceError(f"covers {grids[-1].bounds}; {files[0][0].name} covers {grids[0].bounds}")
            for band, variable in enumerate(_variables(dataset, layer, product), start=1):
                if variable.name in layers:
                    raise SourceError(f"repeats the variable {variable.name}")
                layers[variable.name] = _layer(dataset, band, variable, path)
    return grids[0], layers


def _open(path: Path, stack: ExitStack) -> Any:
    # only GTiff: a VRT under this suffix could name any other file or address
    if path.suffix.lower() != ".gz":
        return stack.enter_context(rasterio.open(path, driver="GTiff"))
    # unpacked here, because GDAL's own unpacking leaves a file beside the source and misses a cut end
    memory = stack.enter_context(rasterio.MemoryFile(unpacked_gzip(path)))
    return stack.enter_context(memory.open(driver="GTiff"))


def _grid(dataset: Any) -> Grid:
    height, width = bounded(dataset.shape)
    for block in set(dataset.block_shapes):
        if block[0] * block[1] > _LARGEST_BLOCK:
            raise SourceError(
                f"is stored in blocks of {block[0]} x {block[1]} pixels; rewrite it in smaller ones"
            )
    t = dataset.transform
    if t.is_identity or dataset.crs is None:
        raise SourceError("has no georeference; expected a transform and a coordinate reference system")
    if t.b or t.d or t.a <= 0 or t.e >= 0:
        raise SourceError(
            f"is rotated or runs from south to north (transform {tuple(t)[:6]}); expected north-up"
        )
    code = dataset.crs.to_epsg()
    crs = f"EPSG:{code}" if code else dataset.crs.to_wkt()
    return Grid(t.c + t.a / 2, t.f + t.e / 2, 1 / t.a, -1 / t.e, width, height, crs)


def _same(one: Grid, other: Grid) -> bool:
    return (one.height, one.width) == (other.height, other.width) and one.offset_of(other) == (0, 0)


def _variables(dataset: Any, layer: str | None, product: ProductDefinition) -> list[Variable]:
    """Return the table's variables in the order of the file's bands."""
    count = dataset.count
    expected = _BANDS.get(layer or "", (layer or product.default,))
    named = [
        _named(dataset.tags(band).get("BAND") or dataset.descriptions[band - 1], product)
        for band in range(1, count + 1)
    ]
    if any(named):
        found = [variable for variable in named if variable]
        if len(found) != count or (layer and not {variable.name for variable in found} <= set(expected)):
            called = ", ".join(variable.name if variable else "?" for variable in named)
            raise SourceError(f"names its bands {called}; expected {', '.join(expected)}")
        return found
    if len(expected) != count:
        raise SourceError(f"has {count} bands; expected {len(expected)}: {', '.join(expected)}")
    return [product.variables[name] for name in expected]


def _named(text: str | None, product: ProductDefinition) -> Variable | None:
    """Return the variable a band calls itself: RED and TOC_RED, SWIRVZA and SWIR_VZA."""
    return product.variable_in_file(text) or product.variable_in_file(_LEVEL.sub("", text or ""))


def _layer(dataset: Any, band: int, table: Variable, path: Path) -> Layer:
    scale, offset = dataset.scales[band - 1], dataset.offsets[band - 1]
    unset = scale == 1 and offset == 0  # GDAL's answer where the file says nothing
    variable = as_found(
        table,
        np.dtype(dataset.dtypes[band - 1]),
        scale=None if unset else scale,
        offset=None if unset else offset,
        nodata=dataset.nodatavals[band - 1],
    )

    def rows(start: int, stop: int) -> Any:
        return dataset.read(band, window=Window(0, start, dataset.width, stop - start))

    place = None if path.suffix.lower() == ".gz" else band
    return Layer(variable, path, (dataset.height, dataset.width), rows, place)
