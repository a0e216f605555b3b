"""Inside the user image: what is there, what runs, and what is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from waiting import wait_for

HOME = "/home/probav"
INSTALLED = (
    "import json, importlib.metadata as found; "
    "print(json.dumps({each.metadata['Name']: each.version for each in found.distributions()}))"
)


@pytest.fixture(scope="module", params=["user", "user-desktop"])
def user(request, start, image, archive_to_read):
    """A container of the image with a home (a volume) and the archive."""
    image(request.param)
    return start(
        request.param,
        volumes={str(archive_to_read): {"bind": "/archive", "mode": "ro"}},
        environment={"PROBAV_ARCHIVE": "/archive"},
    )


def test_versions_are_the_locks(user, locked, image):
    name = user.container.image.tags[0].rpartition("probav-")[2].partition(":")[0]
    known = locked(name)
    installed = json.loads(user.python(INSTALLED))
    own = {each for each in installed if each.startswith("probav")}
    assert own == {"probav", "probav-magics", "probav-extensions", "probav-kernels"}
    wrong = {
        each: version
        for each, version in installed.items()
        if each not in own and version not in known.get(re.sub(r"[-_.]+", "-", each).lower(), ())
    }
    assert not wrong
    assert len(installed) > 100


def test_the_server_is_nobodys_root_and_can_become_none(user):
    assert user.run("id", "-u").strip() == "1000"
    status = user.run("cat", "/proc/self/status")
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert (
        not user.run("find", "/", "-xdev", "-perm", "/6000", "-type", "f", fails=True)
        .replace("find: ", "")
        .strip()
        .startswith("/")
    )


def test_nothing_of_the_image_can_be_written(start, image):
    """Not even where its file system is not mounted to be read only."""
    plain = start("user", read_only=False)
    found = plain.run(
        "find", "/", "-xdev", "-writable", "-not", "-type", "l", "-not", "-path", "/proc/*", fails=True
    )
    allowed = ("/home/probav", "/tmp", "/var/tmp", "/run/lock", "/dev", "/sys", "/proc")
    paths = [line for line in found.splitlines() if line.startswith("/")]
    assert [path for path in paths if not path.startswith(allowed)] == []


def test_no_secret_is_in_the_image(user, engine):
    found = user.run("grep", "-rlE", "--include=*", "BEGIN (RSA |EC |OPENSSH )?PRIVATE KEY", "/etc", "/home",
                     "/opt/probav/etc", "/opt/probav/start", fails=True)  # fmt: skip
    assert [line for line in found.splitlines() if line.startswith("/")] == []
    config = engine.api.inspect_image(user.container.image.id)["Config"]
    words = ("TOKEN", "PASSWORD", "SECRET", "KEY", "PROXY", "CERT")
    named = [line for line in config["Env"] if any(word in line.upper() for word in words)]
    assert set(named) <= {"JUPYTER_REMOTE_DESKTOP_PROXY_XSTARTUP=/opt/probav/desktop/xstartup"}
    for path in ("/etc/pip.conf", "/src", "/cache/uv", "/opt/uv"):
        assert "No such file" in user.run("ls", path, fails=True)


def test_certificates_are_debians_alone(user):
    """The build may have trusted another authority; the image does not."""
    used = user.run("grep", "-c", "BEGIN CERTIFICATE", "/etc/ssl/certs/ca-certificates.crt")
    theirs = user.run("sh", "-c", "ls /usr/share/ca-certificates/mozilla/*.crt | wc -l")
    assert int(used) == int(theirs)


def test_labels_say_what_it_is(user, engine):
    labels = engine.api.inspect_image(user.container.image.id)["Config"]["Labels"]
    for name in ("title", "description", "licenses", "version", "revision", "created"):
        assert labels[f"org.opencontainers.image.{name}"] not in ("", "unknown")
    assert labels["org.probav.jupyterhub"] == json.loads(user.python(INSTALLED))["jupyterhub"]


@pytest.mark.parametrize("program", ["gdalinfo", "ogr2ogr", "git", "nano", "vi", "java", "ssh", "curl"])
def test_everyday_programs_are_there(user, program):
    assert user.run("sh", "-c", f"command -v {program}").strip()


KERNELS = """
import json, queue, sys
from jupyter_client.manager import start_new_kernel
from jupyter_client.kernelspec import find_kernel_specs
found = {}
for name in sorted(find_kernel_specs()):
    if not name.startswith("probav"):
        continue
    code = {"python": "print(6 * 7)", "r": "cat(6 * 7)", "scala": "println(6 * 7)"}[name[7:]]
    manager, client = start_new_kernel(kernel_name=name, startup_timeout=120)
    try:
        said = []
        hear = lambda message: said.append(message["content"].get("text", ""))
        client.execute_interactive(code, timeout=240, output_hook=hear)
        found[name] = "".join(said).strip()
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
print(json.dumps(found))
"""


def test_kernels_start_and_answer(user):
    found = json.loads(user.python(KERNELS).splitlines()[-1])
    expected = {"probav-python", "probav-scala"}
    if "desktop" in user.container.image.tags[0]:
        expected.add("probav-r")
    assert set(found) == expected
    assert {said.splitlines()[-1] for said in found.values()} == {"42"}


def test_spark_gives_the_local_engines_numbers(user):
    code = """
import probav_kernels.session, probav, os
from probav_kernels.environment import configure
configure()
from probav_kernels.class_data import options
archive = probav.open_archive()
product = next(each for each in archive if "NDVI" in each.variables)
west, south, east, north = product.footprint().total_bounds
box = (west, south, (west + east) / 2, (south + north) / 2)
numbers = [product.statistics(box, engine=engine).to_dataframe().to_csv() for engine in ("local", "spark")]
assert numbers[0] == numbers[1] and len(numbers[0]) > 100
print("SAME", "SharedArchiveFile=/opt/probav" in options(os.environ))
"""
    assert user.python(code).splitlines()[-1] == "SAME True"


def test_without_a_hub_it_is_a_jupyterlab_that_is_healthy(start, image):
    alone = start("user", ["jupyterhub-singleuser"])
    healthy = ("python", "/opt/probav/start/healthy.py")
    wait_for(
        lambda: alone.container.exec_run(list(healthy))[0] == 0, 90, lambda: alone.container.logs().decode()
    )
    log = alone.container.logs().decode()
    assert "Jupyter Server" in log
    assert "?token=" in log  # nobody gets in without it


def test_the_quickstart_runs_from_the_image(user):
    user.run("python", "/opt/probav/start/start.py", "true")
    assert "quickstart.ipynb" in user.run("ls", HOME)
    code = (
        "import nbformat, nbclient; book = nbformat.read('quickstart.ipynb', 4); "
        "nbclient.NotebookClient(book, timeout=300, kernel_name='probav-python').execute(); "
        "print([cell.outputs for cell in book.cells if 'result' in cell.metadata.get('tags', [])])"
    )
    assert "text" in user.python(code)


def test_it_does_not_grow_unseen(engine, image):
    """A bound, so that a dependency that doubles an image is noticed."""
    limits = {"hub": 700, "executor": 1900, "user": 3000}
    for name, most in limits.items():
        assert engine.api.inspect_image(image(name))["Size"] / 1e6 < most, name


def test_the_samples_are_the_checkouts(user):
    samples = Path(__file__).parents[2] / "sample_notebooks"
    for file in samples.glob("*.py"):
        assert user.run("cat", f"/opt/probav/sample_notebooks/{file.name}") == file.read_text()
