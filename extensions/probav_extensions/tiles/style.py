"""How values become colours: the product's own, or a named ramp between two values."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from functools import cached_property

import matplotlib
import numpy as np
from matplotlib.colors import Colormap, Normalize
from numpy.typing import NDArray
from PIL import Image

from probav import Product
from probav.errors import QueryError, UnknownNameError, did_you_mean
from probav.products import Variable
from probav_extensions.colours import colormap

_BAR = (256, 12)  # pixels


@dataclass(frozen=True)
class Style:
    """The colours of a variable.

    Parameters
    ----------
    variable : Variable
    ramp : str, optional
        One of Matplotlib's colour maps; the variable's own colours if not given.
    low, high : float, optional
        Physical values that the ramp's ends stand for.

    Raises
    ------
    QueryError
        If there is no such ramp, or the ends are no range.
    """

    variable: Variable
    ramp: str | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        given = [self.ramp, self.low, self.high]
        if self.variable.kind != "continuous" and given != [None, None, None]:
            raise QueryError(
                f"{self.variable.name} is a map of classes, which have colours of their own: "
                "leave out ramp, low and high."
            )
        if self.ramp is not None and self.ramp not in matplotlib.colormaps:
            near = did_you_mean(self.ramp, matplotlib.colormaps)
            words = near if "Did you mean" in near else " Take one of Matplotlib's, like 'viridis'."
            raise QueryError(f"There is no ramp {self.ramp!r}.{words}")
        ends = (self.norm.vmin, self.norm.vmax)
        assert ends[0] is not None
        assert ends[1] is not None
        if not (math.isfinite(ends[0]) and math.isfinite(ends[1]) and ends[0] < ends[1]):
            raise QueryError(f"A ramp from {ends[0]} to {ends[1]} is no range: give low < high.")

    @cached_property
    def _own(self) -> tuple[Colormap, Normalize]:
        return colormap(self.variable)

    @cached_property
    def cmap(self) -> Colormap:
        """What turns 0 to 1 into colours."""
        if self.ramp is None:
            return self._own[0]
        return matplotlib.colormaps[self.ramp].with_extremes(bad="#00000000")

    @cached_property
    def norm(self) -> Normalize:
        """What turns physical values into 0 to 1."""
        own = self._own[1]
        if self.low is None and self.high is None:
            return own
        return Normalize(
            own.vmin if self.low is None else self.low, own.vmax if self.high is None else self.high
        )

    def rgba(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the colours of physical values (y, x); NaN is transparent: (y, x, 4)."""
        return np.asarray(self.cmap(self.norm(np.ma.masked_invalid(values)), bytes=True))

    @cached_property
    def digest(self) -> str:
        """What tells these colours from others."""
        colours = self.cmap(np.linspace(0, 1, 64), bytes=True)
        ends = f"{self.norm.vmin} {self.norm.vmax} {sorted(self.variable.colours.items(), key=str)}"
        return hashlib.sha256(np.asarray(colours).tobytes() + ends.encode()).hexdigest()


def variable_of(product: Product, name: str | None) -> Variable:
    """Return a variable that the archive holds of a product; for None the main one, or the first.

    Raises
    ------
    UnknownNameError
        If it holds none of that name.
    """
    if name is None and product.definition.default not in product.variables:
        return next(iter(product.variables.values()))
    known = product.definition.variable(name).name
    if known not in product.variables:
        raise UnknownNameError(
            f"The archive holds no {known} of {product.id}.{did_you_mean(known, product.variables)}"
        )
    return product.variables[known]


def colour_bar(
    variable: Variable, ramp: str | None = None, low: float | None = None, high: float | None = None
) -> tuple[bytes, float, float, str]:
    """Return the picture of a ramp, low at the left, for a legend.

    Of classes: stripes of equal width, in the order of their codes.

    Returns
    -------
    png : bytes
    low, high : float
        Physical values at its ends; of classes the first and last code.
    units : str
        Empty for what has none.
    """
    style = Style(variable, ramp, low, high)
    across, down = _BAR
    if variable.kind != "continuous" and variable.colours:
        codes = sorted(variable.colours)
        values = np.array(codes)[np.arange(across) * len(codes) // across].astype("float32")
        first, last = float(codes[0]), float(codes[-1])
    else:
        first, last = float(style.norm.vmin or 0.0), float(style.norm.vmax or 0.0)
        values = np.linspace(first, last, across, dtype="float32")
    pixels = np.broadcast_to(style.rgba(values[None]), (down, across, 4))
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels), "RGBA").save(buffer, format="PNG", optimize=True)
    return buffer.getvalue(), first, last, "" if variable.units == "1" else variable.units
