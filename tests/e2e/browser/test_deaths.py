"""A kernel that the system ends for want of memory: the user is told so, with what was used before."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from probav import memory

pytestmark = pytest.mark.e2e

LIMIT = 400 << 20
GREEDY = """import pathlib, os
pathlib.Path(FOLDER, "cgroup.procs").write_text(str(os.getpid()))
kept = [bytearray(os.urandom(1 << 20)) for _ in range(4000)]"""


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group for a greedy kernel."""
    root = Path("/sys/fs/cgroup")
    first = (root / "memory").is_dir()
    folder = root / ("memory" if first else "") / f"probav-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(LIMIT))
        if not first:
            (folder / "memory.swap.max").write_text("0")
    except OSError as error:
        pytest.skip(f"NO CONTROL GROUP of one's own on this machine: {error}")
    yield folder
    for _ in range(100):
        try:
            folder.rmdir()
            break
        except OSError:  # the kernel is still ending
            time.sleep(0.1)


@pytest.mark.skipif(memory.ended() is None, reason="this system does not count what it ends")
def test_the_death_of_a_greedy_kernel_is_explained(hub, lab, small_group):
    lab.log_in(hub)
    lab.open_notebook(hub, "quickstart.ipynb")
    looked = "() => document.querySelector('#probav-archive [role=meter]')?.getAttribute('aria-valuetext')"
    lab.page.wait_for_function(looked, timeout=60_000)
    ended = memory.ended()
    lab.start(GREEDY.replace("FOLDER", repr(str(small_group))))
    told = lab.page.get_by_text("Out of memory")
    expect(told.first).to_be_visible(timeout=90_000)
    assert memory.ended() > ended
    expect(told.first).to_contain_text("quickstart.ipynb's kernel ended.")
    expect(told.first).to_contain_text(
        re.compile(r"[MG]B of .* before\. Take a smaller area or fewer dates\.$")
    )
    lab.page.get_by_role("button", name="Ok", exact=True).click()
    lab.keep_picture("kernel-died")


def test_a_kernel_that_dies_otherwise_is_not_explained_by_memory(hub, lab):
    lab.log_in(hub)
    lab.open_notebook(hub, "quickstart.ipynb")
    lab.start("import os; os._exit(1)")
    expect(lab.page.get_by_text("appears to have died")).to_be_visible(timeout=60_000)
    expect(lab.page.get_by_text("Out of memory")).to_have_count(0)
