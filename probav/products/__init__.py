"""The products probav knows: one table of everything a reader, a statistic or a chart needs to know of them.

No scale, offset, no-data value, flag bit or colour stands anywhere else. What a file says of itself
(type, no-data, scale) wins over this table where the two can differ and is checked against it where not.
"""

from probav.errors import UnknownProductError, did_you_mean
from probav.products import chirps, copernicus, probav_l3, spot_vgt
from probav.products.cadences import CADENCES, Cadence, period_end, period_start, period_starts
from probav.products.colours import NDVI_COLOURS
from probav.products.copernicus import LC100_CLASSES
from probav.products.definition import (
    GRID_FROM_FILE,
    DateRule,
    Flag,
    Kind,
    ProductDefinition,
    Variable,
)
from probav.products.probav_l3 import PROBAV_RESOLUTIONS, STATUS_MASKS

__all__ = [
    "CADENCES",
    "GRID_FROM_FILE",
    "LC100_CLASSES",
    "NDVI_COLOURS",
    "PROBAV_RESOLUTIONS",
    "PRODUCTS",
    "STATUS_MASKS",
    "Cadence",
    "DateRule",
    "Flag",
    "Kind",
    "ProductDefinition",
    "Variable",
    "get_product",
    "period_end",
    "period_start",
    "period_starts",
]

PRODUCTS: dict[str, ProductDefinition] = {
    product.id: product
    for family in (probav_l3, spot_vgt, copernicus, chirps)
    for product in family.products()
}


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
