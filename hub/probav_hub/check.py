"""What would keep a hub from starting, or make it unsafe, found before it starts."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from probav_hub import prepare, proxy
from probav_hub.accounting import checks as accounting
from probav_hub.authentication import discover, secret
from probav_hub.configuration import Configuration
from probav_hub.errors import HubError, near
from probav_hub.profiles import size
from probav_hub.schedules import checks as schedules
from probav_hub.service import health
from probav_hub.settings import data_folder, writable

LEAST_LETTERS = 8  # of a shared password; JupyterHub asks for as many
LEAST_ADMIN_LETTERS = 32  # the same, of admins


@dataclass(frozen=True)
class Problem:
    """What is wrong with which setting, and what to do about it."""

    setting: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.what}\n    {self.remedy}"


def problems(given: Configuration) -> list[Problem]:
    """Return all that is wrong, in the order of the file's settings; nothing is changed or started."""
    looks: tuple[Callable[[Configuration], Iterator[Problem]], ...] = (
        _network, _folders, _authentication, _profiles, _budgets, _schedules, _jupyterhub, _machine, _health,
    )  # fmt: skip
    return [problem for look in looks for problem in look(given)]


def _network(given: Configuration) -> Iterator[Problem]:
    if given.is_open and not given.tls and not given.tls_elsewhere:
        yield Problem(
            "address", f"other machines reach {given.address}, and passwords would travel readably.",
            "Name certificate and key under tls, set `tls_elsewhere: true` behind a proxy of yours, or "
            "listen on 127.0.0.1.",
        )  # fmt: skip
    if given.is_open and given.spawner == "simple":
        yield Problem(
            "spawner", "with `simple` all servers run as the hub's own user, who can read every home.",
            "Take `sandbox` or `docker` where others than yourself log in.",
        )  # fmt: skip
    if given.tls:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(given.tls.certificate, given.tls.key)
        except (OSError, ssl.SSLError) as error:
            why = getattr(error, "reason", None) or error.strerror or str(error)
            yield Problem(
                "tls", f"{given.tls.certificate} and {given.tls.key} can't be used: {why}.",
                "Name a certificate in PEM (with those between it and its root) and its own key.",
            )  # fmt: skip
    if health.is_running(given.state or data_folder() / "hub"):
        return  # on this port
    try:
        prepare.check_port(given.port, given.address)
    except HubError as error:
        yield Problem("port", str(error), "Stop what listens there, or name another port.")


def _health(given: Configuration) -> Iterator[Problem]:
    yield from (Problem(*found) for found in health.problems(given))


def _folders(given: Configuration) -> Iterator[Problem]:
    try:
        writable(given.state or data_folder() / "hub")
    except HubError as error:
        yield Problem("state", str(error), "It holds database, secrets, log and homes.")
    if given.archive and "://" not in given.archive and not Path(given.archive).is_dir():
        yield Problem(
            "archive", f"there is no folder {given.archive}.",
            "`probav archive ingest` makes an archive; without the setting the hub makes a small demo one.",
        )  # fmt: skip
    for name in ("notebooks", "published", "shared"):
        folder = getattr(given, name)
        if folder is not None and not folder.is_dir():
            yield Problem(name, f"there is no folder {folder}.", "Make it, or leave the setting out.")
    if given.spawner == "simple":
        for name in ("published", "shared"):
            if getattr(given, name) is not None:
                yield Problem(
                    name, "is for sandboxes and containers.", "With `simple` users see all you see anyway."
                )


def _authentication(given: Configuration) -> Iterator[Problem]:
    login = given.authentication
    if login.method == "shared-password" and given.is_open:
        yield Problem(
            "authentication.method", "with one password for all, everybody can be everybody.",
            "Take oidc, sign-up or first-use where other machines reach the hub.",
        )  # fmt: skip
    own = given.jupyterhub.get("SharedPasswordAuthenticator", {})
    if login.method == "shared-password" and login.admins:
        if not login.admin_password_file and "admin_password" not in own:
            yield Problem(
                "authentication.admins", "with the password of all users no admin can log in.",
                "Name authentication.admin_password_file, or take another method.",
            )  # fmt: skip
    passwords = ("password_file", login.password_file, LEAST_LETTERS), (
        "admin_password_file", login.admin_password_file, LEAST_ADMIN_LETTERS
    )  # fmt: skip
    for name, file, least in passwords:
        try:
            if file and len(secret(file)) < least:
                yield Problem(
                    f"authentication.{name}", "the password is short.", f"Take {least} characters or more."
                )
        except HubError as error:
            yield Problem(f"authentication.{name}", str(error), "It holds one line.")
    if login.oidc:
        for attempt in (lambda: secret(login.oidc.client_secret_file), lambda: discover(login.oidc)):
            try:
                attempt()
            except HubError as error:
                yield Problem(
                    "authentication.oidc", str(error), "Ask who runs the provider for what it needs."
                )


def _profiles(given: Configuration) -> Iterator[Problem]:
    cores, memory = psutil.cpu_count() or 1, psutil.virtual_memory().total
    for profile in given.profiles:
        if profile.cpu > cores:
            yield Problem(
                f"profiles.{profile.name}.cpu", f"{profile.cpu:g} cores; this machine has {cores}.",
                f"Take {cores} or less.",
            )  # fmt: skip
        if size(profile.memory) > memory:
            yield Problem(
                f"profiles.{profile.name}.memory", f"{profile.memory}; this machine has {memory >> 20}M.",
                "Take less: the hub and other servers need some, too.",
            )  # fmt: skip
        if profile.image and given.spawner != "docker":
            yield Problem(
                f"profiles.{profile.name}.image", f"has no effect with `spawner: {given.spawner}`.",
                "Leave it out.",
            )  # fmt: skip
    if not any(not profile.groups for profile in given.profiles):
        known = ", ".join(sorted({group for profile in given.profiles for group in profile.groups}))
        login = given.authentication
        if not login.admins and not (login.oidc and login.oidc.groups_claim):
            yield Problem(
                "profiles", f"every one is for groups only ({known}), and nothing puts a user into one.",
                "Leave `groups` out of one, name an admin who does, or authentication.oidc.groups_claim.",
            )  # fmt: skip


def _budgets(given: Configuration) -> Iterator[Problem]:
    return (Problem(*found) for found in accounting.problems(given))


def _schedules(given: Configuration) -> Iterator[Problem]:
    return (Problem(*found) for found in schedules.problems(given))


def _jupyterhub(given: Configuration) -> Iterator[Problem]:
    known = _classes()
    for name, options in given.jupyterhub.items():
        if name not in known:
            yield Problem(
                f"jupyterhub.{name}", f"JupyterHub has no such class.{near(name, known)}",
                "Its documentation lists classes and their settings.",
            )  # fmt: skip
            continue
        traits = known[name]
        for option in options:
            if option not in traits:
                yield Problem(
                    f"jupyterhub.{name}.{option}", f"there is no such setting.{near(option, traits)}",
                    "A misspelt one would be ignored.",
                )  # fmt: skip


def _classes() -> dict[str, list[str]]:
    """Return JupyterHub's configurable classes and the names of their settings."""
    from jupyterhub import auth, proxy, spawner
    from jupyterhub.app import JupyterHub
    from jupyterhub.authenticators import shared  # noqa: F401 - so that its settings are known
    from traitlets.config import Configurable

    with suppress(ImportError):  # of Linux alone
        import probav_hub.sandbox.spawner
    with suppress(ImportError):  # of the extra `docker`
        import probav_hub.containers.spawner  # noqa: F401

    found: dict[str, list[str]] = {}

    def add(kind: Any) -> None:
        found[kind.__name__] = sorted(kind.class_trait_names(config=True))
        for below in kind.__subclasses__():
            add(below)

    add(JupyterHub)
    for kind in (auth.Authenticator, proxy.Proxy, spawner.Spawner):
        assert issubclass(kind, Configurable)
        add(kind)
    return found


def _machine(given: Configuration) -> Iterator[Problem]:
    attempts: list[Callable[[], object]] = [lambda: proxy.command(data_folder())]
    if given.spawner == "docker":
        from probav_hub.containers.check import problems as of_containers

        yield from (Problem(*found) for found in of_containers(given))
    else:
        attempts.insert(0, prepare.check_java)
    for attempt in attempts:
        try:
            attempt()
        except HubError as error:
            yield Problem("this machine", str(error), "Users' Spark needs Java, the proxy Node.js.")
    if given.spawner == "kubernetes":
        yield Problem(
            "spawner", "`kubernetes` is for the hub's pod: the chart in helm/ starts it and says so itself.",
            "Take sandbox or docker on a machine; docs/kubernetes.md shows the chart.",
        )  # fmt: skip
    if given.spawner == "sandbox":
        from probav_hub.sandbox.machine import problems as found

        for what in found():
            yield Problem("spawner", what, "`sandbox` keeps users apart only where all of it works.")
