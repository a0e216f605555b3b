"""Spark's own pages (its UI) for the one user of a kernel, through the notebook server's prefix.

The pages listen on a port of this machine, which every user of it can reach. So Spark asks each request for a
token of the kernel's (its JWSFilter), and the kernel leaves port and token in a file that its user alone can
read. The notebook server, which knows its user, passes the pages on (`probav_kernels.server`). Where no such
server started the kernel there are no pages, unless a setting of Spark's asks for them.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
from jupyter_core.paths import jupyter_runtime_dir

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PREFIX = "PROBAV_SERVER_PREFIX"  # path of the notebook server, which hands it to its kernels
ROUTE = "probav/spark"
_FILTER = "org.apache.spark.ui.JWSFilter"
_KEY = f"spark.{_FILTER}.param.secretKey"
_HEADER = '{"alg":"HS256","typ":"JWT"}'


@dataclass(frozen=True)
class Announcement:
    """Where a kernel's pages are, and how to be let in.

    Attributes
    ----------
    pid : int
        Process of the kernel.
    started : float
        When it started: another process may get its number later.
    port : int
    token : str
    """

    pid: int
    started: float
    port: int
    token: str


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return Spark's settings for its pages, with a new key: they belong in no command line.

    Parameters
    ----------
    environment : mapping
        The variables of the kernel.
    """
    if not environment.get(PREFIX):
        return {"spark.ui.enabled": "false"}
    return {
        "spark.ui.enabled": "true",
        "spark.ui.port": "0",  # any: by itself Spark tries sixteen, and more kernels are on a machine
        "spark.ui.filters": _FILTER,
        _KEY: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        # by a mere link, which another site may hold too; a notebook interrupts its jobs
        "spark.ui.killEnabled": "false",
    }


def announce(session: SparkSession) -> bool:
    """Leave the notebook server the address of a session's pages, if they have one and a key of ours.

    Returns
    -------
    bool
        Whether the server can find them.
    """
    found = _announcement(session)
    if found is None or not os.environ.get(PREFIX):
        return False
    path = _file(found.pid)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:  # Spark works without
        return False
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(found), file)
    atexit.unregister(withdraw)
    atexit.register(withdraw)
    return True


def address(session: SparkSession) -> str | None:
    """Return the link to a session's pages: through the notebook server, else as Spark gives it.

    A session that the user started is announced first.
    """
    found = _announcement(session)
    if found is None:
        return None if _is_remote(session) else session.sparkContext.uiWebUrl
    if read(found.pid) == found or announce(session):
        return f"{os.environ[PREFIX].rstrip('/')}/{ROUTE}/{found.pid}/"
    return None  # they are there, and let nobody in


def withdraw() -> None:
    """Take back what this process announced."""
    _file(os.getpid()).unlink(missing_ok=True)


def read(pid: int) -> Announcement | None:
    """Return what a living process of this user announced; what a dead one left is removed."""
    path = _file(pid)
    try:
        if path.lstat().st_uid != os.getuid():
            return None
        found = Announcement(**json.loads(path.read_text(encoding="utf-8")))
        process = psutil.Process(pid)
        if process.create_time() == found.started and process.status() != psutil.STATUS_ZOMBIE:
            return found
    except (OSError, ValueError, TypeError):
        return None
    except psutil.NoSuchProcess:
        pass
    path.unlink(missing_ok=True)
    return None


def _file(pid: int) -> Path:
    return Path(jupyter_runtime_dir(), f"probav-spark-{pid}.json")


def _is_remote(session: SparkSession) -> bool:
    return ".connect." in type(session).__module__


def _announcement(session: SparkSession) -> Announcement | None:
    if _is_remote(session):
        return None
    context: Any = session.sparkContext
    key, url = context.getConf().get(_KEY), context.uiWebUrl
    port = urlsplit(url).port if url else None
    if not key or port is None:
        return None
    pid = os.getpid()
    return Announcement(pid, psutil.Process(pid).create_time(), port, _token(key))


def _token(key: str) -> str:
    """Return a signed token (JWS) as Spark's filter asks for."""
    signed = f"{_encoded(_HEADER.encode())}.{_encoded(b'{}')}"
    digest = hmac.new(base64.urlsafe_b64decode(key), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_encoded(digest)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
