"""A query, the tasks it is cut into, and how one task is computed, wherever that is.

A task says what to read (archive, snapshot, chunk) and which pixels count; it holds no pixel and nothing that
is open, so that a thread and a Spark executor run the same code on the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probav.archive import Archive, open_archive
from probav.chunks import ChunkReader
from probav.coverage import ONE, Coverage
from probav.errors import QueryError, UnknownNameError, did_you_mean
from probav.histogram import BINS, Partial, code_table, count_codes, count_entries, count_values
from probav.masks import Layer, parse_mask
from probav.pixels import Pixels
from probav.products import Variable
from probav.sampling import sample


@dataclass(frozen=True)
class Query:
    """What to count, without the area: hashable, so that a worker prepares each query once."""

    url: str
    snapshot: str
    product: str
    variable: str
    mask: str | None
    by: str | None
    weights: str  # "pixel", or "area": times the cosine of the latitude
    dates: tuple[int, ...]  # indexes into product.times


@dataclass(frozen=True)
class Task:
    """The pixels of a query in one chunk of the grid.

    Attributes
    ----------
    query : Query
    block : (int, int)
        Row and column of the chunk.
    runs : (n, 4) int64
        Whole pixels: zone, row in the block, first column, column after the last.
    edges : (m, 3) int64
        Pixels in part: zone, row, column in the block.
    weights : (m,) int64
    """

    query: Query
    block: tuple[int, int]
    runs: NDArray[np.int64]
    edges: NDArray[np.int64]
    weights: NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """What a query would cost.

    Attributes
    ----------
    chunks : int
    bytes : int
        Compressed bytes to read, from a sample of the chunks.
    pixels : int
        Pixels times dates that lie in the area.
    seconds : float
        On this machine, warm.
    engine : str
        Which engine "auto" would take.
    """

    chunks: int
    bytes: int
    pixels: int
    seconds: float
    engine: str

    def __str__(self) -> str:
        return (
            f"{self.chunks:,} chunks, {self.bytes / 1e6:,.1f} MB to read, {self.pixels:,} pixels x dates, "
            f"about {self.seconds:.1f} s with engine {self.engine!r}"
        )


def make_tasks(query: Query, coverage: Coverage) -> list[Task]:
    """Cut an area's pixels at the chunks of the queried variable."""
    _, height, width = prepare(query).reader.shape
    runs = _cut_runs(coverage.runs, width)
    edges = coverage.edges
    run_block = np.column_stack([runs[:, 1] // height, runs[:, 2] // width])
    edge_block = edges[:, 1:] // [height, width]
    blocks, which = np.unique(np.vstack([run_block, edge_block]), axis=0, return_inverse=True)
    of_run, of_edge = which[: len(runs)], which[len(runs) :]
    run_order, edge_order = np.argsort(of_run, kind="stable"), np.argsort(of_edge, kind="stable")
    run_ends = np.searchsorted(of_run[run_order], np.arange(len(blocks) + 1))
    edge_ends = np.searchsorted(of_edge[edge_order], np.arange(len(blocks) + 1))
    tasks = []
    for index, (row, column) in enumerate(blocks.tolist()):
        own_runs = runs[run_order[run_ends[index] : run_ends[index + 1]]]
        own = edge_order[edge_ends[index] : edge_ends[index + 1]]
        corner = row * height, column * width
        tasks.append(
            Task(
                query,
                (row, column),
                own_runs - np.array([0, corner[0], corner[1], corner[1]]),
                edges[own] - np.array([0, *corner]),
                coverage.weights[own],
            )
        )
    return tasks


def _cut_runs(runs: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Cut runs (zone, row, first, last + 1) where they cross from one chunk into the next."""
    first, last = runs[:, 2] // size, (runs[:, 3] - 1) // size
    pieces = last - first + 1
    cut = np.repeat(runs, pieces, axis=0)
    number = np.arange(len(cut)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    left = (np.repeat(first, pieces) + number) * size
    cut[:, 2] = np.maximum(cut[:, 2], left)
    cut[:, 3] = np.minimum(cut[:, 3], left + size)
    return cut


class Prepared:
    """What all tasks of a query share in one process: opened arrays, tables, resolved names."""

    def __init__(self, query: Query) -> None:
        self.archive: Archive = open_archive(query.url, snapshot=query.snapshot)
        self.product = self.archive[query.product]
        self.reader = ChunkReader(self.product, query.variable)
        self.variable: Variable = self.reader.variable
        self.dates = self.product.times[list(query.dates)]
        self.stored = self.product.positions[list(query.dates)]
        self.mask = None if query.mask is None else parse_mask(query.mask, self.product, self.archive)
        self.by = None if query.by is None else stratum(query.by, self.archive, query.product)
        self.codes = None
        if self.variable.dtype == "uint8":
            self.codes = code_table(self.variable.is_valid(np.arange(256, dtype=np.uint8)))
        layers = set(self.mask.layers if self.mask else ()) | ({self.by} if self.by else set())
        self.own_layers: dict[Layer, ChunkReader] = {}
        self.other_layers: list[Layer] = []
        for layer in sorted(layers, key=str):
            if layer.product == query.product and layer.variable == query.variable:
                continue
            own = ChunkReader(self.product, layer.variable) if layer.product == query.product else None
            if own is not None and own.shape == self.reader.shape:
                self.own_layers[layer] = own
            else:  # of another grid, or cut into other chunks
                self.other_layers.append(layer)
        self.mask_table = None if self.mask is None else self.mask.table()

    def is_chunk(self, layer: Layer) -> bool:
        """Return whether a layer is read in whole chunks, beside the queried variable."""
        return layer == self.reader.layer or layer in self.own_layers


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


def run(task: Task) -> tuple[list[Partial], int]:
    """Read and count one task; return its partial results and the bytes read."""
    prepared = prepare(task.query)
    reader = prepared.reader
    times, height, width = reader.shape
    row, column = task.block
    rows, columns = slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)
    chunk_of_date = prepared.stored // times
    time_chunks = np.unique(chunk_of_date)
    keys = [(int(chunk), row, column) for chunk in time_chunks]
    readers = {reader.layer: reader, **prepared.own_layers}
    fetched = {layer: own.fetch(keys) for layer, own in readers.items()}
    others = {
        layer: sample(
            prepared.archive[layer.product],
            layer.variable,
            prepared.product.grid,
            rows,
            columns,
            prepared.dates,
        )
        for layer in prepared.other_layers
    }
    buffers = {layer: own.empty() for layer, own in readers.items()}
    pixels = Pixels(task.runs, task.edges, task.weights, (height, width))
    if task.query.weights == "area":
        pixels.weigh(np.cos(np.radians(prepared.product.grid.ys(rows.start, rows.stop))))
    partials = []
    for index, chunk in enumerate(time_chunks):
        wanted = np.flatnonzero(chunk_of_date == chunk)
        for layer, own in readers.items():
            own.decode(fetched[layer][0][index], buffers[layer])
        dates = (prepared.stored[wanted] - chunk * times).astype(np.int64)
        layers: dict[Layer, NDArray[Any]] = dict(buffers)
        for layer, (found, which) in others.items():
            layers[layer] = found[which[wanted]] if len(found) > 1 else found
        partials.append(_count(prepared, pixels, layers, dates, wanted))
    return partials, sum(size for _, size in fetched.values())


def _count(
    prepared: Prepared,
    pixels: Pixels,
    layers: dict[Layer, NDArray[Any]],
    dates: NDArray[np.int64],
    positions: NDArray[np.intp],
) -> Partial:
    """Count one chunk of time; a layer is a whole chunk, or has the dates asked (`Prepared.is_chunk`)."""
    classes = None
    if prepared.by is not None:
        classes = layers[prepared.by]
        if prepared.is_chunk(prepared.by):
            classes = classes[dates]
    groups, label, entry_group = pixels.labels(classes)
    dn = layers[prepared.reader.layer]
    if prepared.codes is not None:
        layer, masked = _mask_layer(prepared, layers, dn, dates)
        codes = prepared.codes[0]
        whole = np.zeros((len(dates), len(groups) + 1, BINS), np.int64)
        parts = np.zeros_like(whole)
        count_codes(dn, dates, codes, layer, masked, label, pixels.window, whole)
        count_entries(
            dn, dates, codes, layer, masked, pixels.entries, entry_group, pixels.weights, whole, parts
        )
        return Partial(groups, positions.astype(np.int64), whole[:, 1:], parts[:, 1:])
    # more than 8 bits: every pixel is an entry
    row, column = np.nonzero(pixels.zone >= 0)
    all_pixels = np.vstack([np.column_stack([row, column]), pixels.entries])
    group = np.hstack([label[:, row, column].astype(np.int64), entry_group]) - 1
    weight = np.concatenate([np.full(len(row), ONE), pixels.weights])
    taken = dn[dates[:, None], all_pixels[:, 0], all_pixels[:, 1]]
    passes = _passes(prepared, layers, dates, dn.shape[1:])
    masked_pixels = np.broadcast_to(~passes[:, all_pixels[:, 0], all_pixels[:, 1]], taken.shape)
    values, whole, parts = count_values(
        taken, prepared.variable.is_valid(taken), masked_pixels, group, weight, len(groups)
    )
    return Partial(groups, positions.astype(np.int64), whole, parts, values)


def _mask_layer(
    prepared: Prepared, layers: dict[Layer, NDArray[Any]], dn: NDArray[Any], dates: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return an 8-bit layer like a chunk and which of its DNs are masked (255)."""
    if prepared.mask is None:
        return dn, np.zeros(BINS, np.uint8)
    table = prepared.mask_table
    if table is not None and prepared.is_chunk(table[0]):
        return layers[table[0]], np.where(table[1], 0, 255).astype(np.uint8)
    layer = np.zeros(dn.shape, np.uint8)
    layer[dates] = _passes(prepared, layers, dates, dn.shape[1:])
    return layer, np.array([255] + [0] * (BINS - 1), np.uint8)


def _passes(
    prepared: Prepared, layers: dict[Layer, NDArray[Any]], dates: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Where the mask is true, for the dates asked (or one for all of them)."""
    if prepared.mask is None:
        return np.ones((1, *shape), bool)
    needed = {
        layer: layers[layer][dates] if prepared.is_chunk(layer) else layers[layer]
        for layer in prepared.mask.layers
    }
    return prepared.mask.evaluate(needed)
