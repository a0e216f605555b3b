"""Vector files become frames; what a file may take is looked at before GDAL opens it."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely

from probav import area_geojson
from probav.area_limits import Vertices, max_vertices, unpacked_size
from probav.errors import AoiError, ProbavError

SUFFIXES = {
    ".shp", ".zip", ".gpkg", ".geojson", ".json", ".kml", ".kmz", ".fgb", ".gml", ".parquet", ".geoparquet",
}  # fmt: skip
_TEXTS = {".kml", ".kmz", ".gml"}
_BATCH = 100_000_000  # bytes of a file read at once, where its vertices have to be counted on the way


def read(path: Path) -> tuple[gpd.GeoDataFrame, list[int]]:
    """Read the features of a file.

    GeoJSON and what GDAL reads come a part at a time, so that memory holds little beside the result.

    Returns
    -------
    GeoDataFrame in the file's own CRS (x before y whatever the CRS says of its axes), and the positions of
    features with unclosed rings, which are closed.

    Raises
    ------
    AoiError
        If it can't be read, or goes beyond a limit.
    """
    try:
        path = path.expanduser()
        found = path.exists()
    except (OSError, RuntimeError):  # a part of the path is too long, there is no such user
        found = False
    if not found:
        raise AoiError(f"There is no file {path}; give a path, or what `help(probav.aoi)` lists.")
    try:
        size = unpacked_size(path)
        if path.suffix.lower() in {".geojson", ".json"}:
            with path.open(encoding="utf-8-sig", newline="") as file:
                frame, unclosed = area_geojson.read(file.read)
        elif path.suffix.lower() in {".parquet", ".geoparquet"}:
            frame, unclosed = _parquet(path), []
        else:
            frame, unclosed = _layers(path, size)
        if not len(frame):
            raise AoiError("There is no feature in it.")
        return frame, unclosed
    except ProbavError as error:
        raise AoiError(f"{path}: {error}") from error
    except Exception as error:  # a dozen libraries' own errors: whatever is wrong, it is the file
        raise AoiError(f"{path} can't be read as vector data: {error}") from error


def _parquet(path: Path) -> gpd.GeoDataFrame:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        geo = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
        column = geo.get("primary_column", "")
        if geo.get("columns", {}).get(column, {}).get("encoding") == "WKB":
            vertices = Vertices()
            for batch in file.iter_batches(10_000, columns=[column]):
                vertices.add(shapely.from_wkb(batch.column(0).to_numpy(zero_copy_only=False), "ignore"))
    return gpd.read_parquet(path)


def _layers(path: Path, size: int) -> tuple[gpd.GeoDataFrame, list[int]]:
    """Read the one layer of a file; all folders of a KML, which GDAL shows as layers."""
    source: Any = path.as_posix()
    if path.suffix.lower() == ".kmz":  # a zip archive, of which GDAL's KML driver takes only the member
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(".kml")]
        if not members:
            raise AoiError("There is no .kml file in it.")
        source = f"/vsizip/{{{path.absolute().as_posix()}}}/{members[0]}"
    elif path.suffix.lower() == ".gml":
        # from memory: GDAL would write a file beside it, or ask a server for the schema that it names
        source = path.read_bytes().replace(b"schemaLocation", b"schemaNotAsked")
    layers = [name for name, kind in gpd.list_layers(source).to_numpy() if kind is not None]
    if not layers:
        raise AoiError("There is no layer with geometries in it.")
    if len(layers) > 1 and path.suffix.lower() not in {".kml", ".kmz"}:
        raise AoiError(
            f"It has {len(layers)} layers ({', '.join(layers[:5])}); read one with geopandas.read_file(path, "
            "layer=...) and give that."
        )
    whole = size // (4 if path.suffix.lower() in _TEXTS else 16) <= max_vertices()
    vertices = Vertices()
    frames: list[gpd.GeoDataFrame] = []
    unclosed: list[int] = []
    for layer in layers:
        for part, marked in _parts(source, layer, None if whole else size):
            vertices.add(part.geometry.to_numpy())
            unclosed += [sum(map(len, frames)) + number for number in marked]
            frames.append(part)
    return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True)) if len(frames) > 1 else frames[0], unclosed


def _parts(source: Any, layer: str, size: int | None) -> Any:
    """Yield a layer whole, or in parts of some 100 MB where it has `size` bytes, each with its unclosed."""
    if size is None:
        yield _rows(source, layer, slice(None))
        return
    import pyogrio

    count = pyogrio.read_info(source, layer=layer, force_feature_count=True)["features"]
    step = max(1, count * _BATCH // max(size, 1))
    for start in range(0, max(count, 1), step):
        yield _rows(source, layer, slice(start, start + step))


def _rows(source: Any, layer: str, rows: slice) -> tuple[gpd.GeoDataFrame, list[int]]:
    options = {"layer": layer, "engine": "pyogrio"} | ({} if rows.stop is None else {"rows": rows})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Non closed ring", RuntimeWarning)  # a RepairWarning says it
        try:
            return gpd.read_file(source, **options), []
        except shapely.errors.GEOSException:
            bad = gpd.read_file(source, **options, on_invalid="ignore").geometry.isna().to_numpy()
            frame = gpd.read_file(source, **options, on_invalid="fix")
        return frame, [int(number) for number in (bad & frame.geometry.notna().to_numpy()).nonzero()[0]]
