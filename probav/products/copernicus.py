"""Copernicus Global Land Service: vegetation, burnt area, soil water, land surface phenology.

Source: the products' "technical characteristics" pages. What could not be read in a manual is `from_file`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from probav.grid import Grid, cgls_grid
from probav.products.cadences import Cadence
from probav.products.colours import BLUES, BROWN_GREEN, CIRCLE, GREENS, REDS, ramp
from probav.products.definition import DateRule, Flag, ProductDefinition, Variable
from probav.products.land_cover import LC100_CLASSES, land_cover
from probav.products.probav_l3 import NDVI

__all__ = ["LC100_CLASSES", "products"]

_CITATION = "Generated using the European Union's Copernicus Land Monitoring Service information"
_LICENCE = "Copernicus full, open and free data policy (attribution)"
_KM, _300M = cgls_grid(112), cgls_grid(336)
_TENTH_OF_A_DEGREE = Grid(-179.95, 89.95, 10, 10, 3600, 1800)

_CODES = {251: "missing", 252: "cloud or shadow", 253: "snow or ice", 254: "sea", 255: "background"}
_QFLAG = Variable("QFLAG", "uint8", "Quality flag", kind="flags", from_file=True)
_NOBS = Variable(
    "NOBS", "uint8", "Number of observations used", nodata=255, valid=(0, 120), colours=ramp(BLUES, 0, 120),
    from_file=True,
)  # fmt: skip


def _coded_masks(variable: str, highest: int) -> dict[str, Flag]:
    return {
        "clear": Flag(
            variable, f"holds a value (DN 0 to {highest}): no cloud, snow, sea, gap", between=(0, highest)
        ),
        "cloud": Flag(variable, "cloud or shadow (DN 252)", between=(252, 252)),
        "snow": Flag(variable, "snow or ice (DN 253)", between=(253, 253)),
        "sea": Flag(variable, "sea (DN 254)", between=(254, 254)),
    }


def _define(
    name: str,
    words: str,
    grid: Grid,
    layers: Sequence[Variable],
    masks: Mapping[str, Flag] | None = None,
    *,
    date_in_name: DateRule = "first",
    cadence: Cadence = "dekad",
) -> ProductDefinition:
    where = {112: "1 km", 336: "300 m"}.get(int(grid.nx), "0.1 degree")
    return ProductDefinition(
        id=f"CGLS_{name}",
        title=f"Copernicus Global Land {words}, {where}, version {name[-1]}",
        variables={layer.name: layer for layer in layers},
        default=layers[0].name,
        grid=grid,
        cadence=cadence,
        date_in_name=date_in_name,
        masks=masks or {},
        citation=_CITATION,
        licence=_LICENCE,
    )


def _ndvi() -> list[ProductDefinition]:
    coded = replace(NDVI, flags=_CODES)
    masks = _coded_masks("NDVI", 250)
    newer = (
        replace(NDVI, flags={254: "sea or water", 255: "missing"}),
        Variable(
            "NDVI_unc", "int16", "Uncertainty of the NDVI", scale=1 / 1000, nodata=-1, valid=(0, 32767),
            flags={-2: "sea"}, colours=ramp(REDS, 0, 200),
        ),
        _NOBS,
        _QFLAG,
    )  # fmt: skip
    newer_masks = {
        "clear": Flag("NDVI", "holds a value (DN 0 to 250)", between=(0, 250)),
        "sea": Flag("NDVI", "sea or water (DN 254)", between=(254, 254)),
    }
    minutes = Variable(
        "TIME_GRID", "int32", "Time of observation", "min", from_file=True, colours=ramp(BLUES, 0, 14400)
    )
    return [
        _define("NDVI_V2", "NDVI", _KM, [coded], masks),
        _define("NDVI_V3", "NDVI", _KM, [*newer, minutes], newer_masks),
        _define("NDVI300_V1", "NDVI", _300M, [coded], masks),
        _define("NDVI300_V2", "NDVI", _300M, newer, newer_masks),
    ]


def _biophysical() -> list[ProductDefinition]:
    """FAPAR, LAI, FCOVER: dated with the last day of the dekad."""
    found = []
    for name, words, units, scale, highest in (
        ("FAPAR", "Fraction of Absorbed Photosynthetically Active Radiation", "1", 1 / 250, 235),
        ("LAI", "Leaf Area Index", "m2 m-2", 1 / 30, 210),
        ("FCOVER", "Fraction of green Vegetation Cover", "1", 1 / 250, 250),
    ):
        value = Variable(
            name, "uint8", words, units, scale, nodata=255, valid=(0, highest),
            colours=ramp(GREENS, 0, highest),
        )  # fmt: skip
        rmse = Variable(
            "RMSE", "uint8", f"Root mean square error of {name}", units, scale, nodata=255,
            colours=ramp(REDS, 0, highest), from_file=True,
        )  # fmt: skip
        lengths = [
            Variable(f"LENGTH_{side}", "uint8", f"Days {side.lower()} the date that went in", "d", nodata=255,
                     colours=ramp(REDS, 0, 60), from_file=True)
            for side in ("BEFORE", "AFTER")
        ]  # fmt: skip
        for suffix, grid, flags in (("_V2", _KM, replace(_QFLAG, dtype="uint16")), ("300_V1", _300M, _QFLAG)):
            layers = [value, rmse, *lengths, _NOBS, flags]
            found.append(_define(f"{name}{suffix}", name, grid, layers, date_in_name="last"))
    return found


def _dry_matter() -> list[ProductDefinition]:
    """DMP, GDMP: dated with the last day of the dekad."""
    found = []
    for name, words, scale in (
        ("DMP", "Dry Matter Productivity", 1 / 100),
        ("GDMP", "Gross Dry Matter Productivity", 1 / 50),
    ):
        value = Variable(
            name, "int16", words, "kg ha-1 d-1", scale, nodata=-1, valid=(0, 32767), flags={-2: "sea"},
            colours=ramp(GREENS, 0, 200 / scale),
        )  # fmt: skip
        masks = {"sea": Flag(name, "sea (DN -2)", between=(-2, -2))}
        for suffix, grid in (("_V2", _KM), ("300_V1", _300M)):
            found.append(_define(f"{name}{suffix}", words, grid, [value, _QFLAG], masks, date_in_name="last"))
    return found


def _condition() -> list[ProductDefinition]:
    vpi = Variable(
        "VPI", "uint8", "Vegetation Productivity Index", "%", 0.5, -5, 255, valid=(0, 210),
        flags=_CODES | {254: "water", 255: "invalid"}, colours=ramp(BROWN_GREEN, 10, 210),
    )  # fmt: skip
    # its scale is remembered, not read: the file's own counts
    vci = Variable(
        "VCI", "uint8", "Vegetation Condition Index", "%", 0.5, -12.5, 255, from_file=True,
        colours=ramp(BROWN_GREEN, 25, 225),
    )  # fmt: skip
    return [
        _define("VCI_V1", "Vegetation Condition Index", _KM, [vci]),
        _define("VPI_V1", "Vegetation Productivity Index", _KM, [vpi], _coded_masks("VPI", 210)),
    ]


def _soil_water() -> ProductDefinition:
    layers = [
        Variable(f"{name}_{days:03d}", "uint8", f"{words}, characteristic time {days} days", "%", 0.5,
                 nodata=255, valid=(0, 200), colours=ramp(BLUES, 0, 200))
        for name, words in (("SWI", "Soil Water Index"), ("QFLAG", "Quality of the Soil Water Index"))
        for days in (1, 5, 10, 15, 20, 40, 60, 100)
    ]  # fmt: skip
    state = Variable(
        "SSF", "uint8", "Surface state", nodata=255, kind="categorical", valid=(0, 3),
        flags={0: "unknown", 1: "unfrozen", 2: "frozen", 3: "melting or water"},
        colours={0: "#bdbdbd", 1: "#8c510a", 2: "#6baed6", 3: "#08519c"},
    )  # fmt: skip
    masks = {
        "unfrozen": Flag("SSF", "soil is not frozen (1)", between=(1, 1)),
        "frozen": Flag("SSF", "soil is frozen (2)", between=(2, 2)),
    }
    return _define("SWI_V3", "Soil Water Index", _TENTH_OF_A_DEGREE, [*layers, state], masks, cadence="day")


def _burnt_area() -> list[ProductDefinition]:
    """Version 1 is of dekads, dated with their last day; version 3 of months, with their first."""
    version1 = [
        Variable("BA_DEKAD", "uint8", "Burnt in the dekad", kind="categorical", from_file=True),
        Variable("CP_DEKAD", "uint8", "Confidence of BA_DEKAD", from_file=True, colours=ramp(REDS, 0, 100)),
        Variable("FDOB_DEKAD", "uint8", "First day of burning in the dekad", from_file=True,
                 colours=ramp(REDS, 1, 11)),
        Variable("FDOB_SEASON", "uint16", "First day of burning in the season", from_file=True,
                 colours=ramp(REDS, 34001, 41366)),
    ]  # fmt: skip
    day = Variable(
        "DAY_OF_BURN", "int16", "Day of the year of burning", "d", blank=-1, valid=(1, 366),
        flags={0: "unburnt"}, colours=ramp(CIRCLE, 1, 366), aliases=("DOB", "BA"),
    )  # fmt: skip
    masks = {
        "burnt": Flag("DAY_OF_BURN", "burnt in the month (DN 1 to 366)", between=(1, 366)),
        "unburnt": Flag("DAY_OF_BURN", "seen and not burnt (DN 0)", between=(0, 0)),
    }
    return [
        _define("BA300_V1", "Burnt Area", _300M, version1, date_in_name="last"),
        _define("BA300_V3", "Burnt Area", _300M, [day], masks, cadence="month"),
    ]


def _phenology() -> ProductDefinition:
    """Every number of it is the file's; which day of the year files are dated with could not be read."""
    layers = []
    for season in (1, 2):
        suffix = "" if season == 1 else "_S2"
        for name, words, colours, highest in (
            ("SOSD", "Start of season, day", CIRCLE, 365), ("EOSD", "End of season, day", CIRCLE, 365),
            ("MAXD", "Peak of season, day", CIRCLE, 365), ("LENGTH", "Length of season", GREENS, 365),
            ("AMPL", "Amplitude of season", GREENS, 1000), ("SPROD", "Seasonal productivity", GREENS, 2000),
            ("TPROD", "Total productivity", GREENS, 2000), ("LSLOPE", "Slope of green-up", GREENS, 1000),
            ("RSLOPE", "Slope of green-down", GREENS, 1000), ("MINV", "Minimum value", GREENS, 1000),
            ("MAXV", "Peak value", GREENS, 1000), ("SOSV", "Start of season, value", GREENS, 1000),
            ("EOSV", "End of season, value", GREENS, 1000),
        ):  # fmt: skip
            layers.append(
                Variable(
                    f"{name}{suffix}", "int16", f"{words}, season {season}", from_file=True,
                    colours=ramp(colours, 0, highest), aliases=(f"{name}_S1",) if season == 1 else (),
                )
            )  # fmt: skip
        layers.append(
            replace(
                _QFLAG, name=f"QFLAG{suffix}", aliases=(f"QFLAG_S{season}", f"QA_S{season}", f"QA{suffix}")
            )
        )
    return _define(
        "LSP300_V1", "Land Surface Phenology", _300M, layers, cadence="year", date_in_name="within"
    )


def products() -> list[ProductDefinition]:
    """Return the definitions of all Copernicus Global Land products."""
    return [
        *_ndvi(), *_biophysical(), *_dry_matter(), *_condition(), _soil_water(), *_burnt_area(), _phenology(),
        land_cover(),
    ]  # fmt: skip
