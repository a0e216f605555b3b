"""SPOT-VEGETATION syntheses (VGT1 and VGT2, 1998-2014).

Source: SPOT-VEGETATION user guide (product format, physical values, status map), FAQ 15.
"""

from __future__ import annotations

from dataclasses import replace

from probav.grid import Grid
from probav.products.cadences import Cadence
from probav.products.colours import BLUES, ramp
from probav.products.definition import Flag, ProductDefinition, Variable
from probav.products.probav_l3 import NDVI, STATUS, STATUS_MASKS, angle, reflectance

# planes of the files -> variables
VGT_PLANES = {
    "NDV": "NDVI", "B2": "RED", "B3": "NIR", "B0": "BLUE", "MIR": "SWIR", "SM": "SM",
    "SZA": "SZA", "SAA": "SAA", "VZA": "VZA", "VAA": "VAA", "TG": "TIME",
}  # fmt: skip

# Bits 0-1 are one number and bit 2 is a flag of its own, so snow may be cloudy, too. "clear" is free of snow,
# as it is in PROBA-V, so that one mask means the same over the whole series.
_MASKS = STATUS_MASKS | {
    "clear": Flag("SM", "observation is clear, no snow or ice (bits 0-2 are 0)", bits=7, equals=0),
    "shadow": Flag("SM", "cloud shadow (bits 0-1 are 1)", bits=3, equals=1),
    "undefined": Flag("SM", "uncertain (bits 0-1 are 2)", bits=3, equals=2),
    "cloud": Flag("SM", "cloud (bits 0-1 are 3)", bits=3, equals=3),
    "snow": Flag("SM", "snow or ice (bit 2 set)", bits=4, equals=4),
}
# 0 and 255 both are sea or no data, depending on who cut the file out
_NDVI = replace(NDVI.found(offset=-0.1), valid=(1, 254), aliases=("NDV",))


def _product(synthesis: str, words: str, cadence: Cadence, days: int) -> ProductDefinition:
    layers = (
        _NDVI,
        reflectance("RED", "TOC", ("B2",)),
        reflectance("NIR", "TOC", ("B3",)),
        reflectance("BLUE", "TOC", ("B0",)),
        reflectance("SWIR", "TOC", ("MIR",)),
        STATUS,
        # type and no-data value of the time grid could not be checked
        Variable("TIME", "uint16", "Minutes since the start of the synthesis period", "min", from_file=True,
                 colours=ramp(BLUES, 1, 1440 * days), aliases=("TG",)),
        angle("SZA", "Solar zenith angle"),
        angle("SAA", "Solar azimuth angle"),
        angle("VZA", "View zenith angle"),
        angle("VAA", "View azimuth angle"),
    )  # fmt: skip
    return ProductDefinition(
        id=f"SPOTVEGETATION_L3_{synthesis}",
        title=f"SPOT-VEGETATION {words} synthesis, TOC, 1 km",
        variables={layer.name: layer for layer in layers},
        default="NDVI",
        grid=Grid(-180.0, 75.0, 112, 112, 40320, 14673),
        cadence=cadence,
        date_in_name="first",
        masks=_MASKS,
        citation="SPOT-VEGETATION data: CNES, distributed by VITO. "
        "Maisongrande et al. (2004), International Journal of Remote Sensing 25(1), 9-14.",
        licence="SPOT-VEGETATION data policy (free for all uses since 2014, attribution to CNES and VITO)",
    )


def products() -> list[ProductDefinition]:
    """Return the definitions of the daily and the ten-day synthesis."""
    return [_product("S1", "daily", "day", 1), _product("S10", "ten-day", "dekad", 10)]
