"""What in a configuration of schedules can't be meant: each as its setting, what is wrong, and the remedy."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from probav_hub.authentication import secret
from probav_hub.configuration import LOOPBACK, Configuration, Mail
from probav_hub.errors import HubError
from probav_hub.schedules.moments import ScheduleError, zone
from probav_hub.schedules.service import DATABASE
from probav_hub.schedules.store import Store
from probav_hub.settings import data_folder

_SECONDS = 5.0
Found = tuple[str, str, str]


def problems(given: Configuration) -> Iterator[Found]:
    """Yield what is wrong with schedules and their mail."""
    if given.schedules is None:
        return
    try:
        zone(given.schedules.timezone)
    except ScheduleError as error:
        yield "schedules.timezone", f"{error}.", "Names are those of the IANA database."
    own = given.jupyterhub.get("JupyterHub", {})
    for name in ("allow_named_servers", "named_server_limit_per_user"):
        if name in own:
            yield (
                f"jupyterhub.JupyterHub.{name}",
                "runs need named servers, and schedules set this themselves.",
                "Say servers_per_user instead.",
            )
    longest = given.schedules.longest_minutes / 60
    for profile in given.profiles:
        if profile.hours and profile.hours < longest:
            yield (
                f"profiles.{profile.name}.hours",
                f"its servers end after {profile.hours:g} h, and runs may take {longest:g} h.",
                "Make schedules.longest_minutes shorter, or the hours more.",
            )
    file = (given.state or data_folder() / "hub") / DATABASE
    if file.is_file():
        try:
            Store(file).close()
        except HubError as error:
            yield "schedules", str(error), "A backup has it; without it, there are no schedules."
    if given.schedules.mail:
        yield from _mail(given.schedules.mail)


def _mail(mail: Mail) -> Iterator[Found]:
    where = "schedules.mail"
    if bool(mail.user) != bool(mail.password_file):
        yield f"{where}.user", "user and password_file go together.", "Name both, or neither."
    if mail.password_file:
        try:
            secret(mail.password_file)
        except HubError as error:
            yield f"{where}.password_file", str(error), "It holds one line."
    if mail.security == "none" and mail.host not in LOOPBACK:
        yield (
            f"{where}.security",
            f"mail, and the password if any, would travel readably to {mail.host}.",
            "Take starttls or tls; none is for a mail server on this machine.",
        )
    try:
        socket.create_connection((mail.host, mail.port), _SECONDS).close()
    except OSError as error:
        yield (
            f"{where}.host",
            f"{mail.host}, port {mail.port}, can't be reached: {error.strerror or error}.",
            "Ask who runs the mail server for its name and port.",
        )
