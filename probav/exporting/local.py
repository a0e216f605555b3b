"""Files written by threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import xarray as xr

from probav.exporting.pieces import Piece, write

_POLL = 0.25  # seconds between two words of progress


class _Stopped(Exception):
    """Nobody waits for a file any more."""


def write_all(
    module: Any,
    parts: Mapping[str, xr.Dataset],
    pieces: list[Piece],
    folder: Path,
    threads: int,
    tick: Callable[[int], None],
) -> None:
    """Write pieces into a folder.

    Parameters
    ----------
    module : module
        Of the format.
    parts : dict of Dataset
        By the pieces' `part`.
    pieces : list of Piece
    folder : path
    threads : int
        At most; a single one is the caller's own.
    tick : callable
        Told, in the caller's thread, how many steps are done.
    """
    threads = min(threads, len(pieces))
    lock, stopped, done = threading.Lock(), threading.Event(), 0

    def step() -> None:
        nonlocal done
        with lock:
            done += 1
        if stopped.is_set():
            raise _Stopped
        if threads <= 1:
            tick(done)

    if threads <= 1:
        for piece in pieces:
            write(module, parts[piece.part], piece, folder, step)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="probav-export") as pool:
        running = {pool.submit(write, module, parts[piece.part], piece, folder, step) for piece in pieces}
        try:
            while running:
                finished, running = wait(running, _POLL, FIRST_COMPLETED)
                for future in finished:
                    future.result()
                tick(done)
        except BaseException:  # what is under way ends at its next block
            stopped.set()
            for future in running:
                future.cancel()
            raise
