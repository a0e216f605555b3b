"""A query, the tasks it is cut into, and how one task is computed, wherever that is.

A task says what to read (archive, snapshot, chunk) and which pixels count; it holds no pixel and nothing that
is open, so that a thread and a Spark executor run the same code on the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from probav.archive import Archive, opened
from probav.bins import BINS, EVERYTHING, Rule, code_table, rule_of
from probav.caches import CACHE
from probav.chunks import ChunkReader
from probav.errors import QueryError, UnknownNameError, did_you_mean
from probav.grid import Grid
from probav.histogram import Partial, count_bins
from probav.masks import Layer, parse_mask
from probav.pixels import Pixels, Zones
from probav.products import Variable
from probav.reducers import plan
from probav.reducing import Reducer, Scale
from probav.sampling import dates_for, sample
from probav.wide import count_values

CLASSES = 256
"""Codes of one stratum."""


@dataclass(frozen=True)
class Query:
    """What to count, without the area: hashable, so that a worker prepares each query once."""

    url: str
    snapshot: str
    product: str
    variables: tuple[str, ...]
    mask: str | None
    by: tuple[str, ...]
    weights: str  # a key of FACTORS
    dates: tuple[int, ...]  # indexes into product.times
    results: tuple[int, ...]  # to which result in time each date belongs
    reducers: tuple[str, ...]

    @property
    def classes(self) -> int:
        """Groups are numbered zone * classes + class."""
        return int(CLASSES ** len(self.by))

    @property
    def times(self) -> int:
        """Number of results in time."""
        return max(self.results) + 1

    @property
    def merges(self) -> bool:
        """Whether several dates belong to one result."""
        return self.times < len(self.dates)


@dataclass(frozen=True)
class Task:
    """The pixels of a query in one chunk of the grid, and some of its dates.

    Attributes
    ----------
    query : Query
    block : (int, int)
        Row and column of the chunk.
    dates : (t,) int64
        Which of the query's dates.
    runs : (n, 4) int64
        Whole pixels: zone, row in the block, first column, column after the last.
    edges : (m, 3) int64
        Pixels in part: zone, row, column in the block.
    weights : (m,) int64
    zones : (z,) int64
        The zones it has pixels of.
    alone : (k,) int64
        The zones which no other task has anything of for these dates' results.
    area : str
        What the zones' pixels are known by in caches; "" if they are not to be kept.
    """

    query: Query
    block: tuple[int, int]
    dates: NDArray[np.int64]
    runs: NDArray[np.int64]
    edges: NDArray[np.int64]
    weights: NDArray[np.int64]
    zones: NDArray[np.int64]
    alone: NDArray[np.int64]
    area: str = ""


class Sink(Protocol):
    """Where counts go."""

    def add(self, partial: Partial, complete: NDArray[np.bool_]) -> None:
        """Take counts over, some of whose groups are complete; they are valid during the call only."""


def _cosine(grid: Grid, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.cos(np.radians(grid.y0 - rows / grid.ny)))


FACTORS = {"pixel": None, "area": _cosine, "km2": Grid.relative_areas}
"""What a pixel in a row weighs: one, the cosine of its latitude, its area as a part of the largest one's."""


class Prepared:
    """What all tasks of a query share in one process: opened arrays, tables, resolved names."""

    def __init__(self, query: Query) -> None:
        self.archive: Archive = opened(query.url, query.snapshot)
        self.product = self.archive[query.product]
        self.variables: list[Variable] = [self.product.variables[name] for name in query.variables]
        every = {Layer(query.product, name): ChunkReader(self.product, name) for name in query.variables}
        self.targets = list(every.items())
        self.shape = self.targets[0][1].shape
        self.times = self.product.times[list(query.dates)]
        self.stored = self.product.positions[list(query.dates)]
        self.results = np.array(query.results, np.int64)
        self.mask = None if query.mask is None else parse_mask(query.mask, self.product, self.archive)
        self.strata = [stratum(by, self.archive, query.product) for by in query.by]
        self.others: list[Layer] = []  # of another grid, or cut into other chunks
        for layer in sorted({*(self.mask.layers if self.mask else ()), *self.strata}, key=str):
            if layer in every:
                continue
            own = ChunkReader(self.product, layer.variable) if layer.product == query.product else None
            if own is not None and own.shape == self.shape:
                every[layer] = own
            else:
                self.others.append(layer)
        self.readers = every
        self.codes = [
            code_table(variable.is_valid(np.arange(BINS, dtype=np.uint8)))
            if variable.dtype == "uint8"
            else None
            for variable in self.variables
        ]
        table = None if self.mask is None else self.mask.table()
        self.rule: tuple[Layer, Rule] | None = None  # where one 8-bit layer in chunks says what is masked
        if table is not None and table[0] in self.readers:
            self.rule = table[0], rule_of(table[1])
        scales = [
            Scale(
                None if codes is None else variable.physical(codes.dns.astype(np.float64)),
                variable.scale,
                variable.offset,
            )
            for variable, codes in zip(self.variables, self.codes, strict=True)
        ]
        self.reducer = Reducer(plan(query.reducers), scales, "histogram" in query.reducers)
        self.periods = {layer: dates_for(self.archive[layer.product], self.times) for layer in self.others}

    def other(self, layer: Layer, block: tuple[int, int], date: int) -> NDArray[Any]:
        """Return a layer of another grid on the pixels of a block: (y, x), for one of the query's dates."""
        product, grid = self.archive[layer.product], self.product.grid
        _, height, width = self.shape
        rows = slice(block[0] * height, (block[0] + 1) * height)
        columns = slice(block[1] * width, (block[1] + 1) * width)

        def make() -> NDArray[Any]:
            found, _ = sample(product, layer.variable, grid, rows, columns, self.times[date : date + 1])
            return np.ascontiguousarray(found[0])

        key = (
            self.archive.url, self.archive.snapshot, layer, int(self.periods[layer][date]), grid, block,
            height, width,
        )  # fmt: skip
        return CACHE.get(key, make, lambda found: found.nbytes)


@lru_cache(maxsize=8)
def prepare(query: Query) -> Prepared:
    """Return what a query needs, prepared once a process."""
    return Prepared(query)


def stratum(by: str, archive: Archive, product: str) -> Layer:
    """Return the categorical layer that `by` names: a role ("landcover"), a product, or an own variable.

    Raises
    ------
    UnknownNameError
        If there is none.
    QueryError
        If the layer holds no classes.
    """
    own = archive[product]
    for name, variable in own.variables.items():
        if name.casefold() == by.casefold():
            layer, found = Layer(own.id, name), variable
            break
    else:
        other = archive.by_role(by.casefold()) or (archive[by] if by in archive else None)
        if other is None:
            roles = [item.definition.role for item in archive if item.definition.role]
            choices = [*own.variables, *archive.ids, *roles]
            raise UnknownNameError(f"There is no layer by={by!r} in the archive.{did_you_mean(by, choices)}")
        found = other.variables[other.definition.default]
        layer = Layer(other.id, found.name)
    if found.kind == "continuous" or found.dtype != "uint8":
        raise QueryError(
            f"by={by!r} is {found.long_name}, which has no classes; "
            "expected a categorical layer such as 'landcover'."
        )
    return layer


def run(task: Task, sink: Sink) -> int:
    """Read and count one task; return the bytes read."""
    prepared = prepare(task.query)
    times = prepared.shape[0]
    stored = prepared.stored[task.dates]
    chunk_of_date = stored // times
    chunks = np.unique(chunk_of_date).tolist()
    keys = [(int(chunk), *task.block) for chunk in chunks]
    fetched = {layer: reader.fetch(keys) for layer, reader in prepared.readers.items()}
    layers = {
        layer: reader.array(f"layer {number}")
        for number, (layer, reader) in enumerate(prepared.readers.items())
    }
    blocks = _Labelled(task, prepared)
    last: Pixels | None = None
    alone = np.zeros(0, bool)
    for index, chunk in enumerate(chunks):
        for layer, reader in prepared.readers.items():
            reader.decode(fetched[layer][0][index], layers[layer])
        within = np.flatnonzero(chunk_of_date == chunk)
        for chosen, pixels in blocks.by_class(layers, task.dates[within], stored[within] - chunk * times):
            wanted = task.dates[within[chosen]]
            dates = (stored[within[chosen]] - chunk * times).astype(np.int64)
            if pixels is not last:
                last, alone = pixels, np.isin(pixels.groups // task.query.classes, task.alone)
            for partial in _count(prepared, task.block, pixels, layers, wanted, dates):
                sink.add(partial, alone)
    return sum(size for _, size in fetched.values())


class _Labelled:
    """The labelled pixels of a task's block, for each combination of classes in time."""

    def __init__(self, task: Task, prepared: Prepared) -> None:
        self._task, self._prepared = task, prepared
        self._kept: tuple[Any, Pixels] | None = None

    def by_class(
        self, layers: dict[Layer, NDArray[Any]], wanted: NDArray[np.int64], dates: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.intp], Pixels]]:
        """Return which of some dates have the same classes, and the pixels labelled by them.

        Parameters
        ----------
        layers : dict
            The layers that are read in chunks.
        wanted, dates : (t,) int64
            Dates of the query, and where they are in the chunk.
        """
        prepared = self._prepared
        if not any(layer in layers for layer in prepared.strata):
            periods = [prepared.periods[layer][wanted] for layer in prepared.strata]
            keys = np.zeros(len(wanted), np.int64)
            for period in periods:
                keys = keys * (period.max() + 2) + period + 1
            return [
                (chosen, self._lasting(int(wanted[chosen[0]])))
                for key in np.unique(keys)
                if len(chosen := np.flatnonzero(keys == key))
            ]
        return [  # a stratum of the product itself: other classes at each date
            (np.array([index]), self._pixels(self._classes(layers, int(wanted[index]), int(dates[index]))))
            for index in range(len(wanted))
        ]

    def _lasting(self, date: int) -> Pixels:
        """Pixels labelled by classes that are not the product's own, which caches may keep."""
        task, prepared = self._task, self._prepared
        periods = tuple((layer, int(prepared.periods[layer][date])) for layer in prepared.strata)
        if self._kept is None or self._kept[0] != periods:
            if task.area:
                query = task.query
                key = (
                    task.area,
                    query.snapshot,
                    query.product,
                    prepared.shape,
                    query.weights,
                    periods,
                    task.block,
                )
                pixels = CACHE.get(
                    key, lambda: self._pixels(self._classes({}, date, 0)), lambda made: made.size
                )
            else:
                pixels = self._pixels(self._classes({}, date, 0))
            self._kept = periods, pixels
        return self._kept[1]

    def _classes(self, layers: dict[Layer, NDArray[Any]], date: int, at: int) -> NDArray[Any] | None:
        prepared = self._prepared
        found = [
            layers[layer][at] if layer in layers else prepared.other(layer, self._task.block, date)
            for layer in prepared.strata
        ]
        if len(found) < 2:
            return found[0] if found else None
        return np.asarray(found[0].astype(np.uint16) * np.uint16(CLASSES) + found[1])

    def _pixels(self, classes: NDArray[Any] | None) -> Pixels:
        return Pixels(self._zones, classes, self._task.query.classes)

    @cached_property
    def _zones(self) -> Zones:
        task, prepared = self._task, self._prepared
        _, height, width = prepared.shape
        factor = FACTORS[task.query.weights]
        rows = np.arange(task.block[0] * height, (task.block[0] + 1) * height)
        return Zones(
            task.runs, task.edges, task.weights, (height, width),
            None if factor is None else factor(prepared.product.grid, rows),
        )  # fmt: skip


def _count(
    prepared: Prepared,
    block: tuple[int, int],
    pixels: Pixels,
    layers: dict[Layer, NDArray[Any]],
    wanted: NDArray[np.int64],
    dates: NDArray[np.int64],
) -> Any:
    """Count some dates of a chunk of time, one variable after the other."""
    results = prepared.results[wanted]
    passes = None
    if prepared.mask is not None and (
        prepared.rule is None or any(codes is None for codes in prepared.codes)
    ):
        passes = np.broadcast_to(
            prepared.mask.evaluate({
                layer: layers[layer][dates]
                if layer in layers
                else np.stack([prepared.other(layer, block, date) for date in wanted.tolist()])
                for layer in prepared.mask.layers
            }),
            (len(dates), *prepared.shape[1:]),
        )  # fmt: skip
    for number, ((layer, _), codes) in enumerate(zip(prepared.targets, prepared.codes, strict=True)):
        dn = layers[layer]
        if codes is None:
            taken = dn[dates]
            through = np.ones((1, *prepared.shape[1:]), bool) if passes is None else passes
            valid = prepared.variables[number].is_valid(taken)
            yield count_values(number, dn, valid, through, dates, results, pixels)
        elif prepared.mask is None:
            yield count_bins(number, dn, dn, dates, results, codes, EVERYTHING, pixels)
        elif prepared.rule is not None:
            yield count_bins(
                number, dn, layers[prepared.rule[0]], dates, results, codes, prepared.rule[1], pixels
            )
        else:
            assert passes is not None
            flags = np.zeros(dn.shape, np.uint8)
            flags[dates] = passes
            yield count_bins(number, dn, flags, dates, results, codes, _BOOLEAN, pixels)


_BOOLEAN = rule_of(np.arange(BINS) % 2 == 1)
