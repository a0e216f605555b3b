"""A real S3 server: versitygw, which Go builds once and keeps in the user's cache."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import pytest

VERSION = "v1.8.0"
KEYS = {"AWS_ACCESS_KEY_ID": "probav", "AWS_SECRET_ACCESS_KEY": "probav-secret"}


@pytest.fixture(scope="session")
def versitygw() -> Path:
    """Give the server's program; the first time it takes some minutes of compiling."""
    folder = platformdirs.user_cache_path("probav-tests") / f"versitygw-{VERSION}"
    program = folder / "versitygw"
    if not program.exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip("no real S3 server: it is built with Go, which is not installed")
        building = folder.with_name(f"{folder.name}.{os.getpid()}")
        package = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
        built = subprocess.run(
            [go, "install", package],
            env={**os.environ, "GOBIN": str(building)}, capture_output=True, text=True, timeout=550,
        )  # fmt: skip
        if built.returncode != 0:
            pytest.skip(f"no real S3 server: Go can't build {package}: {built.stderr[-300:]}")
        folder.mkdir(parents=True, exist_ok=True)
        (building / "versitygw").replace(program)
        building.rmdir()
    return program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def s3_server(program: Path, folder: Path):
    """Run the server over a folder, whose sub-folder `bucket` is a bucket; give its endpoint."""
    (folder / "data" / "bucket").mkdir(parents=True)
    try:  # the server keeps what it knows of an object there, so that both change at once
        os.setxattr(folder / "data", "user.probav", b"1")
    except OSError as error:
        pytest.skip(f"no real S3 server: {folder} takes no extended attributes ({error})")
    port = _free_port()
    command = [program, "--port", f"127.0.0.1:{port}", "--quiet", "posix", folder / "data"]
    keys = {"ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"]}
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(command, env={**os.environ, **keys}, stdout=log, stderr=log)
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert running.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.kill()
            running.wait()


@pytest.fixture
def free_port():
    return _free_port


@pytest.fixture(scope="session")
def s3_endpoint(versitygw, tmp_path_factory):
    with s3_server(versitygw, tmp_path_factory.mktemp("s3")) as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_endpoint, monkeypatch, request) -> str:
    """Give the URL of an archive that is not there yet, with credentials in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": s3_endpoint}.items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{request.node.name[:60].strip('[]')}"
