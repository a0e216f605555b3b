"""Real processes that write to one archive at once."""

import subprocess
import sys

import pytest

import probav
from probav import storage

WRITE = """
import sys
import probav
from probav import storage
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

def work(root):  # what all of them change, and what only this one changes
    root.attrs["count"] = root.attrs.get("count", 0) + 1
    root.require_group(name).attrs["count"] = root.attrs["count"]

for number in range(count):
    snapshot = storage.commit(url, f"{name} {number}", {}, work, create=True)[1]
    probav.open_archive(url, snapshot=snapshot).tag(f"{name}.{number}")
"""


def write_at_once(url, processes, count):
    names = [f"writer{number}" for number in range(processes)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, url, name, str(count)], stderr=subprocess.PIPE, text=True
        )
        for name in names
    ]
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    archive = probav.open_archive(url)
    made = {f"{name} {number}" for name in names for number in range(count)}
    assert made <= set(archive.history["message"])
    assert len(archive.history) == 2 + len(made)  # Icechunk's own first, ours, theirs
    assert set(archive.tags["tag"]) == {message.replace(" ", ".") for message in made}
    assert archive.store.root.attrs["count"] == len(made)
    assert len(set(archive.tags["snapshot"])) == len(made)


@pytest.mark.parametrize("each", [12, pytest.param(50, marks=pytest.mark.load)])
def test_eight_processes_lose_no_commit_and_no_tag_on_a_disk(tmp_path, each):
    write_at_once(str(tmp_path / "archive"), 8, each)


@pytest.mark.e2e
def test_four_processes_lose_no_commit_and_no_tag_in_an_object_store(s3):
    write_at_once(s3, 4, 8)


CREATE = "import sys; from probav import storage; print(storage.create(sys.argv[1], missing_only=True))"


@pytest.mark.parametrize("where", ["disk", pytest.param("store", marks=pytest.mark.e2e)])
def test_of_processes_that_create_one_archive_one_does(where, tmp_path, request):
    url = str(tmp_path / "archive") if where == "disk" else request.getfixturevalue("s3")
    running = [
        subprocess.Popen([sys.executable, "-c", CREATE, url], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = sorted(process.communicate(timeout=120)[0].strip() for process in running)
    assert said == ["False", "False", "False", "True"]
    assert len(storage.ancestry(storage.Store(url))) == 2
