"""Colours of lines and of pixels; those of a product come from its definition."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import BoundaryNorm, Colormap, LinearSegmentedColormap, ListedColormap, Normalize
from numpy.typing import NDArray

from probav.products import Variable

# Okabe & Ito (2008), Color Universal Design: told apart by colour-blind readers; yellow is left out, it
# fades on white
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c510a")
GREY = "#8a8a8a"
WEAK = "#e4e4e4"
SECOND, SECOND_ALPHA = "#5f7f9c", 0.5  # bars behind lines
LAND = "#f2f0e9"
SEA = "#dde8ee"
BORDER = "#555555"
AOI = "#0b3fd6"  # seen on every step of the NDVI ramp


def colormap(variable: Variable) -> tuple[Colormap, Normalize]:
    """Return the colour map and norm that turn physical values of a variable into its colours.

    A map of classes gets one colour per code; a variable without colours a grey ramp over its valid range.
    NaN, and codes beyond those of the classes, are transparent.
    """
    if variable.kind != "continuous" and variable.colours:
        codes = sorted(variable.colours)
        edges = [codes[0] - 0.5, *(np.add(codes[1:], codes[:-1]) / 2), codes[-1] + 0.5]
        classes = ListedColormap([variable.colours[code] for code in codes], name=variable.name)
        clear = "#00000000"
        return classes.with_extremes(bad=clear, under=clear, over=clear), BoundaryNorm(edges, len(codes))
    low, high = variable.valid or (0, 255)
    ramp = dict(variable.colours) or {int(low): "#000000", int(high): "#ffffff"}
    stops = sorted(ramp)
    span = stops[-1] - stops[0]
    cmap = LinearSegmentedColormap.from_list(
        variable.name, [((stop - stops[0]) / span, ramp[stop]) for stop in stops], N=512
    )
    first, last = (stop * variable.scale + variable.offset for stop in (stops[0], stops[-1]))
    return cmap.with_extremes(bad="#00000000"), Normalize(vmin=first, vmax=last)


def rgba(values: NDArray[np.float32], variable: Variable) -> NDArray[np.uint8]:
    """Colour an image.

    Parameters
    ----------
    values : (y, x) float32, physical; NaN is transparent
    variable : Variable

    Returns
    -------
    (y, x, 4) uint8: red, green, blue, opacity
    """
    cmap, norm = colormap(variable)
    return np.asarray(cmap(norm(np.ma.masked_invalid(values)), bytes=True))
