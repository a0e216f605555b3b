"""PROBA-V Level 3: S1, S5, S10 of Collections 0, 1 and 2.

Source: PROBA-V Products User Manual v3.01, dataset and status map tables; the scale of NDVI and the bits of
the status map checked against the SNAP reader and the Earth Engine catalogue.
"""

from __future__ import annotations

from probav.grid import probav_grid
from probav.products.cadences import Cadence
from probav.products.colours import BLUES, CIRCLE, GREYS, NDVI_COLOURS, ramp
from probav.products.definition import Flag, ProductDefinition, Variable

_CITATION = (
    "PROBA-V data: ESA, Belspo and VITO. "
    "Dierckx et al. (2014), International Journal of Remote Sensing 35(7), 2565-2589."
)
_LICENCE = "PROBA-V data policy (free and open, attribution to ESA and VITO)"
PROBAV_RESOLUTIONS = {"1KM": 112, "333M": 336, "100M": 1008}
_METRES = {"1KM": "1 km", "333M": "300 m", "100M": "100 m"}
_SYNTHESES: dict[str, tuple[str, Cadence, int]] = {
    "S1": ("daily", "day", 1), "S5": ("five-day", "five-day", 5), "S10": ("ten-day", "dekad", 10),
}  # fmt: skip

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
NDVI = Variable(
    "NDVI", "uint8", "Normalized Difference Vegetation Index", scale=0.004, offset=-0.08, nodata=255,
    valid=(0, 250), colours=NDVI_COLOURS,
)  # fmt: skip
STATUS = Variable("SM", "uint8", "Status map", blank=2, kind="flags")  # blank: undefined, never clear


def reflectance(band: str, level: str, aliases: tuple[str, ...] = ()) -> Variable:
    """Return a band of top of canopy (TOC) or top of atmosphere (TOA) reflectance."""
    where = {"TOC": "top of canopy", "TOA": "top of atmosphere"}[level]
    return Variable(
        band, "int16", f"{band} {where} reflectance", scale=1 / 2000, nodata=-1, valid=(0, 32767),
        colours=ramp(GREYS, 0, 2000), aliases=aliases,
    )  # fmt: skip


def angle(name: str, long_name: str) -> Variable:
    """Return a zenith angle (0.5 degrees a DN) or an azimuth angle (1.5 degrees a DN)."""
    step, highest, colours = (0.5, 180, GREYS) if name.endswith("ZA") else (1.5, 240, CIRCLE)
    return Variable(
        name, "uint8", long_name, "degree", step, nodata=255, valid=(0, highest),
        colours=ramp(colours, 0, highest),
    )  # fmt: skip


_ANGLES = (
    angle("SZA", "Solar zenith angle"),
    angle("SAA", "Solar azimuth angle"),
    angle("SWIR_VZA", "View zenith angle, SWIR"),
    angle("SWIR_VAA", "View azimuth angle, SWIR"),
    angle("VNIR_VZA", "View zenith angle, VNIR"),
    angle("VNIR_VAA", "View azimuth angle, VNIR"),
)


def _product(synthesis: str, level: str, resolution: str, ndvi_only: bool, suffix: str) -> ProductDefinition:
    words, cadence, days = _SYNTHESES[synthesis]
    bands = tuple(reflectance(band, level) for band in ("RED", "NIR", "BLUE", "SWIR"))
    time = Variable(
        "TIME", "uint16", "Minutes since the start of the synthesis period", "min", nodata=0,
        colours=ramp(BLUES, 1, 1440 * days),
    )  # fmt: skip
    layers = (NDVI,) if ndvi_only else (NDVI, *bands, STATUS, time, *_ANGLES)
    return ProductDefinition(
        id=f"PROBAV_L3_{synthesis}_{level}{'_NDVI' if ndvi_only else ''}_{resolution}{suffix}",
        title=f"PROBA-V {words} {'NDVI' if ndvi_only else 'synthesis'}, {level}, {_METRES[resolution]}"
        + (" (Collection 2)" if suffix else ""),
        variables={layer.name: layer for layer in layers},
        default="NDVI",
        grid=probav_grid(PROBAV_RESOLUTIONS[resolution]),
        cadence=cadence,
        date_in_name="first",
        masks={} if ndvi_only else STATUS_MASKS,
        citation=_CITATION,
        licence=_LICENCE,
    )


def products() -> list[ProductDefinition]:
    """Return the definitions of all PROBA-V Level 3 products."""
    series = [("S1", level, resolution) for level in ("TOA", "TOC") for resolution in PROBAV_RESOLUTIONS]
    series += [("S5", "TOA", "100M"), ("S5", "TOC", "100M"), ("S10", "TOC", "1KM"), ("S10", "TOC", "333M")]
    ndvi = [("S1", "TOC", "100M"), ("S5", "TOC", "100M"), ("S10", "TOC", "1KM"), ("S10", "TOC", "333M")]
    # Collection 2 has its own classifier and atmosphere: never one series with Collections 0 and 1
    return [
        _product(*key, ndvi_only=only, suffix=suffix)
        for only, keys in ((False, series), (True, ndvi))
        for suffix in ("", "_C2")
        for key in keys
    ]
