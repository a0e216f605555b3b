"""A driver of its own: `python child.py JOB.json` asks an archive and keeps the answers' bytes.

JOB.json holds archive, folder, engine and queries (names), and optionally `hold`: a file for whose
appearance the session waits, idle, before it ends. In the folder are then NAME.npz, or NAME.error with an
error that probav raised on purpose, and `status.json`, which tells all the while what Spark is doing.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import shapely
from queries import LONG, QUERIES

import probav
from probav.errors import ProbavError


def arrays(result) -> dict[str, np.ndarray]:
    """Return all that a result is made of, as arrays that compare to the last bit."""
    found = {"attributes": np.array(json.dumps(result.attrs, default=str, sort_keys=True))}
    for name, variable in result.variables.items():
        values = variable.to_numpy()
        if values.dtype == object and str(name) == "geometry":
            values = shapely.to_wkb(values, hex=True)
        found[str(name)] = values.astype(str) if values.dtype == object else values
    return found


class Status:
    """Tells in status.json how far the query is and what Spark does, whenever that changes."""

    def __init__(self, folder: Path) -> None:
        self._file, self._lock = folder / "status.json", threading.Lock()
        self._now = {"driver": os.getpid(), "active": 0, "done": 0, "total": 0, "application": None}

    def tell(self, **news) -> None:
        with self._lock:
            if self._now.items() >= news.items():
                return
            self._now |= news
            beside = self._file.with_suffix(".new")
            beside.write_text(json.dumps(self._now))
            beside.rename(self._file)

    def watch(self, context, stop: threading.Event) -> None:
        tracker = context.statusTracker()
        while not stop.wait(0.05):
            stages = [
                found for stage in tracker.getActiveStageIds() if (found := tracker.getStageInfo(stage))
            ]
            if stages:
                main = max(stages, key=lambda stage: stage.numTasks)
                self.tell(active=main.numActiveTasks, done=main.numCompletedTasks, total=main.numTasks)
            self.tell(application=context.applicationId)


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    folder, engine, stop = Path(job["folder"]), job["engine"], threading.Event()
    watcher, status = None, Status(folder)
    if engine == "spark":
        from probav_kernels.environment import configure

        configure()
        from probav.execution.spark import session

        spark = session()
        if not os.environ.get("SPARK_REMOTE"):
            watcher = threading.Thread(target=status.watch, args=(spark.sparkContext, stop))
            watcher.start()
    try:
        archive = probav.open_archive(job["archive"])
        for name in job["queries"]:
            product, call = {**QUERIES, **LONG}[name]
            began = time.monotonic()
            try:
                result = archive[product].statistics(**call(), engine=engine)
            except ProbavError as error:
                (folder / f"{name}.error").write_text(f"{type(error).__name__}: {error}")
                continue
            np.savez(folder / f"{name}.npz", **arrays(result))
            print(f"{name}: {time.monotonic() - began:.2f} s", flush=True)
        (folder / "answered").touch()
        while "hold" in job and not Path(job["hold"]).exists():
            time.sleep(0.1)
    finally:
        stop.set()
        if watcher:
            watcher.join()
    if engine == "spark":
        spark.stop()


if __name__ == "__main__":
    main()
