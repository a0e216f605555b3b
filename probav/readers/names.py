"""What official file names say: product, period, tile, run and layer."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np

from probav.errors import SourceError
from probav.grid import tile_offset
from probav.products import PRODUCTS, ProductDefinition
from probav.products.land_cover import LC100_LAYERS
from probav.products.spot_vgt import VGT_PLANES
from probav.readers.periods import day_of, label

# no RT in a Copernicus name: consolidated from the start (old VGT years), so above RT0 to RT6
_CONSOLIDATED = 9
_EPOCHS = ("nrt", "conso", "base")  # of LC100, worst first
_LONGEST = 255  # of a file name on any file system
_EXAMPLES = (
    "PROBAV_S10_TOC_X18Y02_20160101_333M_V101.HDF5, V2KRNS10__20060721E.zip, "
    "c_gls_FAPAR-RT6_201506300000_GLOBE_PROBAV_V2.0.2.nc or chirps-v2.0.2015.01.1.tif"
)


@dataclass(frozen=True)
class ProductName:
    """What a file name says.

    Parameters
    ----------
    product : str
        Id in `probav.products.PRODUCTS`, or of a user-defined product.
    date : datetime64[D]
        First day of the period, also where names carry the last day.
    tile : str
        "X18Y02", or "" for products without tiles.
    rank : int
        Of several files of one date and window the highest counts. PROBA-V: the version (V101 is 101).
        SPOT-VEGETATION: version, then satellite. Copernicus: consolidation step, then version: RT6 V2.0.2
        is 6_002_000_002, no RT 9_... LC100: nrt, conso, base are 0, 1, 2.
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
    r"(?P<head>P(?:ROBA)?V_(?P<synthesis>S1|S5|S10)_(?P<level>TOC|TOA)(?P<first>_NDVI)?"
    r"(?:_(?P<tile>X\d\dY\d\d))?_(?P<date>\d{8})_(?P<resolution>100M|333M|1KM))(?P<ndvi>_NDVI)?"
    r"(?:_(?P<before>RED|NIR|BLUE|SWIR|SM|TIME|GEOMETRY))?_V(?P<version>\d{3})"
    r"(?:_(?P<after>NDVI|RADIOMETRY|SM|TIME|GEOMETRY))?",
    re.ASCII,
)
_CGLS = re.compile(
    r"(?:c_gls|g2_BIOPAR)_(?P<product>[A-Za-z0-9]+)(?P<words>(?:[-_][A-Za-z0-9]+)*?)"
    r"_(?P<date>\d{8})\d{4}(?:_(?P<area>[A-Za-z0-9]+))?_(?P<sensor>[A-Za-z0-9]+)"
    r"_V?(?P<version>\d{1,3}(?:[._]\d{1,3}){1,2})",
    re.ASCII,
)
_LC100 = re.compile(
    r"(?:(?P<tile>[EW]\d{3}[NS]\d\d)_)?PROBAV_LC100_global_v(?P<version>\d+)\.\d+\.\d+"
    r"_(?P<year>\d{4})-(?P<epoch>base|conso|nrt)_(?P<layer>[A-Za-z-]+)_EPSG-4326",
    re.ASCII,
)
_CHIRPS = re.compile(r"chirps-v2\.0\.(?P<year>\d{4})(?P<rest>[.\w]*)", re.ASCII)
_VGT_PRODUCT = re.compile(
    r"V(?P<sensor>[12])KRN(?P<kind>S10|S1|D10|P)_*(?P<date>\d{8})(?P<rest>\w*)", re.ASCII
)
_VGT_PLANE = re.compile(r"(?:V[12]\d{11}|\d{4})_(?P<plane>[A-Z0-9]+)", re.ASCII)
_VGT_EXTRACT = re.compile(r"NDV_(?P<date>\d{8})_\w+_Extract", re.ASCII | re.IGNORECASE)
_SUFFIX = re.compile(r"\.(hdf5|h5|hdf|nc|zip|tiff?(\.gz)?)$", re.IGNORECASE)

# levels that lie beside Level 3 in the same archive
_LOWER = (
    (
        re.compile(r"PROBAV_L2A_.*?_(?P<resolution>100M|333M|1KM)", re.ASCII),
        "L2A (projected segments) isn't taken in; take the daily synthesis",
    ),
    (
        re.compile(r"PROBAV_L1C_(?P<resolution>)", re.ASCII),
        "L1C (unprojected) isn't taken in; take the daily synthesis",
    ),
)


def split_suffix(name: str) -> tuple[str, str]:
    """Split a file name into stem and product suffix in lower case; "" for a suffix of no product."""
    match = _SUFFIX.search(name)
    return (name[: match.start()], match[0].lower()) if match else (name, "")


def parse_name(path: str | os.PathLike[str]) -> ProductName:
    """Read what an official file name says.

    Parameters
    ----------
    path : str or path
        Planes of SPOT-VEGETATION (0001_B0.HDF) need the name of their product's folder, too.

    Raises
    ------
    SourceError
        If the name is not of a supported product, or its date or tile does not exist.
    """
    text = os.fspath(path)
    name = os.path.basename(text)
    stem, _ = split_suffix(name)
    if len(name) > _LONGEST:
        raise SourceError(f"{name[:80]!r}... has {len(name)} characters; no product's name has")
    for pattern, reader in _FAMILIES:
        match = pattern.fullmatch(stem)
        if match is not None:
            try:
                return reader(match, text)
            except SourceError as error:
                raise SourceError(f"{name}: {error}") from None
    for lower, words in _LOWER:
        if match := lower.match(stem):
            product = f"PROBAV_L3_S1_TOA_{match['resolution'] or '333M'}"
            raise SourceError(f"{name}: PROBA-V {words} {product} of the same archive")
    raise SourceError(f"{name!r} is not a known product file name; expected e.g. {_EXAMPLES}")


def parse_custom(path: str | os.PathLike[str], definition: ProductDefinition) -> ProductName:
    """Read what a file name says of a user-defined product, by the product's pattern.

    The pattern has to match the whole name without suffix. Its group `date` is yyyymmdd, yyyyddd (day of the
    year), yyyymm or yyyy, with or without separators; `tile`, `version` and `layer` are optional.

    Raises
    ------
    SourceError
        If the pattern doesn't match, there is no such date, or the product has no such layer.
    """
    assert definition.pattern is not None, f"{definition.id} has no pattern"
    name = os.path.basename(os.fspath(path))
    stem, _ = split_suffix(name)
    match = re.fullmatch(definition.pattern, stem) if len(name) <= _LONGEST else None
    if match is None:
        raise SourceError(
            f"{name[:_LONGEST]!r} doesn't match the pattern of {definition.id}: {definition.pattern}"
        )
    groups = match.groupdict()
    try:
        date = _custom_date(groups["date"] or "", definition)
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from None
    numbers = [int(part) for part in re.findall(r"[0-9]+", groups.get("version") or "")][:4]
    if any(part >= 10**4 for part in numbers):
        raise SourceError(f"{name}: the version {groups['version']} has a part of more than four digits")
    rank = 0
    for part in (*numbers, 0, 0, 0, 0)[:4]:
        rank = rank * 10**4 + part
    layer, granule = None, stem
    if groups.get("layer"):
        variable = definition.variable_in_file(groups["layer"])
        if variable is None:
            known = ", ".join(definition.variables)
            raise SourceError(f"{name}: {definition.id} has no variable {groups['layer']!r}; known: {known}")
        layer, granule = variable.name, stem[: match.start("layer")] + stem[match.end("layer") :]
    return ProductName(definition.id, date, groups.get("tile") or "", rank, layer, granule)


def _custom_date(text: str, definition: ProductDefinition) -> np.datetime64:
    digits = re.sub(r"[-_./]", "", text)
    if not re.fullmatch(r"\d{4}|\d{6,8}", digits, re.ASCII):
        raise SourceError(f"{text!r} is no date; expected yyyymmdd, yyyyddd, yyyymm or yyyy")
    if len(digits) == 7:
        start = np.datetime64(day_of(f"{digits[:4]}0101"), "D")
        day = start + (int(digits[4:]) - 1)
        if day.astype("datetime64[Y]") != start.astype("datetime64[Y]"):
            raise SourceError(f"{text!r} is no date: {digits[:4]} has no day {digits[4:]}")
        return label(day.item(), definition)
    if len(digits) == 8:
        return label(day_of(digits), definition)
    # no day in the name: it can't be the first or the last one of its period
    return label(day_of(digits[:4] + (digits[4:] or "01") + "01"), definition, "within")


def _probav(match: re.Match[str], path: str) -> ProductName:
    version = int(match["version"])
    collection = "_C2" if version >= 200 else ""
    layer = match["before"] or match["after"]
    says_ndvi = match["ndvi"] is not None or match["first"] is not None
    # Collection 2 names bands before the version: _NDVI_V201.TIFF is a band, _NDVI_V101 a product of its own
    is_band = bool(collection) and match["after"] is None and not path.lower().endswith((".hdf5", ".h5"))
    ndvi_only = says_ndvi and not (is_band and match["first"] is None)
    if says_ndvi:
        if layer not in (None, "NDVI"):
            raise SourceError(f"an NDVI file can't hold the layer {layer}")
        layer = "NDVI"
    series = f"{match['synthesis']}_{match['level']}{'_NDVI' if ndvi_only else ''}_{match['resolution']}"
    known = PRODUCTS.get(f"PROBAV_L3_{series}{collection}")
    if known is None:
        raise SourceError(f"there is no product PROBAV_L3_{series}{collection}")
    tile = match["tile"] or ""
    if tile:
        tile_offset(tile, 1)
    granule = f"{match['head']}{'_NDVI' if ndvi_only and not match['first'] else ''}_V{match['version']}"
    return ProductName(known.id, label(day_of(match["date"]), known), tile, version, layer, granule)


def _cgls(match: re.Match[str], path: str) -> ProductName:
    version = [int(part) for part in re.split("[._]", match["version"])]
    major, minor, patch = (*version, 0)[:3]
    known = PRODUCTS.get(f"CGLS_{match['product']}_V{major}")
    if known is None:
        versions = [name[5:] for name in PRODUCTS if name.startswith(f"CGLS_{match['product']}_V")]
        others = versions or [name[5:] for name in PRODUCTS if name.startswith("CGLS_")]
        raise SourceError(
            f"Copernicus Global Land {match['product']} version {major} is not supported; "
            f"supported: {', '.join(others)}"
        )
    run, words = _CONSOLIDATED, []
    for word in re.split("[-_]", match["words"])[1:]:
        if re.fullmatch(r"RT\d", word, re.ASCII):
            run = int(word[2:])
        elif word in ("NRT", "NTC"):  # near real time, not time critical
            run = 0 if word == "NRT" else _CONSOLIDATED
        elif word == "QL":
            raise SourceError("is a quicklook, a picture without numbers; take the product itself")
        else:
            words.append(word)
    layer = None
    if words:
        variable = known.variable_in_file("_".join(words))
        if variable is None:
            raise SourceError(
                f"{known.id} has no variable {'_'.join(words)!r}; known: {', '.join(known.variables)}"
            )
        layer = variable.name
    rank = ((run * 1000 + major) * 1000 + minor) * 1000 + patch
    tail = match.string[match.start("date") - 1 :]
    granule = f"c_gls_{match['product']}{'' if run == _CONSOLIDATED else f'-RT{run}'}{tail}"
    return ProductName(known.id, label(day_of(match["date"]), known), "", rank, layer, granule)


def _lc100(match: re.Match[str], path: str) -> ProductName:
    layer = LC100_LAYERS.get(match["layer"])
    if layer is None:
        raise SourceError(f"LC100 has no layer {match['layer']}; expected one of {', '.join(LC100_LAYERS)}")
    if match["version"] != "3":
        raise SourceError(f"LC100 version {match['version']} is not supported; expected version 3")
    date = np.datetime64(day_of(f"{match['year']}0101"), "D")
    granule = match.string.replace(f"_{match['layer']}_", "_")
    return ProductName(
        "CGLS_LC100_V3", date, match["tile"] or "", _EPOCHS.index(match["epoch"]), layer, granule
    )


def _chirps(match: re.Match[str], path: str) -> ProductName:
    dekad = re.fullmatch(r"\.(\d\d)\.([123])", match["rest"], re.ASCII)
    if dekad is None:
        raise SourceError("expected a dekad of CHIRPS: chirps-v2.0.YYYY.MM.D with D = 1, 2 or 3")
    day = day_of(f"{match['year']}{dekad[1]}{int(dekad[2]) * 10 - 9:02d}")
    # the preliminary version has the same names in a tree of its own
    preliminary = any("prelim" in part.lower() for part in PurePath(path).parts[:-1])
    rank = 1000 if preliminary else 2000
    return ProductName("CHIRPS_V2_DEKAD", np.datetime64(day, "D"), "", rank, "RAINFALL", match.string)


def _vgt_product(match: re.Match[str], path: str) -> ProductName:
    kind = match["kind"]
    if kind == "P":
        raise SourceError(
            "SPOT-VEGETATION P (projected segments) isn't taken in; take the daily synthesis "
            "SPOTVEGETATION_L3_S1 of the same archive"
        )
    if kind == "D10":
        raise SourceError(
            "the bidirectional composite D10 isn't taken in; take the synthesis SPOTVEGETATION_L3_S10"
        )
    known = PRODUCTS[f"SPOTVEGETATION_L3_{kind}"]
    layer, version, region = None, 0, []
    for word in filter(None, match["rest"].split("_")):
        if word in VGT_PLANES or word == "NDVI":
            layer = VGT_PLANES.get(word, "NDVI")
        elif re.fullmatch(r"V\d{3}", word, re.ASCII):
            version = int(word[1:])
        else:
            region.append(word)
    granule = f"V{match['sensor']}KRN{kind}__{match['date']}{'_'.join(region)}_V{version:03d}"
    rank = version * 10 + int(match["sensor"])
    return ProductName(known.id, label(day_of(match["date"]), known), "", rank, layer, granule)


def _vgt_plane(match: re.Match[str], path: str) -> ProductName:
    """Read the plane from the file name, product and date from the nearest folder that says them."""
    for folder in reversed(PurePath(path).parts[:-1]):
        product = _VGT_PRODUCT.fullmatch(folder)
        if product is not None:
            layer = VGT_PLANES.get(match["plane"])
            found = _vgt_product(product, path)
            if layer is None:
                raise SourceError(
                    f"{match['plane']} is no plane of {found.product}; expected {', '.join(VGT_PLANES)}"
                )
            return replace(found, layer=layer)
    raise SourceError(
        "a plane of SPOT-VEGETATION that doesn't say its product; leave it in its product's folder "
        "(V2KRNS10__20060721E)"
    )


def _vgt_extract(match: re.Match[str], path: str) -> ProductName:
    known = PRODUCTS["SPOTVEGETATION_L3_S10"]
    return ProductName(known.id, label(day_of(match["date"]), known), "", 0, "NDVI", match.string)


_FAMILIES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], ProductName]], ...] = (
    (_PROBAV, _probav),
    (_CGLS, _cgls),
    (_LC100, _lc100),
    (_CHIRPS, _chirps),
    (_VGT_PRODUCT, _vgt_product),
    (_VGT_PLANE, _vgt_plane),
    (_VGT_EXTRACT, _vgt_extract),
)
