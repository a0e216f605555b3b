"""SPOT-VEGETATION products: HDF4, one file a plane, and a text LOG.TXT that says where they lie.

Source: the SNAP SPOT-VGT reader for datasets and keys; a LOG.TXT of Collection 3, whose corners differ by
(pixels - 1) times the resolution: they are pixel centres, as the VGT user guide says.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from probav.errors import SourceError
from probav.grid import Grid
from probav.products import ProductDefinition, Variable
from probav.readers.hdf4 import Plane, open_plane
from probav.readers.layers import Layer, as_found, grid_of_centres, placed, source_errors

_CORNERS = ("GEO_UPPER_LEFT_LONG", "GEO_UPPER_LEFT_LAT", "GEO_LOWER_RIGHT_LONG", "GEO_LOWER_RIGHT_LAT")
_EXPECTED = {"MAP_PROJ_UNIT": "DEGREES", "GEODETIC_SYST_NAME": "WGS 1984"}
_ANGLES = ("SZA", "SAA", "VZA", "VAA")
_LONGEST_LOG = 1 << 20  # bytes


def open_vgt(
    files: Sequence[tuple[Path, str | None]], product: ProductDefinition, stack: ExitStack
) -> tuple[Grid, dict[str, Layer], tuple[str, ...]]:
    """Open the planes of one product, each with the layer its name says; `stack` closes them.

    Angle planes may be sampled coarser than the bands. How their cells lie on the pixels is nowhere said, so
    they are left out with a note instead of being spread by guess.

    Returns
    -------
    grid : Grid
    layers : dict
    notes : tuple of str
        What was left out.

    Raises
    ------
    SourceError
        If a file is damaged, has another size than LOG.TXT or the other planes say, lies off the grid or
        contradicts the product table.
    """
    planes: dict[str, tuple[Path, Plane]] = {}
    for path, layer in files:
        with source_errors(path):
            if layer is None or layer not in product.variables:
                raise SourceError(
                    f"doesn't say which plane it holds; expected {', '.join(product.variables)}"
                )
            if layer in planes:
                raise SourceError(f"repeats the variable {layer}")
            planes[layer] = path, open_plane(path, stack)
    first = next((name for name in planes if name not in _ANGLES), next(iter(planes)))
    path, plane = planes[first]
    with source_errors(path):
        grid = _grid(path, plane.shape, product)
    layers: dict[str, Layer] = {}
    notes: list[str] = []
    for name, (path, plane) in planes.items():
        with source_errors(path):
            if plane.shape == (grid.height, grid.width):
                layers[name] = Layer(_found(product, name, plane), path, plane.shape, plane.rows)
            elif name in _ANGLES:
                notes.append(
                    f"{path.name} is sampled coarser ({plane.shape[0]} x {plane.shape[1]}) and left out"
                )
            else:
                raise SourceError(f"has {plane.shape} pixels; expected {(grid.height, grid.width)}")
    if not layers:
        raise SourceError(f"{path}: no plane has the {grid.height} x {grid.width} pixels that LOG.TXT says")
    return grid, layers, tuple(notes)


def _found(product: ProductDefinition, name: str, plane: Plane) -> Variable:
    said = {key: value for key, value in plane.attributes.items() if isinstance(value, int | float)}
    return as_found(
        product.variables[name],
        plane.dtype,
        scale=said.get("scale_factor"),
        offset=said.get("add_offset"),
        nodata=said.get("_FillValue"),
    )


def _grid(path: Path, shape: tuple[int, int], product: ProductDefinition) -> Grid:
    log = _log_beside(path)
    if log is None:
        if shape == (product.grid.height, product.grid.width):  # the whole world needs no word
            return product.grid
        raise SourceError(
            "has no georeference: there is no LOG.TXT beside it; copy the product with its texts"
        )
    with source_errors(log):
        keys = _keys(log)
        for key, expected in _EXPECTED.items():
            if keys.get(key, expected) != expected:
                raise SourceError(f"says {key} {keys[key]}; expected {expected}")
        try:
            corners = [float(keys[key]) for key in _CORNERS]
            rows = [int(keys[f"IMAGE_{end}_ROW"]) for end in ("UPPER_LEFT", "LOWER_RIGHT")]
            columns = [int(keys[f"IMAGE_{end}_COL"]) for end in ("UPPER_LEFT", "LOWER_RIGHT")]
        except KeyError as error:
            raise SourceError(f"lacks {error.args[0]}") from None
        size = rows[1] - rows[0] + 1, columns[1] - columns[0] + 1
        grid = placed(grid_of_centres(size, *corners), product, "")
        if product.grid.offset_of(grid) is None:
            raise SourceError(
                f"starts at {grid.x0:.6f} E, {grid.y0:.6f} N with {grid.nx:g} pixels a degree, "
                f"which is off the grid of {product.id}"
            )
        return grid


def _log_beside(path: Path) -> Path | None:
    """Return 0001_LOG.TXT for 0001_B0.HDF, else the only LOG.TXT in the folder or the one above."""
    for folder in (path.parent, path.parent.parent):
        logs = sorted(item for item in folder.iterdir() if item.name.upper().endswith("LOG.TXT"))
        prefix = path.stem.rpartition("_")[0]
        own = [item for item in logs if item.name.upper() == f"{prefix}_LOG.TXT".upper()]
        if own or len(logs) == 1:
            return (own or logs)[0]
    return None


def _keys(log: Path) -> dict[str, str]:
    """Read "KEY   some value" lines."""
    if log.stat().st_size > _LONGEST_LOG:
        raise SourceError(f"has {log.stat().st_size} bytes; expected a text of keys and values")
    pairs = (line.strip().partition(" ") for line in log.read_text("latin-1").splitlines())
    return {key: value.strip() for key, _, value in pairs}
