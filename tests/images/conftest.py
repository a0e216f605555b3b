"""Real containers of the images that `make images` built, on podman or docker."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

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
def engine_socket(request, tmp_path_factory) -> Iterator[str]:
    """Return the address of the engine that a test is parametrised with, or of the first that can be had.

    $DOCKER_HOST comes before both; else podman's own service is started, or docker's, or found where it runs.
    """
    wanted, named = getattr(request, "param", ""), os.environ.get("DOCKER_HOST")
    folder = tmp_path_factory.mktemp("engine")
    if named and wanted in ("", kind(named)):
        yield named
    elif wanted != "docker" and shutil.which("podman") and os.geteuid() == 0:
        with podman(folder) as address:
            yield address
    elif wanted != "podman" and Path("/run/docker.sock").exists():
        yield "unix:///run/docker.sock"
    elif wanted == "docker" and shutil.which("dockerd") and os.geteuid() == 0:
        with dockerd(folder) as address:
            yield address
    else:
        pytest.skip(f"NO ENGINE: there is no {wanted or 'podman'} here, or this user is not root")


def kind(address: str) -> str:
    """Return which of the two engines listens."""
    import docker

    from probav_hub.containers.engine import is_podman

    with closing(docker.APIClient(base_url=address, version="auto", timeout=120)) as client:
        return "podman" if is_podman(client) else "docker"


@contextmanager
def service(command: list[str], path: Path, log: Path, **environment: str) -> Iterator[str]:
    """Run an engine until the block ends; it listens at a path."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=log.parent,  # conmon leaves a file there for each container that runs out of memory
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        wait_for(lambda: path.exists() or process.poll() is not None, 180)
        assert process.poll() is None, log.read_text()[-3000:]
        yield f"unix://{path}"
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def podman(folder: Path) -> Iterator[str]:
    """Run podman's service, which sees the images that `make images` made."""
    environment = {}
    if not Path("/run/systemd/system").exists():
        (folder / "containers.conf").write_text(CONF)
        environment["CONTAINERS_CONF"] = str(folder / "containers.conf")
    path = folder / "podman.sock"
    command = ["podman", "system", "service", "--time=0", f"unix://{path}"]
    with service(command, path, folder / "errors", **environment) as address:
        yield address


@contextmanager
def dockerd(folder: Path) -> Iterator[str]:
    """Run docker with a store of its own, which keeps the images that it takes over from podman's."""
    store = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "probav", "docker")
    store.mkdir(parents=True, exist_ok=True)
    (folder / "daemon.json").write_text("{}")  # not this machine's
    path = folder / "docker.sock"
    command = ["dockerd", f"--config-file={folder / 'daemon.json'}", f"--data-root={store}",
               f"--exec-root={folder / 'run'}", f"--pidfile={folder / 'pid'}", f"--host=unix://{path}",
               "--group=root", "--exec-opt=native.cgroupdriver=cgroupfs"]  # fmt: skip
    with service(command, path, folder / "errors") as address:
        wait_for(lambda: _answers(address), 120)
        yield address


def _answers(address: str) -> bool:
    import docker

    with suppress(Exception), closing(docker.DockerClient(base_url=address, timeout=5)) as client:
        return bool(client.ping())
    return False


@pytest.fixture(scope="session")
def engine(engine_socket) -> Any:
    import docker

    return docker.DockerClient(base_url=engine_socket, version="auto", timeout=120)


@pytest.fixture(scope="session")
def is_docker(engine) -> bool:
    """Whether the engine is docker, as against podman."""
    from probav_hub.containers.engine import is_podman

    return not is_podman(engine.api)


@pytest.fixture(scope="session")
def image(engine, engine_socket, is_docker) -> Callable[[str], str]:
    """Return the tag of an image of ours; skipped where it was not built."""
    from docker.errors import ImageNotFound

    is_own = engine_socket not in ("unix:///run/docker.sock", os.environ.get("DOCKER_HOST"))

    def find(name: str) -> str:
        tag = f"localhost/probav-{name}:latest"
        if is_docker and is_own and shutil.which("podman"):
            _take_over(engine, tag)
        try:
            engine.images.get(tag)
        except ImageNotFound:
            pytest.skip(f"NO IMAGE {tag}: run `make images` first")
        return tag

    return find


def _take_over(engine: Any, tag: str) -> None:
    """Give docker an image of podman's, unless it has the same one."""
    from docker.errors import ImageNotFound

    shown = subprocess.run(
        ["podman", "image", "inspect", "--format", "{{.Id}}", tag], capture_output=True, text=True
    )
    before = None
    with suppress(ImageNotFound):
        before = engine.images.get(tag).id
    if shown.returncode or before == f"sha256:{shown.stdout.strip()}":
        return
    with subprocess.Popen(["podman", "save", tag], stdout=subprocess.PIPE) as saved:
        engine.images.load(saved.stdout)
    assert saved.returncode == 0
    if before:
        engine.images.remove(before, force=True)


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
