"""Where an archive is, and who may write to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import filelock
import icechunk
import platformdirs

from probav.errors import ArchiveError

LOCK_SECONDS = 600


def demo_path() -> Path:
    """Return where the demo archive of this user is, or will be."""
    return platformdirs.user_data_path("probav") / "demo-archive"


def default_url() -> str:
    """Return the archive a user means who names none: $PROBAV_ARCHIVE, else the local demo archive."""
    return os.environ.get("PROBAV_ARCHIVE") or str(demo_path())


def local_path(url: str) -> Path | None:
    """Return the folder of a path or file:// URL; None for an object store."""
    parsed = urlparse(url)
    if parsed.scheme == "file":
        return Path(url2pathname(parsed.path))
    return None if parsed.scheme == "s3" else Path(url).expanduser().absolute()


def icechunk_storage(url: str) -> Any:
    """Return Icechunk's storage for a path or URL; credentials come from the environment."""
    path = local_path(url)
    if path is not None:
        return icechunk.local_filesystem_storage(str(path))
    parsed = urlparse(url)
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    return icechunk.s3_storage(
        bucket=parsed.netloc,
        prefix=parsed.path.strip("/") or None,
        endpoint_url=endpoint,
        allow_http=bool(endpoint and endpoint.startswith("http://")),
        force_path_style=endpoint is not None,
        from_env=True,
    )


@contextmanager
def lock(url: str) -> Iterator[None]:
    """Hold the archive's write lock: on a local disk Icechunk alone loses one of two concurrent commits."""
    path = local_path(url)
    if path is None:  # object stores have conditional writes
        yield
        return
    held = filelock.FileLock(f"{path}.lock", timeout=LOCK_SECONDS, mode=0o664)  # a group may share it
    try:
        held.acquire()
    except filelock.Timeout as error:
        words = f"Another process has been writing to {path} for over {LOCK_SECONDS} s"
        raise ArchiveError(f"{words}; wait for it, or stop it.") from error
    except OSError as error:
        raise ArchiveError(f"Can't lock {path} for writing: {error}.") from error
    try:
        yield
    finally:
        held.release()


def exists(url: str) -> bool:
    """Return whether there is anything at `url`: an archive, or what is in the way of one."""
    path = local_path(url)
    if path is None:
        return bool(icechunk.Repository.exists(icechunk_storage(url)))
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def first_line(error: BaseException) -> str:
    """Return what an error of Icechunk says first, without the drawing around it."""
    lines = (line.strip(" x×") for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
