"""The products probav knows: one table of everything a reader, a statistic or a chart needs to know of them.

No scale, offset, no-data value, flag bit or colour stands anywhere else. What a file says of itself
(type, no-data, scale) wins over this table where the two can differ and is checked against it where not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from probav.errors import UnknownNameError, UnknownProductError, did_you_mean
from probav.grid import CHIRPS_GRID, Grid, cgls_grid, probav_grid

Kind = Literal["continuous", "categorical", "flags"]
Cadence = Literal["day", "five-day", "dekad", "year"]


@dataclass(frozen=True)
class Flag:
    """A name of the mask language: true where `(DN & bits) == equals`, or where `low <= DN <= high`.

    Bits 0-2 of a status map are one number, which is why a flag is compared under a mask, never tested bit
    by bit.
    """

    variable: str
    doc: str
    bits: int | None = None
    equals: int = 0
    between: tuple[int, int] | None = None


@dataclass(frozen=True)
class Variable:
    """One layer of a product and how its stored numbers (DN) become physical values: scale * DN + offset."""

    name: str
    dtype: str
    long_name: str
    units: str = "1"
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    blank: float = 0.0  # DN of pixels that were never written, where there is no no-data value
    valid: tuple[float, float] | None = None  # of DNs, inclusive; what is outside holds no value
    kind: Kind = "continuous"
    flags: Mapping[int, str] = field(default_factory=dict)  # DNs that are codes, or the classes of a map
    colours: Mapping[Any, str] = field(default_factory=dict)  # DN -> colour: the ramp, or one per class

    @property
    def unwritten(self) -> float:
        """DN of pixels that were never written."""
        return self.blank if self.nodata is None else self.nodata

    def is_valid(self, dn: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where stored numbers hold a value: in the valid range, not the no-data value, no NaN."""
        good = np.ones(dn.shape, bool) if self.nodata is None else dn != dn.dtype.type(self.nodata)
        if self.valid is not None:
            good &= (dn >= self.valid[0]) & (dn <= self.valid[1])
        if dn.dtype.kind == "f":
            good &= np.isfinite(dn)
        return good

    def physical(self, dn: NDArray[Any]) -> NDArray[np.float64]:
        """Return scale * DN + offset as float64, whatever the DN means; see `is_valid`."""
        return dn * self.scale + self.offset

    def found(self, **changes: object) -> Variable:
        """Return this variable with what a file says of itself (dtype, scale, offset, nodata, valid)."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ProductDefinition:
    """One product: its layers, grid, dates, mask names and whom to credit."""

    id: str
    title: str
    variables: Mapping[str, Variable]
    default: str  # the variable a query means when it names none
    grid: Grid
    cadence: Cadence
    date_in_name: Literal["first", "last"]
    masks: Mapping[str, Flag]
    citation: str
    licence: str
    role: str | None = None  # the name under which masks and strata use it: "landcover"

    def variable(self, name: str | None) -> Variable:
        """Return a variable by name; the default one for None.

        Raises
        ------
        UnknownNameError
            If the product has no such variable; the message names near ones.
        """
        if name is None:
            return self.variables[self.default]
        for known, variable in self.variables.items():
            if known.casefold() == name.casefold():
                return variable
        raise UnknownNameError(
            f"Product {self.id} has no variable {name!r}.{did_you_mean(name, self.variables)}"
        )


# --- colours -----------------------------------------------------------------------------------------

# openEO ColorTable_NDVI_V2, keyed by DN
NDVI_COLOURS = {
    0: "#8c5c08", 20: "#8e5f08", 45: "#c5ad13", 70: "#ffff1e", 95: "#dae819", 115: "#b6d215",
    145: "#91bc11", 170: "#6da60c", 195: "#489008", 220: "#247a04", 250: "#006400",
}  # fmt: skip
_GREENS = {0: "#f7fcf5", 50: "#c7e9c0", 100: "#74c476", 150: "#31a354", 235: "#00441b"}
_BLUES = {0: "#f7fbff", 20: "#c6dbef", 60: "#6baed6", 120: "#2171b5", 300: "#08306b"}
_GREYS = {0: "#000000", 1000: "#a0a0a0", 2000: "#ffffff"}

# --- PROBA-V -----------------------------------------------------------------------------------------

_PROBAV_CITATION = (
    "PROBA-V data: ESA, Belspo and VITO. "
    "Dierckx et al. (2014), International Journal of Remote Sensing 35(7), 2565-2589."
)
_PROBAV_LICENCE = "PROBA-V data policy (free and open, attribution to ESA and VITO)"

# PROBA-V Products User Manual, status map table; checked against the Earth Engine catalogue
STATUS_MASKS = {
    "clear": Flag("SM", "observation is clear (bits 0-2 are 0)", bits=7, equals=0),
    "shadow": Flag("SM", "cloud shadow (bits 0-2 are 1)", bits=7, equals=1),
    "undefined": Flag("SM", "undefined (bits 0-2 are 2)", bits=7, equals=2),
    "cloud": Flag("SM", "cloud (bits 0-2 are 3)", bits=7, equals=3),
    "snow": Flag("SM", "snow or ice (bits 0-2 are 4)", bits=7, equals=4),
    "land": Flag("SM", "land (bit 3 set)", bits=8, equals=8),
    "sea": Flag("SM", "sea (bit 3 not set)", bits=8, equals=0),
    "good": Flag("SM", "RED and NIR radiometry good (bits 5 and 6): what NDVI needs", bits=96, equals=96),
    "all_bands_good": Flag("SM", "all four bands good (bits 4 to 7)", bits=240, equals=240),
}

_NDVI = Variable(
    "NDVI", "uint8", "Normalized Difference Vegetation Index", scale=0.004, offset=-0.08, nodata=255,
    valid=(0, 250), colours=NDVI_COLOURS,
)  # fmt: skip


def _reflectance(band: str, level: str) -> Variable:
    where = {"TOC": "top of canopy", "TOA": "top of atmosphere"}[level]
    return Variable(
        band,
        "int16",
        f"{band} {where} reflectance",
        scale=1 / 2000,
        nodata=-1,
        valid=(0, 32767),
        colours=_GREYS,
    )


def _angle(name: str, long_name: str, degrees_per_dn: float) -> Variable:
    highest = round((90 if "Z" in name else 360) / degrees_per_dn)
    return Variable(name, "uint8", long_name, "degree", degrees_per_dn, nodata=255, valid=(0, highest))


_STATUS = Variable("SM", "uint8", "Status map", blank=2, kind="flags")  # blank: undefined, never clear
_TIME = Variable("TIME", "uint16", "Minutes since the start of the synthesis period", "min", nodata=0)
_ANGLES = (
    _angle("SZA", "Solar zenith angle", 0.5),
    _angle("SAA", "Solar azimuth angle", 1.5),
    _angle("SWIR_VZA", "View zenith angle, SWIR", 0.5),
    _angle("SWIR_VAA", "View azimuth angle, SWIR", 1.5),
    _angle("VNIR_VZA", "View zenith angle, VNIR", 0.5),
    _angle("VNIR_VAA", "View azimuth angle, VNIR", 1.5),
)
PROBAV_RESOLUTIONS = {"1KM": 112, "333M": 336, "100M": 1008}
_SYNTHESES: dict[str, tuple[str, Cadence]] = {
    "S1": ("daily", "day"), "S5": ("five-day", "five-day"), "S10": ("ten-day", "dekad"),
}  # fmt: skip


def _probav(
    synthesis: str, level: str, resolution: str, ndvi_only: bool, collection: str
) -> ProductDefinition:
    words, cadence = _SYNTHESES[synthesis]
    bands = tuple(_reflectance(band, level) for band in ("RED", "NIR", "BLUE", "SWIR"))
    layers = (_NDVI,) if ndvi_only else (_NDVI, *bands, _STATUS, _TIME, *_ANGLES)
    metres = {"1KM": "1 km", "333M": "300 m", "100M": "100 m"}[resolution]
    return ProductDefinition(
        id=f"PROBAV_L3_{synthesis}_{level}{'_NDVI' if ndvi_only else ''}_{resolution}{collection}",
        title=f"PROBA-V {words} {'NDVI' if ndvi_only else 'synthesis'}, {level}, {metres}"
        + (" (Collection 2)" if collection else ""),
        variables={layer.name: layer for layer in layers},
        default="NDVI",
        grid=probav_grid(PROBAV_RESOLUTIONS[resolution]),
        cadence=cadence,
        date_in_name="first",
        masks={} if ndvi_only else STATUS_MASKS,
        citation=_PROBAV_CITATION,
        licence=_PROBAV_LICENCE,
    )


def _probav_products() -> list[ProductDefinition]:
    series = [("S1", level, resolution) for level in ("TOA", "TOC") for resolution in PROBAV_RESOLUTIONS]
    series += [("S5", "TOA", "100M"), ("S5", "TOC", "100M"), ("S10", "TOC", "1KM"), ("S10", "TOC", "333M")]
    ndvi = [("S1", "TOC", "100M"), ("S5", "TOC", "100M"), ("S10", "TOC", "1KM"), ("S10", "TOC", "333M")]
    # Collection 2 has its own classifier and atmosphere: never one series with Collections 0 and 1
    return [
        *(_probav(*key, ndvi_only=False, collection=c) for c in ("", "_C2") for key in series),
        *(_probav(*key, ndvi_only=True, collection="") for key in ndvi),
    ]  # fmt: skip


# --- Copernicus Global Land, rainfall ------------------------------------------------------------------

_CGLS_CITATION = "Generated using the European Union's Copernicus Land Monitoring Service information"
_CGLS_LICENCE = "Copernicus full, open and free data policy (attribution)"
_NDVI300_CODES = {251: "missing", 252: "cloud or shadow", 253: "snow or ice", 254: "sea", 255: "background"}

LC100_CLASSES = {
    0: ("unknown", "#282828"),
    20: ("shrubs", "#ffbb22"),
    30: ("herbaceous vegetation", "#ffff4c"),
    40: ("cropland", "#f096ff"),
    50: ("urban", "#fa0000"),
    60: ("bare or sparse", "#b4b4b4"),
    70: ("snow and ice", "#f0f0f0"),
    80: ("permanent water", "#0032c8"),
    90: ("herbaceous wetland", "#0096a0"),
    100: ("moss and lichen", "#fae6a0"),
    111: ("closed evergreen needleleaf forest", "#58481f"),
    112: ("closed evergreen broadleaf forest", "#009900"),
    113: ("closed deciduous needleleaf forest", "#70663e"),
    114: ("closed deciduous broadleaf forest", "#00cc00"),
    115: ("closed mixed forest", "#4e751f"),
    116: ("closed forest, type unknown", "#007800"),
    121: ("open evergreen needleleaf forest", "#666000"),
    122: ("open evergreen broadleaf forest", "#8db400"),
    123: ("open deciduous needleleaf forest", "#8d7400"),
    124: ("open deciduous broadleaf forest", "#a0dc00"),
    125: ("open mixed forest", "#929900"),
    126: ("open forest, type unknown", "#648c00"),
    200: ("ocean", "#000080"),
}

_OTHERS = [
    ProductDefinition(
        id="CGLS_NDVI300_V1",
        title="Copernicus Global Land NDVI, 300 m, version 1",
        variables={"NDVI": _NDVI.found(flags=_NDVI300_CODES)},
        default="NDVI",
        grid=cgls_grid(336),
        cadence="dekad",
        date_in_name="first",
        masks={
            "clear": Flag("NDVI", "holds a value (DN 0 to 250): no cloud, snow, sea, gap", between=(0, 250)),
            "cloud": Flag("NDVI", "cloud or shadow (DN 252)", between=(252, 252)),
            "snow": Flag("NDVI", "snow or ice (DN 253)", between=(253, 253)),
            "sea": Flag("NDVI", "sea (DN 254)", between=(254, 254)),
        },
        citation=_CGLS_CITATION,
        licence=_CGLS_LICENCE,
    ),
    ProductDefinition(
        id="CGLS_FAPAR_V2",
        title="Copernicus Global Land FAPAR, 1 km, version 2",
        variables={
            "FAPAR": Variable(
                "FAPAR", "uint8", "Fraction of Absorbed Photosynthetically Active Radiation",
                scale=1 / 250, nodata=255, valid=(0, 235), colours=_GREENS,
            )
        },
        default="FAPAR",
        grid=cgls_grid(112),
        cadence="dekad",
        date_in_name="last",
        masks={},
        citation=_CGLS_CITATION,
        licence=_CGLS_LICENCE,
    ),
    ProductDefinition(
        id="CGLS_LC100_V3",
        title="Copernicus Global Land Cover, 100 m, version 3",
        variables={
            "LC": Variable(
                "LC", "uint8", "Discrete land cover class", nodata=255, kind="categorical",
                flags={code: name for code, (name, _) in LC100_CLASSES.items()},
                colours={code: colour for code, (_, colour) in LC100_CLASSES.items()},
            )
        },
        default="LC",
        grid=cgls_grid(1008),
        cadence="year",
        date_in_name="first",
        masks={},
        citation="Buchhorn et al. (2020), Copernicus Global Land Service: Land Cover 100 m, Collection 3",
        licence="CC-BY 4.0",
        role="landcover",
    ),
    ProductDefinition(
        id="CHIRPS_V2_DEKAD",
        title="CHIRPS 2.0 dekadal rainfall, 0.05 degree",
        variables={
            "RAINFALL": Variable(
                "RAINFALL", "float32", "Rainfall, total of the dekad", "mm", nodata=-9999, valid=(0, 1e5),
                colours=_BLUES,
            )
        },
        default="RAINFALL",
        grid=CHIRPS_GRID,
        cadence="dekad",
        date_in_name="first",
        masks={},
        citation="Funk et al. (2015), Scientific Data 2, 150066",
        licence="CC0 (public domain)",
        role="rainfall",
    ),
]  # fmt: skip

PRODUCTS: dict[str, ProductDefinition] = {product.id: product for product in [*_probav_products(), *_OTHERS]}


def get_product(name: str) -> ProductDefinition:
    """Return a product definition by its id, whatever the case of the letters.

    Raises
    ------
    UnknownProductError
        If there is none; the message names near ones.
    """
    for known, product in PRODUCTS.items():
        if known.casefold() == str(name).casefold():
            return product
    raise UnknownProductError(f"There is no product {name!r}.{did_you_mean(name, PRODUCTS)}")
