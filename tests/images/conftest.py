"""Real containers of the images that `make images` built, on podman or docker."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# for podman where no systemd gives it groups
CONF = """
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=8192:8192"]
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.images)


@pytest.fixture(scope="session")
def engine_socket(tmp_path_factory) -> Iterator[str]:
    """Return the address of an engine: DOCKER_HOST's, else podman's own service, else docker's."""
    if named := os.environ.get("DOCKER_HOST"):
        yield named
        return
    if shutil.which("podman") and os.geteuid() == 0:
        folder = tmp_path_factory.mktemp("podman")
        environment = dict(os.environ)
        if not Path("/run/systemd/system").exists():
            (folder / "containers.conf").write_text(CONF)
            environment["CONTAINERS_CONF"] = str(folder / "containers.conf")
        address = f"unix://{folder}/podman.sock"
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", address],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "errors").open("wb"),
        )
        try:
            wait_for(lambda: (folder / "podman.sock").exists() or service.poll() is not None, 180)
            assert service.poll() is None, (folder / "errors").read_text()
            yield address
        finally:
            service.terminate()
            service.wait(30)
    elif Path("/run/docker.sock").exists():
        yield "unix:///run/docker.sock"
    else:
        pytest.skip("NO ENGINE: there is neither podman (as root) nor docker here")


def wait_for(what: Callable[[], object], seconds: float, otherwise: Callable[[], str] = lambda: "") -> object:
    """Return the first true answer; fail with an explanation when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(0.1)
    pytest.fail(otherwise() or f"nothing within {seconds} s")


@pytest.fixture(scope="session")
def wait() -> Callable[..., object]:
    return wait_for


@pytest.fixture(scope="session")
def engine(engine_socket) -> Any:
    import docker

    return docker.DockerClient(base_url=engine_socket, version="auto", timeout=120)


@pytest.fixture(scope="session")
def image(engine) -> Callable[[str], str]:
    """Return the tag of an image of ours; skipped where it was not built."""
    from docker.errors import ImageNotFound

    def find(name: str) -> str:
        tag = f"localhost/probav-{name}:latest"
        try:
            engine.images.get(tag)
        except ImageNotFound:
            pytest.skip(f"NO IMAGE {tag}: run `make images` first")
        return tag

    return find


@pytest.fixture(scope="session")
def locked() -> Callable[[str], dict[str, str]]:
    """Return names and versions that the lock has for an image, on the Python of the images."""
    import runpy
    import sys

    sys.path.insert(0, str(ROOT / "images"))
    try:
        images = runpy.run_path(str(ROOT / "images" / "build.py"))["IMAGES"]
        sbom = runpy.run_path(str(ROOT / "images" / "sbom.py"))
    finally:
        sys.path.remove(str(ROOT / "images"))

    def find(name: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for part in sbom["locked"](images[name].parts)["components"]:
            found.setdefault(sbom["canonical"](part["name"]), set()).add(part.get("version", ""))
        return found

    return find


class Inside:
    """A running container of an image, as the hub would run it."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def run(self, *command: str, fails: bool = False) -> str:
        """Return what a command in it says."""
        code, said = self.container.exec_run(list(command))
        text = bytes(said).decode(errors="replace")
        if not fails:
            assert code == 0, f"{command} ended with {code}: {text}"
        return text

    def python(self, code: str) -> str:
        return self.run("python", "-c", code)


@pytest.fixture(scope="session")
def start(engine, image) -> Iterator[Callable[..., Inside]]:
    from docker.errors import NotFound

    made, homes = [], []

    def begin(
        name: str, command: list[str] | None = None, volumes: dict[str, Any] | None = None, **options: Any
    ) -> Inside:
        homes.append(engine.volumes.create(f"probav-test-home-{os.getpid()}-{len(homes)}"))
        defaults: dict[str, Any] = {
            "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"], "read_only": True,
            "tmpfs": {"/tmp": "rw,exec,nosuid,nodev,mode=1777"}, "detach": True,
            "volumes": {homes[-1].name: {"bind": "/home/probav", "mode": "rw"}, **(volumes or {})},
        }  # fmt: skip
        if command is None:
            defaults["entrypoint"], command = ["sleep"], ["infinity"]
        container = engine.containers.run(image(name), command, **{**defaults, **options})
        made.append(container)
        return Inside(container)

    yield begin
    for container in made:
        with suppress(NotFound):
            container.remove(force=True, v=True)
    for volume in homes:
        volume.remove(force=True)


@pytest.fixture(scope="session")
def archive_to_read(demo_archive) -> Path:
    """Return the demo archive, readable by the servers' user."""
    subprocess.run(["chmod", "-R", "o+rX", demo_archive], check=True)
    return demo_archive
