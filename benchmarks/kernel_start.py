"""Start time and memory of kernels: a bare one, ours, after the first %probav, and with Spark.

python benchmarks/kernel_start.py [--times 3]

Memory is what the kernel and its children take for themselves (PSS: shared pages divided by their users).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil
from jupyter_client import BlockingKernelClient, KernelManager

from probav.demo import create_demo

STEPS = {  # after a kernel's start: cells, one after the other
    "first `%probav`": "%probav",
    "Spark started": "spark.session()",
    "first task in Python": "spark.sparkContext.parallelize(range(2), 2).map(abs).sum()",
}


def memory(pid: int) -> float:
    """MiB of a process and all it started."""
    total = 0
    process = psutil.Process(pid)
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def run(client: BlockingKernelClient, code: str) -> None:
    reply = client.execute_interactive(code, timeout=300, output_hook=lambda message: None)
    if reply["content"]["status"] != "ok":
        raise SystemExit(f"{code!r} failed: {reply['content']['evalue']}")


def measure(name: str, steps: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Seconds and MiB of a kernel's start and of each step."""
    found = {}
    manager = KernelManager(kernel_name=name)
    begun = time.perf_counter()
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        run(client, "1")
        pid = manager.provisioner.pid
        found[name] = (time.perf_counter() - begun, memory(pid))
        for step, code in steps.items():
            begun = time.perf_counter()
            run(client, code)
            found[step] = (time.perf_counter() - begun, memory(pid))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "archive")
        create_demo(archive, progress=False, years=(2016,), size_degrees=0.25)
        os.environ |= {"PROBAV_ARCHIVE": str(archive), "IPYTHONDIR": str(Path(folder, "ipython"))}
        rounds = [measure("python3", {}) | measure("probav-python", STEPS) for _ in range(times)]
    print(f"Median of {times}; {len(os.sched_getaffinity(0))} cores.\n")
    print("| | seconds | of a bare kernel's | MiB (PSS) | of a bare kernel's |")
    print("|---|---:|---:|---:|---:|")
    bare: tuple[float, float] | None = None
    for name in rounds[0]:
        seconds, size = (statistics.median(found[name][column] for found in rounds) for column in (0, 1))
        bare = bare or (seconds, size)
        title = {"python3": "bare kernel (ipykernel)", "probav-python": "PROBA-V (Python)"}.get(name, name)
        print(f"| {title} | {seconds:.2f} | {seconds / bare[0]:.1f} | {size:.0f} | {size / bare[1]:.1f} |")


if __name__ == "__main__":
    main()
