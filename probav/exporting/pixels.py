"""Pixels become files: by which engine, and how far that is."""

from __future__ import annotations

import warnings
from pathlib import Path
from stat import S_IMODE
from time import perf_counter
from typing import Any

import xarray as xr

from probav.accumulate import memory_budget
from probav.archive import Progress
from probav.errors import QueryError
from probav.execution import at_once, choose
from probav.execution.local import threads
from probav.execution.spark import running_cores
from probav.execution.telling import tell
from probav.exporting import local, on_spark, pieces
from probav.exporting.pieces import Piece

_WRITER_BYTES = 256 * 2**20  # of one thread: pixels read, GDAL's blocks


class Export:
    """The files of one export.

    Parameters
    ----------
    module : module
        Of the format.
    parts : dict of Dataset
        By the file each would be if it weren't cut by date.
    by_date : bool
    progress : callable or None
        Called with steps done, steps in all, and 0.

    Attributes
    ----------
    names : list of str
        Of the files.

    Raises
    ------
    ExportError
        If there are no dates to cut at.
    """

    def __init__(
        self, module: Any, parts: dict[Path, xr.Dataset], by_date: bool, progress: Progress | None
    ) -> None:
        self._module, self._files, self._by_date, self._progress = module, parts, by_date, progress
        self._parts = {file.name: part for file, part in parts.items()}
        self.names = [name for piece in pieces.cut(parts, by_date, 1) for name in piece.names]
        self._total = sum(pieces.steps(part, by_date) for part in parts.values())
        self._done = 0
        # arrays of others may need what their own thread has opened
        self._free = on_spark.travels(self._parts)

    def write(self, folder: Path, engine: str) -> None:
        """Write all files into a folder.

        Raises
        ------
        QueryError
            If Spark is to write what can't be sent out as what to read.
        EngineError
            If Spark can't start or the job fails.
        """
        if engine == "spark" and not self._free:
            raise QueryError(
                "engine='spark' sends out what to read, but this dataset holds pixels, dask chunks or other "
                "sources: export what load() of an archive returned, as it is, or use engine='local'."
            )
        if len(self.names) == 1:
            if engine == "spark":
                warnings.warn(
                    f"engine='spark': {self.names[0]} is one file, which one process writes, so this one "
                    "does. by_date=True (--by-date) gives each date a file, which executors write.",
                    stacklevel=3,
                )
            engine = "local"
        elif engine == "auto" and not self._free:
            engine = "local"
        writers = at_once("spark") if engine == "spark" else threads()
        todo = pieces.cut(self._files, self._by_date, max(writers, running_cores() * (engine == "auto")))
        engine = choose(engine, lambda: self._tried(todo, folder))
        tell(engine)
        before = self._done
        if engine == "spark":
            left = self._total - before
            folder.chmod(S_IMODE(folder.parent.stat().st_mode))  # executors may be another user
            on_spark.write_all(
                self._module, self._parts, todo, folder, lambda share: self._tick(before + int(share * left))
            )
        else:
            self._locally(todo, folder, max(1, memory_budget() // _WRITER_BYTES) if self._free else 1)
        self._tick(self._total)

    def _locally(self, todo: list[Piece], folder: Path, most: int) -> None:
        before = self._done
        local.write_all(
            self._module, self._parts, todo, folder, min(threads(), most),
            lambda done: self._tick(before + done),
        )  # fmt: skip

    def _tried(self, todo: list[Piece], folder: Path) -> float:
        """Write the first of some pieces; return how many seconds the others will take threads."""
        start = perf_counter()
        self._locally([todo.pop(0)], folder, 1)
        return (perf_counter() - start) * len(todo) / threads()

    def _tick(self, done: int) -> None:
        if self._progress is not None and done > self._done:
            self._progress(done, self._total, 0)
        self._done = done
