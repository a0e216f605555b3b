"""The hub's certificate: what it says, and a renewed one taken up while the hub runs."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
from cryptography import x509

from probav_hub.configuration import Configuration
from probav_hub.errors import HubError

RENEW_DAYS = 14  # with less left somebody should look why it was not renewed
_SECONDS = 60
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach what listens everywhere


def days_left(file: Path, now: datetime | None = None) -> float:
    """Return the days until a certificate is no longer valid, negative if it is not.

    Raises
    ------
    HubError
        If it can't be read, or is of a time to come.
    """
    certificate, now = _read(file), now or datetime.now(UTC)
    if certificate.not_valid_before_utc > now:
        raise HubError(
            f"{file} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on, and it is "
            f"{now:%Y-%m-%d %H:%M}: look at this machine's clock."
        )
    return (certificate.not_valid_after_utc - now).total_seconds() / 86400


def names(file: Path) -> list[str]:
    """Return the host names that a certificate is for."""
    with suppress(x509.ExtensionNotFound):
        found = _read(file).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return list(found.value.get_values_for_type(x509.DNSName))
    return []


def address(given: Configuration, url: str) -> str:
    """Return a hub's URL as browsers find it: by its certificate's name where it listens everywhere."""
    known = names(given.tls.certificate) if given.tls else []
    host = next((name for name in known if not name.startswith("*")), socket.gethostname())
    return url.replace("//0.0.0.0:", f"//{host}:").replace("//[::]:", f"//{host}:")


def take_up(given: Configuration, state: Path) -> None:
    """Start the proxy of a running hub anew, so that it reads the certificate again.

    The hub starts a proxy that has ended within about two seconds. Servers and kernels run on.

    Raises
    ------
    HubError
        If there is no certificate, it can't be used, no hub runs, or the new one is not in use in time.
    """
    if given.tls is None:
        raise HubError("There is no certificate to take up: the configuration has no tls.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(given.tls.certificate, given.tls.key)
    except (OSError, ssl.SSLError) as error:
        raise HubError(
            f"{given.tls.certificate} and {given.tls.key} can't be used: "
            f"{getattr(error, 'reason', None) or error}. The hub goes on with the certificate it has."
        ) from None
    if days_left(given.tls.certificate) < 0:
        raise HubError(f"{given.tls.certificate} has expired: the hub goes on with the one it has.")
    _end_proxy(state)
    wanted = _read(given.tls.certificate)
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError, http.client.HTTPException):
            if served(given) == wanted and _answers(given):
                return
        time.sleep(0.2)
    raise HubError(
        f"The proxy did not come back with {given.tls.certificate} within {_SECONDS} s; see hub.log."
    )


def served(given: Configuration) -> x509.Certificate:
    """Return the certificate that browsers are shown."""
    host = _ANY.get(given.address, given.address)
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((host, given.port), timeout=5).encode())


def _answers(given: Configuration) -> bool:
    """Return whether the hub is behind the proxy again; the hub then tells it of the servers."""
    connection = http.client.HTTPSConnection(
        _ANY.get(given.address, given.address), given.port, timeout=5,
        context=ssl._create_unverified_context(),  # noqa: S323 - it is compared with the file
    )  # fmt: skip
    connection.request("GET", f"{given.base_url}hub/api/")
    return connection.getresponse().status == 200


def _end_proxy(state: Path) -> None:
    """End the proxy that the hub's file names, if it is one."""
    try:
        pid = int((state / "proxy.pid").read_text())
        if "configurable-http-proxy" in " ".join(psutil.Process(pid).cmdline()):
            os.kill(pid, signal.SIGTERM)
            return
    except (OSError, ValueError, psutil.Error):
        pass
    raise HubError(f"No hub runs whose state is in {state}: a start reads the certificate anyway.")


def _read(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())  # the first is the hub's own
    except (OSError, ValueError) as error:
        raise HubError(f"The certificate {file} can't be read: {error}.") from None
