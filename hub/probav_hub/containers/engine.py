"""The engine that runs containers, docker or podman, over its socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from probav_hub.errors import HubError

SOCKETS = ("/run/docker.sock", "/run/podman/podman.sock")
SECONDS = 60  # an engine that is busy with many containers


def socket(named: str | None) -> str:
    """Return the engine's address: the one named, DOCKER_HOST, or that of the first engine found.

    Raises
    ------
    HubError
        If there is none, or it is none of this machine.
    """
    given = named or os.environ.get("DOCKER_HOST")
    if given and not given.startswith("unix:///"):
        raise HubError(
            f"docker.socket: found {given!r}; expected an engine of this machine, as unix:///run/docker.sock."
        )
    if given:
        return given
    for path in SOCKETS:
        if Path(path).exists():
            return f"unix://{path}"
    raise HubError(
        f"No engine of containers listens at {' or '.join(SOCKETS)}: start docker, or podman with "
        "`podman system service --time=0 unix:///run/podman/podman.sock`, or name it in docker.socket."
    )


@cache
def client(address: str) -> Any:
    """Return docker's own client of an engine.

    Raises
    ------
    HubError
        If it can't be reached.
    """
    import docker

    with said(f"The engine at {address}"):
        return docker.APIClient(base_url=address, version="auto", timeout=SECONDS)  # asks it for its version


def is_podman(engine: Any) -> bool:
    """Return whether an engine is podman, which speaks docker's language."""
    parts = engine.version().get("Components") or []
    return any("podman" in str(part.get("Name", "")).lower() for part in parts)


@contextmanager
def said(what: str) -> Iterator[None]:
    """Raise HubError where an engine, or the way to it, fails with an error of docker's client."""
    import requests
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        raise HubError(f"{what}: {_explanation(error)}.") from error
    except (DockerException, requests.RequestException) as error:
        raise HubError(f"{what} can't be reached: {_reason(error)}.") from error


def _explanation(error: Any) -> str:
    text = str(getattr(error, "explanation", None) or error)
    return " ".join(text.split()).rstrip(".")


def _reason(error: BaseException) -> str:
    """Return the system's own words, which docker's client and its libraries wrap several times."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        inner = next((arg for arg in found.args if isinstance(arg, BaseException)), None)
        found = inner or found.__cause__ or found.__context__
    return " ".join(str(error).split())
