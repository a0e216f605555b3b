"""What is known of a product: its layers, how stored numbers become values, its grid, dates and masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from probav.errors import UnknownNameError, did_you_mean
from probav.grid import Grid
from probav.products.cadences import Cadence

Kind = Literal["continuous", "categorical", "flags"]
DateRule = Literal["first", "last", "within"]

# for products that come on grids of any kind: no file's pixels lie on it, so each archive takes the file's
GRID_FROM_FILE = Grid(0, 0, 1, 1, 0, 0, crs="")


@dataclass(frozen=True)
class Flag:
    """A name of the mask language: true where `(DN & bits) == equals`, `low <= DN <= high` or DN in `values`.

    Bits 0-2 of a status map are one number, which is why a flag is compared under a mask, never tested bit
    by bit.
    """

    variable: str
    doc: str
    bits: int | None = None
    equals: int = 0
    between: tuple[int, int] | None = None
    values: tuple[int, ...] | None = None

    def is_set(self, dn: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where the flag is true, from stored numbers."""
        if self.between is not None:
            return (dn >= self.between[0]) & (dn <= self.between[1])
        if self.values is not None:
            return np.isin(dn, self.values)
        assert self.bits is not None
        return np.asarray((dn & dn.dtype.type(self.bits)) == self.equals)


@dataclass(frozen=True)
class Variable:
    """One layer of a product and how its stored numbers (DN) become physical values: scale * DN + offset."""

    name: str
    dtype: str
    long_name: str
    units: str = "1"
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    blank: float = 0.0  # DN of pixels that were never written, where there is no no-data value
    valid: tuple[float, float] | None = None  # of DNs, inclusive; what is outside holds no value
    kind: Kind = "continuous"
    flags: Mapping[int, str] = field(default_factory=dict)  # DNs that are codes, or the classes of a map
    colours: Mapping[Any, str] = field(default_factory=dict)  # DN -> colour: the ramp, or one per class
    # the manual could not be checked: type, scale, offset, no-data value and valid range are each file's own,
    # and a file that is silent of a scale which isn't 1 is refused
    from_file: bool = False
    aliases: tuple[str, ...] = ()  # other names in files

    @property
    def unwritten(self) -> float:
        """DN of pixels that were never written."""
        return self.blank if self.nodata is None else self.nodata

    def is_valid(self, dn: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where stored numbers hold a value: in the valid range, not the no-data value, no NaN."""
        good = np.ones(dn.shape, bool) if self.nodata is None else dn != dn.dtype.type(self.nodata)
        if self.valid is not None:
            good &= (dn >= self.valid[0]) & (dn <= self.valid[1])
        if dn.dtype.kind == "f":
            good &= np.isfinite(dn)
        return good

    def physical(self, dn: NDArray[Any]) -> NDArray[np.float64]:
        """Return scale * DN + offset as float64, whatever the DN means; see `is_valid`."""
        return dn * self.scale + self.offset

    def found(self, **changes: Any) -> Variable:
        """Return this variable with what a file says of itself (dtype, scale, offset, nodata, valid).

        The colours of a ramp stay with their physical values.
        """
        found = replace(self, **changes)
        if self.kind != "continuous" or (found.scale, found.offset) == (self.scale, self.offset):
            return found
        colours = {
            (self.scale * dn + self.offset - found.offset) / found.scale: colour
            for dn, colour in self.colours.items()
        }
        return replace(found, colours=colours)


@dataclass(frozen=True)
class ProductDefinition:
    """One product: its layers, grid, dates, mask names and whom to credit."""

    id: str
    title: str
    variables: Mapping[str, Variable]
    default: str  # the variable a query means when it names none
    grid: Grid
    cadence: Cadence
    date_in_name: DateRule  # which day of its period a file is dated with; "within": any of them
    masks: Mapping[str, Flag]
    citation: str
    licence: str
    role: str | None = None  # the name under which masks and strata use it: "landcover"
    pattern: str | None = None  # of file names without suffix, for products that aren't probav's own

    def variable(self, name: str | None) -> Variable:
        """Return a variable by name; the default one for None.

        Raises
        ------
        UnknownNameError
            If the product has no such variable; the message names near ones.
        """
        if name is None:
            return self.variables[self.default]
        for known, variable in self.variables.items():
            if known.casefold() == name.casefold():
                return variable
        raise UnknownNameError(
            f"Product {self.id} has no variable {name!r}.{did_you_mean(name, self.variables)}"
        )

    def variable_in_file(self, name: str | None) -> Variable | None:
        """Return the variable that a file calls `name`, whatever the case, with "-" for "_" or without."""
        plain = _plain(name or "")
        for variable in self.variables.values():
            if plain and plain in map(_plain, (variable.name, *variable.aliases)):
                return variable
        return None


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").upper()
