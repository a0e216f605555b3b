"""Copernicus Global Land Cover, 100 m: discrete classes, cover fractions and their companions.

Source: legend and style of LC100 version 3.0.1; the Zenodo record for the layers.
"""

from __future__ import annotations

from probav.grid import cgls_grid
from probav.products.colours import BLUES, GREENS, GREYS, REDS, ramp
from probav.products.definition import ProductDefinition, Variable

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
_FOREST_TYPES = {
    0: ("unknown", "#282828"),
    1: ("evergreen needleleaf", "#666000"),
    2: ("evergreen broadleaf", "#009900"),
    3: ("deciduous needleleaf", "#70663e"),
    4: ("deciduous broadleaf", "#a0dc00"),
    5: ("mixed", "#929900"),
}
_CHANGE = {
    0: ("no change", "#f0f0f0"),
    1: ("potential change", "#fed976"),
    2: ("medium confidence", "#fd8d3c"),
    3: ("high confidence", "#e31a1c"),
}
_COVERS = {
    "Bare": GREYS, "BuiltUp": REDS, "Crops": GREENS, "Grass": GREENS, "MossLichen": GREENS,
    "PermanentWater": BLUES, "SeasonalWater": BLUES, "Shrub": GREENS, "Snow": BLUES, "Tree": GREENS,
}  # fmt: skip
# what files call a layer -> variable
LC100_LAYERS = {
    "Discrete-Classification-map": "LC",
    "Discrete-Classification-proba": "LC_PROBABILITY",
    "Forest-Type-layer": "FOREST_TYPE",
    "Change-Confidence-layer": "CHANGE_CONFIDENCE",
    "DataDensityIndicator": "DATA_DENSITY",
    **{f"{cover}-CoverFraction-layer": f"{cover.upper()}_COVER" for cover in _COVERS},
}


def _map(name: str, long_name: str, classes: dict[int, tuple[str, str]]) -> Variable:
    return Variable(
        name, "uint8", long_name, nodata=255, kind="categorical",
        flags={code: words for code, (words, _) in classes.items()},
        colours={code: colour for code, (_, colour) in classes.items()},
    )  # fmt: skip


def _percent(name: str, long_name: str, colours: tuple[str, ...]) -> Variable:
    return Variable(
        name, "uint8", long_name, "%", nodata=255, valid=(0, 100), flags={200: "sea"},
        colours=ramp(colours, 0, 100),
    )  # fmt: skip


def land_cover() -> ProductDefinition:
    """Return the definition of LC100 version 3."""
    layers = [
        _map("LC", "Discrete land cover class", LC100_CLASSES),
        _percent("LC_PROBABILITY", "Probability of the discrete class", REDS),
        *(
            _percent(f"{cover.upper()}_COVER", f"Cover fraction: {cover}", colours)
            for cover, colours in _COVERS.items()
        ),
        _map("FOREST_TYPE", "Forest type", _FOREST_TYPES),
        _map("CHANGE_CONFIDENCE", "Confidence of change since the year before", _CHANGE),
        Variable("DATA_DENSITY", "uint8", "Data density indicator", nodata=255, from_file=True,
                 colours=ramp(BLUES, 0, 100)),
    ]  # fmt: skip
    return ProductDefinition(
        id="CGLS_LC100_V3",
        title="Copernicus Global Land Cover, 100 m, version 3",
        variables={layer.name: layer for layer in layers},
        default="LC",
        grid=cgls_grid(1008),
        cadence="year",
        date_in_name="first",
        masks={},
        citation="Buchhorn et al. (2020), Copernicus Global Land Service: Land Cover 100 m, Collection 3",
        licence="CC-BY 4.0",
        role="landcover",
    )
