"""The magics in a real kernel: what Tab sends, what progress leaves, and how fast an interrupt stops."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from jupyter_client import BlockingKernelClient, KernelManager
from nbclient import NotebookClient

PRODUCT = "PROBAV_L3_S10_TOC_333M"
ZONES = f"""
import geopandas, numpy, probav, shapely
product = probav.open_archive()["{PRODUCT}"]
west, south, east, north = product.extent.bounds
random = numpy.random.default_rng(0)
def zones(count):
    centres = shapely.points(random.uniform(west, east, count), random.uniform(south, north, count))
    return probav.aoi(geopandas.GeoDataFrame(geometry=shapely.buffer(centres, 0.05), crs=4326))
few, many, most = zones(50), zones(1000), zones(3000)
"""
ACTIVE = "print(len(spark.sparkContext.statusTracker().getActiveJobsIds()))"
STATS = f"%probav stats {PRODUCT} --mask clear --no-plot"


class Kernel:
    """A running kernel, and what it says while a cell runs."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client

    def run(self, code: str, timeout: float = 120) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        self.client.execute_interactive(code, timeout=timeout, output_hook=messages.append)
        return messages

    def text(self, code: str) -> str:
        return "".join(found["content"]["text"] for found in self.run(code) if found["msg_type"] == "stream")

    def interrupted(
        self, code: str, when: Callable[[dict[str, Any]], bool]
    ) -> tuple[float, list[dict[str, Any]]]:
        """Run a cell, interrupt it at a message, and return the seconds to its answer, and all messages."""
        messages, sent = [], []

        def hook(message: dict[str, Any]) -> None:
            messages.append(message)
            if not sent and when(message):
                sent.append(time.monotonic())
                self.manager.interrupt_kernel()

        self.client.execute_interactive(code, timeout=180, output_hook=hook)
        assert sent, f"it ended before it could be interrupted: {messages}"
        return time.monotonic() - sent[0], messages


@pytest.fixture(scope="module")
def kernel(demo_archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("PROBAV_ARCHIVE", str(demo_archive))
        patch.setenv("PROBAV_MEMORY", "40000000")  # many tasks, one after the other
        manager = KernelManager(kernel_name="probav-python", transport_encryption="auto")
        manager.start_kernel(cwd=str(folder))
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=120)
            kernel = Kernel(manager, client)
            kernel.run(ZONES)
            yield kernel
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def lines(messages: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return what was displayed of progress: kind of message, display, text."""
    return [
        (
            message["msg_type"],
            message["content"]["transient"]["display_id"],
            message["content"]["data"]["text/plain"],
        )
        for message in messages
        if "tasks" in message["content"].get("data", {}).get("text/plain", "")
        and "display_id" in message["content"].get("transient", {})
    ]


def error(messages: list[dict[str, Any]]) -> str:
    return "".join(
        message["content"]["text"] for message in messages if message["content"].get("name") == "stderr"
    )


def completed(kernel: Kernel, code: str) -> set[str]:
    found = kernel.client.complete(code, len(code), reply=True, timeout=60)["content"]
    return {code[: found["cursor_start"]] + match + code[found["cursor_end"] :] for match in found["matches"]}


def test_tab_in_a_notebook(kernel):
    assert completed(kernel, "%probav sta") == {"%probav stats", "%probav status"}
    line = f"{STATS} --aoi fe"
    assert f"{STATS} --aoi few" in completed(kernel, line)
    assert completed(kernel, f'%probav stats {PRODUCT} --mask "clear & sh') == {
        f'%probav stats {PRODUCT} --mask "clear & shadow'
    }
    cell = f"%%probav stats\nproduct: {PRODUCT}\ntime: 2016-03/2016-1"
    assert f"{cell}2" in completed(kernel, cell)


def test_progress_is_one_output_replaced_in_place(kernel):
    shown = lines(kernel.run(f"{STATS} --aoi many -o ts"))
    assert shown
    assert [kind for kind, _, _ in shown] == ["display_data"] + ["update_display_data"] * (len(shown) - 1)
    assert len({display for _, display, _ in shown}) == 1
    assert "100%" in shown[-1][2]
    assert re.search(r"tasks \(.+\), .+B read \(.+B/s\), in .+ s, engine local$", shown[-1][2])


def test_an_interrupt_stops_a_local_query_within_two_seconds_and_leaves_results_intact(kernel):
    kernel.run(f"{STATS} --aoi few -o ts --quiet\nfirst = ts.copy(deep=True)")
    seconds, messages = kernel.interrupted(
        f"{STATS} --aoi many -o ts", lambda message: bool(lines([message]))
    )
    assert seconds < 2
    assert error(messages).endswith("UsageError: Interrupted.\n")
    assert "Traceback" not in error(messages)
    assert "stopped after" in lines(messages)[-1][2]
    assert kernel.text("print(ts.identical(first))") == "True\n"
    kernel.run(f"{STATS} --aoi few -o again --quiet")
    assert (
        kernel.text("print(again.drop_vars('geometry').identical(first.drop_vars('geometry')))") == "True\n"
    )


def test_a_saved_notebook_holds_the_last_line_only(demo_archive, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PROBAV_ARCHIVE", str(demo_archive))
    monkeypatch.setenv("PROBAV_MEMORY", "40000000")
    cells = [
        nbformat.v4.new_code_cell(ZONES),
        nbformat.v4.new_code_cell(f"{STATS} --aoi many -o ts"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        notebook, timeout=180, kernel_name="probav-python", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    texts = [output.get("data", {}).get("text/plain", "") for output in notebook.cells[1].outputs]
    assert [text[20:26].strip() for text in texts if "tasks" in text] == ["100%"]


@pytest.mark.spark
def test_spark_progress_and_interrupt_before_and_after_a_restart(kernel):
    line = f"{STATS} --aoi most --engine spark -o ts"
    for _ in range(2):
        kernel.run(f"{STATS} --aoi few --engine spark -o first --quiet")
        seconds, messages = kernel.interrupted(line, lambda message: bool(lines([message])))
        assert seconds < 2
        assert error(messages).endswith("UsageError: Interrupted.\n")
        assert "engine spark" in lines(messages)[-1][2]
        deadline = time.monotonic() + 30
        while kernel.text(ACTIVE) != "0\n":
            assert time.monotonic() < deadline, "the job goes on"
        shown = lines(kernel.run(line))
        assert "100%" in shown[-1][2]
        assert shown[-1][2].endswith("engine spark")
        kernel.run("%probav spark restart --set spark.sql.shuffle.partitions=8")
    kernel.run(f"{STATS} --aoi few --engine local -o second --quiet")
    same = "first.drop_vars('geometry').identical(second.drop_vars('geometry'))"
    assert kernel.text(f"print({same})") == "True\n"
