"""Writers of official source products: layouts, encodings and attributes as the real files have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
from numpy.typing import NDArray

from probav.grid import Grid

# layer -> member of /LEVEL3, SCALE (a divisor), OFFSET, NO_DATA
_LAYERS = {
    "NDVI": ("NDVI/NDVI", 250.0, 20.0, 255.0),
    "RED": ("RADIOMETRY/RED/TOC", 2000.0, 0.0, -1.0),
    "NIR": ("RADIOMETRY/NIR/TOC", 2000.0, 0.0, -1.0),
    "BLUE": ("RADIOMETRY/BLUE/TOC", 2000.0, 0.0, -1.0),
    "SWIR": ("RADIOMETRY/SWIR/TOC", 2000.0, 0.0, -1.0),
    "SM": ("QUALITY/SM", None, None, None),
    "TIME": ("TIME/TIME", 1.0, 0.0, 0.0),
}
_SOLAR_IRRADIANCE = {"RED": 1560.0, "NIR": 1047.0, "BLUE": 2004.0, "SWIR": 246.0}  # W/m2/um, rounded


def write_probav(path: Path, grid: Grid, layers: dict[str, NDArray[Any]], period: tuple[str, str]) -> None:
    """Write a PROBA-V Collection 1 synthesis: SZIP, one row a chunk, corner attributes at pixel centres."""
    west, east = grid.x0, grid.x0 + (grid.width - 1) / grid.nx
    north, south = grid.y0, grid.y0 - (grid.height - 1) / grid.ny
    words = ("Geographic Lat/Lon", "0.5", "0.5", f"{west:.12f}", f"{north:.12f}", f"{1 / grid.nx:.12f}",
             f"{1 / grid.ny:.12f}", "WGS84", "Degrees")  # fmt: skip
    with h5py.File(path, "w") as file:
        file.attrs["DESCRIPTION"] = "PROBA-V Level-3 synthesis, synthetic: written by probav's demo world"
        file.attrs["MAP_PROJECTION_WKT"] = rasterio.CRS.from_epsg(4326).to_wkt()
        file.attrs["OBSERVATION_START_DATE"], file.attrs["OBSERVATION_END_DATE"] = period
        root = file.create_group("LEVEL3")
        geometry = root.create_group("GEOMETRY")
        for side, x in (("LEFT", west), ("RIGHT", east)):
            for end, y in (("TOP", north), ("BOTTOM", south)):
                geometry.attrs[f"{end}_{side}_LONGITUDE"] = x
                geometry.attrs[f"{end}_{side}_LATITUDE"] = y
        for name, array in layers.items():
            member, scale, offset, nodata = _LAYERS[name]
            dataset = root.create_dataset(
                member, data=array, chunks=(1, grid.width), compression="szip", compression_opts=("nn", 16)
            )
            dataset.attrs["MAPPING"] = np.array(words, "S")
            dataset.attrs["DESCRIPTION"] = name
            if scale is not None and offset is not None:
                dataset.attrs["SCALE"], dataset.attrs["OFFSET"] = scale, offset
                dataset.attrs["NO_DATA"] = nodata
                dataset.attrs["scale_factor"] = np.array([1 / scale])
                dataset.attrs["add_offset"] = np.array([-offset / scale])
            if name in _SOLAR_IRRADIANCE:
                dataset.parent.attrs["SOLAR_IRRADIANCE"] = _SOLAR_IRRADIANCE[name]


def write_cgls(
    path: Path, grid: Grid, name: str, array: NDArray[np.uint8], attributes: dict[str, Any]
) -> None:
    """Write a Copernicus Global Land netCDF-4 file: lon and lat are pixel centres."""
    with h5py.File(path, "w") as file:
        file.attrs["Conventions"] = "CF-1.6"
        file.attrs["source"] = "synthetic: written by probav's demo world"
        for axis, values, units in (("lat", grid.ys(), "degrees_north"), ("lon", grid.xs(), "degrees_east")):
            file[axis] = values
            file[axis].attrs["units"] = units
            file[axis].make_scale(axis)  # what netCDF-4 knows as a dimension
        layer = file.create_dataset(
            name,
            data=array,
            chunks=(min(grid.height, 256), grid.width),
            compression="gzip",
            compression_opts=1,
        )
        layer.attrs["_FillValue"] = np.array([255], array.dtype)
        layer.attrs.update(attributes)
        for index, axis in enumerate(("lat", "lon")):
            layer.dims[index].attach_scale(file[axis])


def write_tif(path: Path, grid: Grid, array: NDArray[Any], nodata: float) -> None:
    """Write a one-band GeoTIFF."""
    with rasterio.open(
        path, "w", driver="GTiff", dtype=array.dtype, count=1, height=grid.height, width=grid.width,
        crs=grid.crs, transform=grid.transform, nodata=nodata, compress="deflate",
    ) as dataset:  # fmt: skip
        dataset.write(array, 1)
