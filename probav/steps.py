"""The progress of several runs of the engine, as one."""

from __future__ import annotations

from probav.archive import Progress


class Steps:
    """Joins the progress of runs that come one after the other.

    Parameters
    ----------
    progress : callable or None
        Called with tasks done, tasks in all and bytes read, of all runs together.
    runs : int
        How many runs of as many tasks each there are; or else
    total : int, optional
        how many tasks there are in all.
    """

    def __init__(self, progress: Progress | None, runs: int = 1, total: int | None = None) -> None:
        self._progress, self._runs, self._total = progress, runs, total
        self._done, self._read = 0, 0
        self._last = 0, 0

    def of_run(self) -> Progress:
        """Return what the next run calls."""
        self._done, self._read = self._done + self._last[0], self._read + self._last[1]
        self._last = 0, 0

        def step(done: int, total: int, read: int) -> None:
            self._last = done, read
            if self._progress is not None:
                everything = self._runs * total if self._total is None else self._total
                self._progress(self._done + done, everything, self._read + read)

        return step
