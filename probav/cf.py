"""What a dataset of pixels says of itself by the CF conventions (1.8)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from probav.archive import Product
from probav.grid import Grid
from probav.products import Variable, period_end

# names of the CF standard name table; what it has no name for keeps its long name
_STANDARD_NAMES = {
    "NDVI": "normalized_difference_vegetation_index",
    "LAI": "leaf_area_index",
    "FAPAR": "fraction_of_surface_downwelling_photosynthetic_radiative_flux_absorbed_by_vegetation",
    "FCOVER": "vegetation_area_fraction",
    "LC": "land_cover_lccs",
    "RAINFALL": "lwe_thickness_of_precipitation_amount",
    "NOBS": "number_of_observations",
    "SM": "status_flag",
    "QFLAG": "quality_flag",
    "SZA": "solar_zenith_angle",
    "SAA": "solar_azimuth_angle",
    **{f"{camera}_VZA": "sensor_zenith_angle" for camera in ("SWIR", "VNIR")},
    **{f"{camera}_VAA": "sensor_azimuth_angle" for camera in ("SWIR", "VNIR")},
}
_REFLECTANCE = {
    "top of canopy reflectance": "surface_bidirectional_reflectance",
    "top of atmosphere reflectance": "toa_bidirectional_reflectance",
}
_OVER_AREA = {"mean": "area: mean", "mode": "area: mode"}
_EPOCH = {"units": "days since 1970-01-01", "calendar": "standard", "dtype": "int32"}


def variable_attributes(
    product: Product, variable: Variable, keep_dn: bool, resampling: str | None = None
) -> dict[str, Any]:
    """Return the attributes of a variable, of physical values or of stored numbers.

    Parameters
    ----------
    product : Product
    variable : Variable
    keep_dn : bool
    resampling : str, optional
        The method by which it came onto another grid.
    """
    scaled = variable.kind == "continuous" and not keep_dn
    dtype = np.dtype(variable.dtype)
    attributes: dict[str, Any] = {"long_name": variable.long_name, "units": variable.units}
    if (name := _standard_name(variable)) is not None:
        attributes["standard_name"] = name
    attributes["grid_mapping"] = "spatial_ref"
    if methods := _cell_methods(product, variable, resampling):
        attributes["cell_methods"] = methods
    if not scaled:
        attributes |= _flags(product, variable)
    if scaled:  # what was done, under names that no reader applies again
        attributes |= {"dn_dtype": variable.dtype, "dn_scale": variable.scale, "dn_offset": variable.offset}
    elif variable.kind == "continuous":
        attributes |= {"scale_factor": variable.scale, "add_offset": variable.offset}
        if variable.valid is not None:
            attributes["valid_range"] = np.array(variable.valid).astype(dtype)
    if variable.nodata is not None:
        attributes["dn_nodata" if scaled else "_FillValue"] = dtype.type(variable.nodata)
    return attributes


def _standard_name(variable: Variable) -> str | None:
    for words, name in _REFLECTANCE.items():
        if variable.long_name.endswith(words):
            return name
    return _STANDARD_NAMES.get(variable.name)


def _cell_methods(product: Product, variable: Variable, resampling: str | None) -> str:
    methods = []
    if product.definition.role == "rainfall":
        methods.append("time: sum")
    elif product.id.startswith(("PROBAV_L3_S", "SPOTVEGETATION_L3_S")):
        methods.append("time: point (the observation chosen from the period, by the largest NDVI)")
    if resampling in _OVER_AREA:
        methods.append(_OVER_AREA[resampling])
    return " ".join(methods)


def _flags(product: Product, variable: Variable) -> dict[str, Any]:
    """Return flag_values and flag_meanings; flag_masks too where names stand for some of the bits."""
    dtype = np.dtype(variable.dtype)
    if variable.flags:
        return {
            "flag_values": np.array(list(variable.flags), dtype),
            "flag_meanings": " ".join(map(_word, variable.flags.values())),
        }
    bits = {
        name: flag
        for name, flag in product.definition.masks.items()
        if flag.variable == variable.name and flag.bits is not None
    }
    if variable.kind != "flags" or not bits:
        return {}
    return {
        "flag_masks": np.array([flag.bits for flag in bits.values()], dtype),
        "flag_values": np.array([flag.equals for flag in bits.values()], dtype),
        "flag_meanings": " ".join(map(_word, bits)),
    }


def _word(name: str) -> str:
    return re.sub(r"[^\w.+@-]+", "_", name).strip("_")


def coordinates(
    product: Product, days: NDArray[np.datetime64], grid: Grid, rows: slice, columns: slice
) -> Any:
    """Return the coordinates of a window of a grid, and of dates of a product with their periods.

    A pixel has the same coordinates to the last bit in every window of its grid, so that windows align.

    Parameters
    ----------
    product : Product
    days : (time,) datetime64[D]
        First days of periods.
    grid : Grid
    rows, columns : slice
        The window.

    Returns
    -------
    dict, for `xarray.Dataset(coords=...)`
        time, time_bnds (from the first day to the day after the last), y, x and spatial_ref.
    """
    crs = CRS(grid.crs)
    geographic = crs.is_geographic
    window = grid.window(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
    bounds = np.column_stack([days, period_end(days, product.definition.cadence)])
    return {
        "time": ("time", days.astype("datetime64[ns]"), {
            "standard_name": "time", "long_name": "first day of the period", "axis": "T",
            "bounds": "time_bnds",
        }, dict(_EPOCH)),
        "time_bnds": (("time", "bnds"), bounds.astype("datetime64[ns]"), {}, dict(_EPOCH)),
        "y": ("y", grid.ys(rows.start, rows.stop), {
            "standard_name": "latitude" if geographic else "projection_y_coordinate",
            "long_name": "centre of the pixel",
            "units": "degrees_north" if geographic else "m", "axis": "Y",
        }, {"_FillValue": None}),
        "x": ("x", grid.xs(columns.start, columns.stop), {
            "standard_name": "longitude" if geographic else "projection_x_coordinate",
            "long_name": "centre of the pixel",
            "units": "degrees_east" if geographic else "m", "axis": "X",
        }, {"_FillValue": None}),
        "spatial_ref": ((), np.int32(0), {
            **crs.to_cf(), "GeoTransform": " ".join(map(str, window.transform.to_gdal())),
        }),
    }  # fmt: skip
