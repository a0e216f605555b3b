"""Colour ramps: stored number to colour, one for every continuous variable."""

from __future__ import annotations

# openEO ColorTable_NDVI_V2, keyed by DN of 0.004 * DN - 0.08
NDVI_COLOURS = {
    0: "#8c5c08", 20: "#8e5f08", 45: "#c5ad13", 70: "#ffff1e", 95: "#dae819", 115: "#b6d215",
    145: "#91bc11", 170: "#6da60c", 195: "#489008", 220: "#247a04", 250: "#006400",
}  # fmt: skip

GREENS = ("#f7fcf5", "#c7e9c0", "#74c476", "#31a354", "#00441b")
BLUES = ("#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b")
REDS = ("#ffffcc", "#fed976", "#fd8d3c", "#e31a1c", "#800026")
GREYS = ("#000000", "#a0a0a0", "#ffffff")
# low is bad, high is good: condition and productivity
BROWN_GREEN = ("#8c510a", "#dfc27d", "#f5f5f5", "#80cdc1", "#01665e")
# starts and ends alike: azimuths, days of the year
CIRCLE = ("#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#2166ac")


def ramp(colours: tuple[str, ...], low: float, high: float) -> dict[float, str]:
    """Return the colours evenly spread over stored numbers from `low` to `high`."""
    return {low + (high - low) * i / (len(colours) - 1): colour for i, colour in enumerate(colours)}
