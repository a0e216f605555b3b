"""The demo archive: synthetic source products, taken in by the code that takes real ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import filelock
from tqdm import tqdm

from probav.demo.sources import VERSION, write_sources
from probav.errors import ArchiveError


def create_demo(
    path: Path,
    progress: bool = True,
    *,
    years: tuple[int, ...] = (2015, 2016, 2017),
    size_degrees: float = 2.0,
) -> None:
    """Make the demo archive at `path`, its truth beside it at `path`-truth; do nothing where it is there.

    It is built beside `path` and moved there at the end, so what is at `path` is always whole: an interrupted
    call starts over, a second one at the same time waits for the first.

    Parameters
    ----------
    path : Path
    progress : bool
        Show progress bars on standard error.
    years, size_degrees
        As in `write_sources`.

    Raises
    ------
    ArchiveError
        If something else is at `path`, or the folder can't be written.
    """
    from probav.ingestion import ingest

    truth = path.with_name(f"{path.name}-truth")
    if _is_there(path, truth):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f".{path.name}.lock")):
            if _is_there(path, truth):
                return
            building = path.with_name(f".{path.name}.building")
            shutil.rmtree(building, ignore_errors=True)
            try:
                sources = building / "sources"
                with _Bar("Writing demo sources", "dekad", progress) as bar:
                    write_sources(sources, years=years, size_degrees=size_degrees, progress=bar)
                with _Bar("Taking them in", "file", progress) as bar:
                    report = ingest(
                        building / "archive", sources, progress=lambda done, total, _: bar(done, total)
                    )
                if report.rejected:
                    first = report.rejected[0]
                    raise ArchiveError(
                        f"The demo archive could not be made: {len(report.rejected)} of its sources were "
                        f"rejected, {first.path.name} because {first.reason}"
                    )
                shutil.rmtree(truth, ignore_errors=True)
                (sources / "truth").rename(truth)
                if path.is_dir():  # an empty folder
                    path.rmdir()
                (building / "archive").rename(path)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"The demo archive can't be written to {path}: {error}") from error


def _is_there(path: Path, truth: Path) -> bool:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return False
    try:
        found = json.loads((truth / "truth.json").read_text())["version"]
    except (OSError, ValueError, KeyError):
        found = None
    if found == VERSION:
        return True
    what = "something that is no demo archive" if found is None else f"a demo archive of version {found}"
    raise ArchiveError(
        f"At {path} there is {what}; expected nothing, or a demo archive of version {VERSION}. "
        "Remove it, or choose another path"
    )


class _Bar:
    """A progress bar that is called with done and total."""

    def __init__(self, title: str, unit: str, shown: bool) -> None:
        self._bar = tqdm(desc=title, unit=unit, disable=not shown)

    def __call__(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
