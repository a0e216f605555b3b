"""Masked statistics beside peers, everything in one run.

    python -m benchmarks.masked_statistics.run [--data FOLDER] [--size 3360] [--dates 36] [--long 720]

Writes the raw results as JSON beside the data; with --docs also the tables of performance.md there, and its
figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from benchmarks.masked_statistics import report
from benchmarks.masked_statistics.agreement import compare
from benchmarks.masked_statistics.figure import draw
from benchmarks.masked_statistics.measure import run_apart
from benchmarks.masked_statistics.peers import contenders
from benchmarks.masked_statistics.peers.source import Peer
from benchmarks.masked_statistics.prepare import prepare
from benchmarks.masked_statistics.queries import Bench

POLYGONS = ("b", "a10", "d", "a")
POINTS = ("c", "c20")
_OTHERS = {"b": 3, "d": 2}  # calls with other areas; of the short queries 12
_PATIENCE = 75.0  # seconds, after which what is known of a peer must do
_VERSIONS = (
    "numpy", "numba", "zarr", "icechunk", "rasterio", "exactextract", "rasterstats", "xvec", "xarray", "flox",
    "regionmask", "xarray-spatial",
)  # fmt: skip


class Run:
    """One run over some data; results gather in `raw`."""

    def __init__(self, bench: Bench, out: Path, only: str | None) -> None:
        self.out, self.only, self.start = out, only, time.perf_counter()
        self.results = bench.folder / f"results-{bench.size}-{bench.dates}-{bench.long}.json"
        self.task = {"bench": {**vars(bench), "folder": str(bench.folder)}}
        self.raw: dict[str, Any] = {
            "made": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "load": os.getloadavg()[0],
            "machine": platform.machine(),
            "python": platform.python_version(), "versions": {name: version(name) for name in _VERSIONS},
            "bench": self.task["bench"] | {"folder": ""}, "titles": {}, "ours": {}, "peers": {},
        }  # fmt: skip

    def child(self, timeout: float = 600, **task: Any) -> dict[str, Any]:
        """Run one task in a process of its own."""
        start = time.perf_counter()
        found = run_apart({**self.task, **task}, timeout)
        words = " ".join(str(value) for key, value in task.items() if key not in ("out", "module"))
        print(f"{words}: {time.perf_counter() - start:.0f} s", flush=True)
        return found

    def ours(self, query: str) -> None:
        """Time the engine with fractions and with centres, and on plain files."""
        found = self.raw["ours"][query] = {}
        for coverage in ("fraction", "centre"):
            found[coverage] = self.child(
                task="ours", query=query, coverage=coverage, others=_OTHERS.get(query, 12),
                out=str(self.out / f"{query}-{coverage}.npy"),
            )  # fmt: skip
        if query in ("a", "b", "c"):
            found["plain"] = self.child(
                task="ours", query=query, coverage="fraction", others=_OTHERS.get(query, 12), plain=True,
                out=str(self.out / "plain.npy"),
            )  # fmt: skip
            same = np.array_equal(
                *(np.load(self.out / f) for f in ("plain.npy", f"{query}-fraction.npy")), True
            )
            found["plain"]["agrees"] = bool(same)

    def peer(self, query: str, module: str, peer: Peer) -> None:
        """Time a peer, and compare its numbers with the engine's by the same rule."""
        if self.only and self.only not in peer.name:
            return
        out = self.out / "peer.npy"
        found: dict[str, Any]
        try:
            found = self.child(
                _PATIENCE, task="peer", query=query, peer=peer.name, module=module, out=str(out)
            )
        except subprocess.TimeoutExpired:
            print(f"{query} {peer.name}: given up after {_PATIENCE:.0f} s", flush=True)
            found = {"given_up": _PATIENCE}
        except RuntimeError as error:
            print(error, flush=True)
            found = {"failed": str(error).strip().splitlines()[-1][:200]}
        else:
            found |= compare(peer, np.load(out), np.load(self.out / f"{query}-{peer.rule}.npy"))
            if not found["agrees"]:
                print(f"{query} {peer.name} DIFFERS: {found}", flush=True)
        keep = {"store": peer.store, "rule": peer.rule, "by_hand": peer.by_hand}
        self.raw["peers"].setdefault(query, {})[peer.name] = {**keep, **found}

    def all(self) -> None:
        """Measure everything."""
        self.child(task="compiled", query="a")
        self.raw["limit"] = {
            "archive": self.child(task="limit", query="b", plain=False),
            "plain": self.child(task="limit", query="b", plain=True),
            "second": self.child(task="limit", query="d", plain=False, second=True),
        }
        for query in (*POLYGONS, *POINTS):
            self.ours(query)
        self.raw["second"] = self.child(task="second", query="d")
        self.raw["growth"] = self.child(task="growth", query="a")
        self.raw["memory"] = {
            "b": self.child(task="memory", query="b", dates=None),
            "strip": self.child(task="memory", query="strip", dates=min(36, self.task["bench"]["long"])),
            "strip, all dates": self.child(task="memory", query="strip", dates=None),
        }
        found = contenders()
        for query in (*POLYGONS, *POINTS):
            for module, peer in found:
                if peer.points == (query in POINTS):
                    self.peer(query, module, peer)
                    self.keep()

    def keep(self) -> None:
        """Write what there is, so that a run that is stopped is not lost."""
        self.raw["seconds"] = time.perf_counter() - self.start
        self.results.write_text(json.dumps(self.raw, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cache = platformdirs.user_cache_path("probav") / "benchmark"
    parser.add_argument(
        "--data", type=Path, default=cache, help="folder of the data, made where they are missing"
    )
    parser.add_argument("--size", type=int, default=3360, help="pixels of the tile's side")
    parser.add_argument("--dates", type=int, default=36)
    parser.add_argument("--long", type=int, default=720, help="dates of the long archives")
    parser.add_argument("--only", help="peers whose names have this in them")
    parser.add_argument("--docs", type=Path, help="documentation folder whose tables and figure are renewed")
    parser.add_argument("--from-json", type=Path, help="renew the documentation from an earlier run")
    given = parser.parse_args()
    bench = Bench(given.data, given.size, given.dates, given.long)
    if given.from_json:
        raw = json.loads(given.from_json.read_text())
    else:
        start = time.perf_counter()
        prepare(bench)
        print(f"data: {time.perf_counter() - start:.0f} s", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            run = Run(bench, Path(folder), given.only)
            run.raw["titles"] = {name: query.title for name, query in bench.queries().items()}
            run.raw["sizes"] = sizes(bench)
            run.all()
        raw = run.raw
        print(f"raw results in {run.results}; {raw['seconds']:.0f} s in all")
    text = report.section(raw)
    print(text)
    if given.docs:
        report.replace(given.docs / "performance.md", text)
        draw(raw, given.docs / "performance-statistics.png")


def sizes(bench: Bench) -> dict[str, int]:
    """Return the bytes of the tile, as pixels and in each store."""
    folder = bench.tile.folder
    found = {
        name: sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file())
        for name in ("geotiff", "archive", "cube.zarr")
    }
    return {"raw": 2 * bench.size**2 * bench.dates, **found}


if __name__ == "__main__":
    main()
