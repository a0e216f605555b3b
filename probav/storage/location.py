"""Where an archive is: a folder, or a prefix in an object store with what the environment says of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import icechunk
import platformdirs

from probav.errors import ArchiveError

STREAM_SECONDS = 30  # without a byte from the object store; then the request is tried again
TRIES = 8
FIRST_WAIT_MS, LONGEST_WAIT_MS = 100, 10_000  # doubling between tries
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
    """Return Icechunk's storage for a path or URL.

    For s3:// the environment says the rest, by the names of AWS's own tools: AWS_ACCESS_KEY_ID with
    AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the credentials of a container or a web identity; AWS_REGION;
    AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL. Requests are not signed where it has no credentials, or with
    AWS_NO_SIGN_REQUEST=true; AWS_NO_SIGN_REQUEST=false asks for those of the machine.

    Raises
    ------
    ArchiveError
        If the URL names no bucket, or the endpoint is http:// on another machine.
    """
    path = local_path(url)
    if path is not None:
        return icechunk.local_filesystem_storage(str(path))
    parsed = urlparse(url)
    if not parsed.netloc:
        raise ArchiveError(f"{url} names no bucket; expected s3://BUCKET/PREFIX.")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    plain = endpoint is not None and urlparse(endpoint).scheme == "http"
    if plain and urlparse(endpoint).hostname not in _LOOPBACK and not _switch("AWS_ALLOW_HTTP"):
        raise ArchiveError(
            f"The object store's endpoint {endpoint} is not encrypted. Use https://, or set "
            "AWS_ALLOW_HTTP=true."
        )
    return icechunk.s3_storage(
        bucket=parsed.netloc,
        prefix=parsed.path.strip("/") or None,
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        endpoint_url=endpoint,
        allow_http=plain,
        force_path_style=endpoint is not None,
        network_stream_timeout_seconds=STREAM_SECONDS,
        anonymous=anonymous() or None,
        from_env=not anonymous() or None,
    )


def anonymous() -> bool:
    """Return whether requests to an object store go unsigned, see `icechunk_storage`."""
    said = _switch("AWS_NO_SIGN_REQUEST")
    return not any(os.environ.get(name) for name in _CREDENTIALS) if said is None else said


def _switch(name: str) -> bool | None:
    value = os.environ.get(name, "").strip().casefold()
    return None if not value else value in {"1", "true", "yes", "on"}


def store_settings(url: str) -> Any:
    """Return how often and for how long requests to an object store are tried again; None for a disk."""
    if local_path(url) is not None:
        return None
    retries = icechunk.StorageRetriesSettings(
        max_tries=TRIES, initial_backoff_ms=FIRST_WAIT_MS, max_backoff_ms=LONGEST_WAIT_MS
    )
    return icechunk.StorageSettings(retries=retries)


def hint(url: str) -> str:
    """Return what to look at when an object store refuses."""
    if local_path(url) is not None:
        return ""
    signed = "unsigned (the environment has no credentials)" if anonymous() else "signed"
    return f" (requests were {signed}; AWS_ENDPOINT_URL, AWS_REGION and AWS_ACCESS_KEY_ID say where and who)"


def first_line(error: BaseException) -> str:
    """Return what an error of Icechunk says first, without the drawing around it."""
    lines = (line.strip(" x×") for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
