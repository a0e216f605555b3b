"""CHIRPS rainfall. Source: the Climate Hazards Center's README of version 2.0."""

from __future__ import annotations

from probav.grid import CHIRPS_GRID
from probav.products.colours import BLUES
from probav.products.definition import ProductDefinition, Variable


def products() -> list[ProductDefinition]:
    """Return the definition of CHIRPS dekads."""
    rainfall = Variable(
        "RAINFALL", "float32", "Rainfall, total of the dekad", "mm", nodata=-9999, valid=(0, 1e5),
        # most dekads are dry: half of the ramp is for the first tenth of the range
        colours=dict(zip((0, 20, 60, 120, 300), BLUES, strict=True)),
    )  # fmt: skip
    return [
        ProductDefinition(
            id="CHIRPS_V2_DEKAD",
            title="CHIRPS 2.0 dekadal rainfall, 0.05 degree",
            variables={"RAINFALL": rainfall},
            default="RAINFALL",
            grid=CHIRPS_GRID,
            cadence="dekad",
            date_in_name="first",
            masks={},
            citation="Funk et al. (2015), Scientific Data 2, 150066",
            licence="CC0 (public domain)",
            role="rainfall",
        )
    ]
