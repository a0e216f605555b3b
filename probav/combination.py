"""Products of one variable joined to one series: SPOT-VEGETATION and PROBA-V, 1998 to 2021.

They are joined in physical units: the stored numbers of the two differ by 5 for the same NDVI (0.004 DN - 0.1
and 0.004 DN - 0.08), so that joining those would make a step of 0.02 in 2014.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from probav.archive import Extent, Product, Progress
from probav.errors import QueryError
from probav.grid import Grid
from probav.products import Variable
from probav.times import select

if TYPE_CHECKING:
    import xarray as xr

    from probav.estimation import Estimate
    from probav.harmonisation import Fit

Prefer = Literal["first", "last"]
COUNTS = ("count", "valid", "masked", "nodata", "outside")


def combine(*products: Product, harmonise: str | None = None, prefer: Prefer = "last") -> CombinedProduct:
    """Join products of one variable on one pixel lattice to one series.

    Parameters
    ----------
    *products : Product
        Two or more, of one or of several archives, in any order.
    harmonise : {None, "linear"}
        "linear" adjusts the older of two products to the newer one by a line, which is fitted in the dates
        that both have, over the pixels of each query; see `probav.harmonisation.fit`.
    prefer : {"last", "first"}
        Which product a date comes from that several have: the one that begins last, or first. From October
        2013 to May 2014 these are PROBA-V and SPOT-VEGETATION.

    Returns
    -------
    CombinedProduct

    Raises
    ------
    QueryError
        If they can't be one series: other variables or units, pixels that don't coincide, another cadence.
    """
    return CombinedProduct(products, harmonise, prefer)


class CombinedProduct:
    """A series of several products, in physical units. Get one by `probav.combine`.

    Each date comes from one product; masks are evaluated in that product's own layers.
    """

    def __init__(self, products: Sequence[Product], harmonise: str | None, prefer: Prefer) -> None:
        if len(products) < 2:
            raise QueryError(f"A combined series needs at least two products, got {len(products)}.")
        if prefer not in ("first", "last"):
            raise QueryError(f"prefer={prefer!r} is not known; expected 'last' or 'first'.")
        if harmonise not in (None, "linear"):
            raise QueryError(f"harmonise={harmonise!r} is not known; expected None or 'linear'.")
        if harmonise and len(products) != 2:
            raise QueryError(f"harmonise={harmonise!r} takes two products, got {len(products)}.")
        for product in products:
            if not len(product.times):
                raise QueryError(f"The archive {product.store.url} holds no date of {product.id}.")
        self.products = tuple(sorted(products, key=lambda item: (item.times[0], item.times[-1])))
        self.harmonise = harmonise
        self.prefer = prefer
        self._check()

    def _check(self) -> None:
        first = self.products[0]
        for other in self.products[1:]:
            if (first.grid.nx, first.grid.ny) != (other.grid.nx, other.grid.ny) or (
                first.grid.offset_of(other.grid) is None
            ):
                raise QueryError(
                    f"{first.id} and {other.id} can't be one series: their pixels don't coincide "
                    f"({first.grid.nx:g} and {other.grid.nx:g} pixels a unit from {first.grid.x0:g} and "
                    f"{other.grid.x0:g}); combine products of one resolution and grid."
                )
            if first.definition.cadence != other.definition.cadence:
                raise QueryError(
                    f"{first.id} and {other.id} can't be one series: one has a value a "
                    f"{first.definition.cadence}, the other a {other.definition.cadence}."
                )
        self.variable(None)

    def variable(self, name: str | None) -> Variable:
        """Return a variable, as the newest product has it.

        Raises
        ------
        QueryError
            If the products don't all have it as a quantity of one unit.
        UnknownNameError
            If there is no such variable.
        """
        wanted = self.products[-1].definition.default if name is None else name
        found = [product.definition.variable(wanted) for product in self.products]
        held = [item.variables.get(known.name) for item, known in zip(self.products, found, strict=True)]
        for product, known, variable in zip(self.products, found, held, strict=True):
            if variable is None:
                raise QueryError(f"The archive holds no {known.name} of {product.id}.")
            if variable.kind != "continuous" or variable.units != found[-1].units:
                raise QueryError(
                    f"{known.name} of {product.id} is no quantity in units of {found[-1].units!r}; only such "
                    "can be one series."
                )
        newest = held[-1]
        assert newest is not None
        return newest

    @property
    def id(self) -> str:
        """Ids of the products, joined by +."""
        return "+".join(product.id for product in self.products)

    @property
    def title(self) -> str:
        """Titles of the products, oldest first."""
        return "; ".join(product.title for product in self.products)

    @cached_property
    def times(self) -> NDArray[np.datetime64]:
        """The dates of all products, sorted, each once (datetime64[D])."""
        return np.unique(np.concatenate([product.times for product in self.products]))

    @cached_property
    def owners(self) -> NDArray[np.intp]:
        """Index into `products` of the one that each of `times` comes from."""
        owners = np.zeros(len(self.times), np.intp)
        order = range(len(self.products))
        for index in order if self.prefer == "last" else reversed(order):
            owners[np.isin(self.times, self.products[index].times)] = index
        return owners

    @property
    def sensors(self) -> list[str]:
        """What each product's dates have as `sensor`: the first word of its title, or its id."""
        words = [product.title.partition(" ")[0] for product in self.products]
        return words if len(set(words)) == len(words) else [product.id for product in self.products]

    @property
    def grid(self) -> Grid:
        """The smallest grid that holds all products' grids."""
        first = self.products[0].grid
        corners = [(first.offset_of(item.grid), item.grid) for item in self.products]
        top = min(at[0] for at, _ in corners if at)
        left = min(at[1] for at, _ in corners if at)
        bottom = max(at[0] + grid.height for at, grid in corners if at)
        right = max(at[1] + grid.width for at, grid in corners if at)
        return first.window(top, left, bottom - top, right - left)

    @property
    def extent(self) -> Extent:
        """Where, how fine and when the archives hold these products."""
        parts = [product.extent for product in self.products]
        bounds = np.array([part.bounds for part in parts])
        return replace(
            parts[0],
            product=self.id,
            bounds=(*bounds[:, :2].min(axis=0).tolist(), *bounds[:, 2:].max(axis=0).tolist()),
            first=self.times[0].item(),
            last=self.times[-1].item(),
            dates=len(self.times),
        )

    def parts(self, time: Any = None) -> list[Part]:
        """Return what of a time argument comes from each product that has a date in it.

        Raises
        ------
        TimeError
            If it selects no date.
        """
        chosen = select(self.times, time, self.id)
        times, owners = self.times[chosen], self.owners[chosen]
        return [
            Part(product, sensor, times[owners == index])
            for index, (product, sensor) in enumerate(zip(self.products, self.sensors, strict=True))
            if (owners == index).any()
        ]

    def fit(self, aoi: Any, mask: str | None = None, variable: str | None = None) -> Fit | None:
        """Return how the older product is adjusted to the newer one in an area; None if it isn't."""
        from probav.harmonisation import fit

        if self.harmonise is None:
            return None
        return fit(self.products[0], self.products[1], aoi, mask, self.variable(variable).name)

    def statistics(
        self,
        aoi: Any,
        time: Any = None,
        mask: str | None = None,
        *,
        variable: str | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> xr.Dataset:
        """Return masked statistics of areas over time; see `probav.statistics.statistics`.

        Returns
        -------
        xarray.Dataset
            As of one product, with the coordinate `sensor` along time. With `harmonise="linear"` the
            attributes say what was fitted.

        Raises
        ------
        QueryError
            If there is too little in common to harmonise, and as for one product.
        OutsideError, TimeError, MaskError, UnknownNameError, AoiError
            As for one product.
        """
        import xarray as xr

        name = self.variable(variable).name
        if options.get("by_time"):
            raise QueryError(
                f"{self.id} has dates of several products, which can't be counted together by_time; ask each "
                "product alone, or group the result."
            )
        unfit = [
            item
            for item in options.get("reducers", ())
            if item == "histogram" or item[:6] in ("below_", "above_")
        ]
        if self.harmonise and unfit:
            raise QueryError(
                f"{', '.join(unfit)} can't be harmonised: they count stored numbers, and harmonising moves "
                "those; leave harmonise away, or ask for percentiles."
            )
        parts = self.parts(time)
        fit = self.fit(aoi, mask, name)
        results = []
        for part in parts:
            found = part.product.statistics(
                aoi, part.period, mask, variable=name, progress=progress, **options
            ).sel(time=part.times)
            found = fit.adjust(found) if fit and part.product is self.products[0] else found
            results.append(found.assign_coords(sensor=("time", [part.sensor] * len(part.times))))
        names = [name for name in ("class_name", "class2_name") if name in results[0].coords]
        words = {
            name: {
                int(code): str(word)
                for found in results
                for code, word in zip(found[name[:-5]].values, found[name].values, strict=True)
            }
            for name in names
        }
        joined = xr.concat(
            [found.drop_vars(names) for found in results], "time", data_vars="all",
            coords="minimal", compat="override", join="outer", combine_attrs="override",
            fill_value={count: 0 for count in (*COUNTS, "valid_fraction", "area")},
        ).sortby("time")  # fmt: skip
        for name in names:  # a class that one product's dates lack has no pixel there
            codes = joined[name[:-5]].values
            joined = joined.assign_coords({name: (name[:-5], [words[name][int(code)] for code in codes])})
        return joined.assign_attrs(self.attributes(fit))

    def load(
        self,
        aoi: Any = None,
        time: Any = None,
        mask: str | None = None,
        *,
        variable: str | None = None,
        clip: bool = True,
        chunks: Any = None,
    ) -> xr.Dataset:
        """Return pixels in physical units as a lazy dataset; see `probav.loading.load`.

        Returns
        -------
        xarray.Dataset
            (time, y, x) float32 over the window of all products, with the coordinate `sensor` along time.

        Raises
        ------
        QueryError
            If there is too little in common to harmonise.
        OutsideError, TimeError, MaskError, UnknownNameError, AoiError
            As for one product.
        """
        from probav.joining import join_pixels

        name = self.variable(variable).name
        fit = self.fit(aoi, mask, name)
        parts = self.parts(time)
        lazy = [
            part.product.load(aoi, part.period, mask, variable=name, clip=clip).sel(time=part.times)
            for part in parts
        ]
        dataset = join_pixels(self, parts, lazy, fit)
        return dataset if chunks is None else dataset.chunk(chunks)

    def estimate(self, aoi: Any, time: Any = None, mask: str | None = None, **options: Any) -> Estimate:
        """Return what `statistics` with the same arguments would read and cost, without a fit."""
        from probav.estimation import Estimate

        parts = [part.product.estimate(aoi, part.period, mask, **options) for part in self.parts(time)]
        return Estimate(
            sum(part.chunks for part in parts),
            sum(part.bytes for part in parts),
            sum(part.pixels for part in parts),
            sum(part.seconds for part in parts),
            max(parts, key=lambda part: part.seconds).engine,
        )

    def attributes(self, fit: Fit | None) -> dict[str, Any]:
        """Return what a result's attributes say of the products and how they were joined."""

        def joined(values: Iterable[str]) -> str:
            return "; ".join(dict.fromkeys(values))

        return {
            "product": self.id,
            "title": self.title,
            "prefer": self.prefer,
            "archive": joined(product.store.url for product in self.products),
            "snapshot": joined(product.store.snapshot for product in self.products),
            "citation": joined(product.definition.citation for product in self.products),
            "license": joined(product.definition.licence for product in self.products),
            "harmonise": self.harmonise or "",
            **(fit.attributes() if fit else {}),
        }

    def __repr__(self) -> str:
        return f"<CombinedProduct {self.extent}; {', '.join(self.sensors)}>"


@dataclass(frozen=True)
class Part:
    """The dates of a period that come from one product."""

    product: Product
    sensor: str
    times: NDArray[np.datetime64]

    @property
    def period(self) -> tuple[np.datetime64, np.datetime64]:
        """From the first to the last of them; the product may have others in between."""
        return self.times[0], self.times[-1]
