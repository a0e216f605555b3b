import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import probav
from probav import storage
from probav.errors import ArchiveError

HOLD = """
import sys, time
from probav import storage
with storage.writing(sys.argv[1], "held", {}):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def url(tmp_path):
    storage.create(str(tmp_path / "archive"))
    return str(tmp_path / "archive")


@pytest.fixture
def holder(url):
    """Give another process, which holds the archive's lock."""
    running = subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "held\n"
    yield running
    running.kill()
    running.communicate()


def test_who_waits_says_for_whom_and_for_how_long_at_most(url, holder, monkeypatch, caplog):
    monkeypatch.setattr("probav.storage.lock.LOCK_SECONDS", 0.4)
    monkeypatch.setattr("probav.storage.lock.FIRST_WORD_SECONDS", 0.1)
    archive = probav.open_archive(url)  # readers don't wait
    whom = rf"process {holder.pid} of \S+ on \S+ \(-c {url}\), since \d+ s"
    with (
        caplog.at_level(logging.WARNING, "probav"),
        pytest.raises(ArchiveError, match=rf"to {url}: after 0\.4 s {whom} is still writing to it"),
    ):
        archive.tag("mine")
    assert f"Waiting for process {holder.pid} of " in caplog.messages[0]
    assert len(archive.tags) == 0


def test_a_dead_holder_blocks_nobody(url, holder, monkeypatch):
    monkeypatch.setattr("probav.storage.lock.LOCK_SECONDS", 30)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    probav.open_archive(url).tag("mine")
    about = json.loads(Path(f"{url}.lock").read_text())
    assert about["pid"] == os.getpid()
    assert time.time() - about["since"] < 60


def test_links_to_an_archive_lead_to_one_lock(url, holder, tmp_path, monkeypatch):
    monkeypatch.setattr("probav.storage.lock.LOCK_SECONDS", 0.1)
    (tmp_path / "elsewhere").symlink_to(url)
    with pytest.raises(ArchiveError, match="is still writing to it"):
        probav.open_archive(tmp_path / "elsewhere").tag("mine")


def test_a_lock_file_of_something_else_is_another_process(url, monkeypatch):
    monkeypatch.setattr("probav.storage.lock.LOCK_SECONDS", 0.1)
    with storage.writing(url, "held", {}):
        Path(f"{url}.lock").write_bytes(b"\xff" * 10)
        with pytest.raises(ArchiveError, match=r"after 0\.1 s another process is still"):
            probav.open_archive(url).tag("mine")
