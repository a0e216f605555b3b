"""What official file names say: product, period, tile, run and layer."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probav.errors import SourceError
from probav.grid import tile_offset
from probav.products import PRODUCTS
from probav.readers.periods import day_of, label

# no RT in a Copernicus name: consolidated from the start (old VGT years), so above RT0 to RT6
_CONSOLIDATED = 9
_EPOCHS = ("nrt", "conso", "base")  # of LC100, worst first
_EXAMPLES = (
    "PROBAV_S10_TOC_X18Y02_20160101_333M_V101.HDF5, c_gls_FAPAR-RT6_201506300000_GLOBE_PROBAV_V2.0.2.nc "
    "or chirps-v2.0.2015.01.1.tif"
)


@dataclass(frozen=True)
class ProductName:
    """What a file name says.

    Parameters
    ----------
    product : str
        Id in `probav.products.PRODUCTS`.
    date : datetime64[D]
        First day of the period, also where names carry the last day.
    tile : str
        "X18Y02", or "" for products without tiles.
    rank : int
        Of several files of one date and window the highest counts. PROBA-V: the version (V101 is 101).
        Copernicus: consolidation step, then version: RT6 V2.0.2 is 6_002_000_002, no RT 9_...
        LC100: nrt, conso, base are 0, 1, 2.
    layer : str or None
        The variable or group of variables in the file (NDVI, RADIOMETRY, SM); None: the name doesn't say.
    granule : str
        The name without layer and suffix: the same for all files of one granule.
    """

    product: str
    date: np.datetime64
    tile: str
    rank: int
    layer: str | None
    granule: str


_PROBAV = re.compile(
    r"(?P<head>PROBAV_(?P<synthesis>S1|S5|S10)_(?P<level>TOC|TOA)(?:_(?P<tile>X\d\dY\d\d))?"
    r"_(?P<date>\d{8})_(?P<resolution>100M|333M|1KM))(?P<ndvi>_NDVI)?"
    r"(?:_(?P<before>RED|NIR|BLUE|SWIR|SM|TIME|GEOMETRY))?_V(?P<version>\d{3})"
    r"(?:_(?P<after>NDVI|RADIOMETRY|SM|TIME|GEOMETRY))?",
    re.ASCII,
)
_CGLS = re.compile(
    r"(?P<head>c_gls_(?P<product>[A-Z0-9]+))(?:-RT(?P<rt>\d))?(?:-(?P<layer>[A-Za-z0-9-]+))?"
    r"_(?P<date>\d{8})\d{4}_(?P<area>[A-Za-z0-9]+)_(?P<sensor>[A-Z0-9]+)_V?(?P<version>\d+\.\d+\.\d+)",
    re.ASCII,
)
_LC100 = re.compile(
    r"(?:(?P<tile>[EW]\d{3}[NS]\d\d)_)?PROBAV_LC100_global_v(?P<version>\d+)\.\d+\.\d+"
    r"_(?P<year>\d{4})-(?P<epoch>base|conso|nrt)_(?P<layer>[A-Za-z-]+)_EPSG-4326",
    re.ASCII,
)
_CHIRPS = re.compile(r"chirps-v2\.0\.(?P<year>\d{4})(?P<rest>[.\w]*)", re.ASCII)
_SUFFIX = re.compile(r"\.(hdf5|h5|hdf|nc|tiff?(\.gz)?)$", re.IGNORECASE)

# families that exist but that no reader takes in yet
_LATER = (
    (r"PROBAV_L2A_", "PROBA-V L2A (projected segments) is"),
    (r"PROBAV_L1C_", "PROBA-V L1C (unprojected) is"),
    (r"V[12]KRN|V[12]\d{9}|NDV_\d{8}_|\d{4}_(B0|B2|B3|MIR|NDV|SM)\b", "SPOT-VEGETATION is"),
)
_CGLS_PRODUCTS = {("NDVI300", "1"): "CGLS_NDVI300_V1", ("FAPAR", "2"): "CGLS_FAPAR_V2"}


def split_suffix(name: str) -> tuple[str, str]:
    """Split a file name into stem and product suffix in lower case; "" for a suffix of no product."""
    match = _SUFFIX.search(name)
    return (name[: match.start()], match[0].lower()) if match else (name, "")


def parse_name(path: str | os.PathLike[str]) -> ProductName:
    """Read what an official file name says.

    Raises
    ------
    SourceError
        If the name is not of a supported product, or its date or tile does not exist.
    """
    name = os.path.basename(os.fspath(path))
    stem, _ = split_suffix(name)
    for pattern, reader in _FAMILIES:
        match = pattern.fullmatch(stem)
        if match is not None:
            try:
                return reader(match)
            except SourceError as error:
                raise SourceError(f"{name}: {error}") from None
    for later, title in _LATER:
        if re.match(later, stem):
            raise SourceError(f"{name}: {title} not supported yet")
    raise SourceError(f"{name!r} is not a known product file name; expected e.g. {_EXAMPLES}")


def _probav(match: re.Match[str]) -> ProductName:
    version = int(match["version"])
    collection = "_C2" if version >= 200 else ""
    layer = match["before"] or match["after"]
    # Collection 2 names bands before the version: _NDVI_V201 is a band, _NDVI_V101 a product of its own
    ndvi_only = match["ndvi"] is not None and not collection
    if match["ndvi"] is not None:
        if layer not in (None, "NDVI"):
            raise SourceError(f"an NDVI file can't hold the layer {layer}")
        layer = "NDVI"
    series = f"{match['synthesis']}_{match['level']}{'_NDVI' if ndvi_only else ''}_{match['resolution']}"
    product = f"PROBAV_L3_{series}{collection}"
    known = PRODUCTS.get(product)
    if known is None:
        raise SourceError(f"there is no product {product}")
    tile = match["tile"] or ""
    if tile:
        tile_offset(tile, 1)
    granule = f"{match['head']}{'_NDVI' if ndvi_only else ''}_V{match['version']}"
    return ProductName(product, label(day_of(match["date"]), known), tile, version, layer, granule)


def _cgls(match: re.Match[str]) -> ProductName:
    major, minor, patch = (int(part) for part in match["version"].split("."))
    product = _CGLS_PRODUCTS.get((match["product"], str(major)))
    if product is None:
        supported = ", ".join(f"{name} version {number}" for name, number in _CGLS_PRODUCTS)
        raise SourceError(
            f"Copernicus Global Land {match['product']} version {major} is not supported yet; "
            f"supported: {supported}"
        )
    known = PRODUCTS[product]
    layer = match["layer"]
    if layer is not None and layer not in known.variables:
        raise SourceError(f"{product} has no variable {layer!r}; known: {', '.join(known.variables)}")
    if max(major, minor, patch) > 999:
        raise SourceError(f"{match['version']} is no version")
    run = _CONSOLIDATED if match["rt"] is None else int(match["rt"])
    rank = ((run * 1000 + major) * 1000 + minor) * 1000 + patch
    granule = match.string.replace(f"-{layer}_", "_", 1)
    return ProductName(product, label(day_of(match["date"]), known), "", rank, layer, granule)


def _lc100(match: re.Match[str]) -> ProductName:
    if match["layer"] != "Discrete-Classification-map":
        raise SourceError(
            f"the LC100 layer {match['layer']} is not supported yet; give the Discrete-Classification-map"
        )
    if match["version"] != "3":
        raise SourceError(f"LC100 version {match['version']} is not supported; expected version 3")
    date = np.datetime64(day_of(f"{match['year']}0101"), "D")
    rank = _EPOCHS.index(match["epoch"])
    return ProductName("CGLS_LC100_V3", date, match["tile"] or "", rank, "LC", match.string)


def _chirps(match: re.Match[str]) -> ProductName:
    dekad = re.fullmatch(r"\.(\d\d)\.([123])", match["rest"], re.ASCII)
    if dekad is None:
        raise SourceError("expected a dekad of CHIRPS: chirps-v2.0.YYYY.MM.D with D = 1, 2 or 3")
    day = day_of(f"{match['year']}{dekad[1]}{int(dekad[2]) * 10 - 9:02d}")
    return ProductName("CHIRPS_V2_DEKAD", np.datetime64(day, "D"), "", 2000, "RAINFALL", match.string)


_FAMILIES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ProductName]], ...] = (
    (_PROBAV, _probav),
    (_CGLS, _cgls),
    (_LC100, _lc100),
    (_CHIRPS, _chirps),
)
