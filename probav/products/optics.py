"""Where in the spectrum the bands of the sensors lie."""

from __future__ import annotations

Optics = tuple[str, float, float]
"""Common name (STAC), centre and full width at half maximum in micrometres."""

# PROBA-V: Earth Engine catalogue; SPOT-VEGETATION: middle and width of the bands of the VGT user guide
_BANDS: dict[str, dict[str, Optics]] = {
    "PROBAV": {
        "BLUE": ("blue", 0.460, 0.042), "RED": ("red", 0.658, 0.082),
        "NIR": ("nir", 0.834, 0.121), "SWIR": ("swir16", 1.610, 0.089),
    },
    "SPOTVEGETATION": {
        "BLUE": ("blue", 0.450, 0.040), "RED": ("red", 0.645, 0.070),
        "NIR": ("nir", 0.835, 0.110), "SWIR": ("swir16", 1.665, 0.170),
    },
}  # fmt: skip


def optics(product: str, variable: str) -> Optics | None:
    """Return what is known of a band of a product; None for a layer that is no band of its sensor."""
    return _BANDS.get(product.partition("_")[0], {}).get(variable)
