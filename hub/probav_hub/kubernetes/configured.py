"""Configure JupyterHub in the hub's pod, after the chart of JupyterHub has done its own part."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from probav_hub import profiles
from probav_hub.accounting import configured as accounting
from probav_hub.authentication import authentication, secret
from probav_hub.config import choices, services, spark_variables
from probav_hub.configuration import Configuration
from probav_hub.kubernetes.names import ARCHIVE, HOME, PUBLISHED, SERVER, UID
from probav_hub.kubernetes.spawner import PodSpawner
from probav_hub.kubernetes.values import Values
from probav_hub.pages import pages
from probav_hub.schedules import configured as schedules
from probav_hub.schedules.service import VARIABLE as SCHEDULES
from probav_hub.settings import Settings

STATE = Path("/srv/jupyterhub")  # of the chart: its volume is mounted here
PASSWORD = Path("/etc/probav/login/password")
BROKER = "http://probav-spark:8080/servers"
PORTS = {"accounting": 8082, "schedules": 8083}  # of services that the proxy and kernels reach
RELATIVE = "sqlite:///jupyterhub.sqlite"  # to wherever the hub starts, and on its volume only in one place
PROXY = "http://proxy-public"
START_SECONDS = 600  # a new node, and images that it does not have


def configure(
    c: Any, given: dict[str, Any], state: Path = STATE, password: Path = PASSWORD, address: str | None = None
) -> None:
    """Fill JupyterHub's configuration object `c`.

    Parameters
    ----------
    c
        traitlets' configuration, with what the chart of JupyterHub has put into it.
    given : dict
        The chart's own values, `global.probav`.
    state : Path
        Folder of what the hub keeps.
    password : Path
        File of the generated password.
    address : str, optional
        Of this pod, where its services listen for the proxy's; $PROBAV_POD_IP unless given.
    """
    values = Values.model_validate(given)
    base = c.JupyterHub.get("base_url", "/")
    configuration = values.configuration.model_copy(update={"base_url": base})
    settings = Settings(
        state=str(state), port=8000, hub_port=8081, proxy_port=8001, password="", archive="",
        notebooks=None, proxy=[], configured=configuration.model_dump(mode="json"),
    )  # fmt: skip
    log_in(c, configuration, state, password)
    pages(c, configuration)
    servers(c, values)
    choices(c, configuration, accounting.Budgets(settings))
    c.Spawner.apply_user_options = taking(c.Spawner.apply_user_options, configuration)
    parts(c, settings, address or os.environ["PROBAV_POD_IP"])
    for name, options in configuration.jupyterhub.items():  # the operator's own words come last
        c[name].update(options)


def log_in(c: Any, given: Configuration, state: Path, password: Path) -> None:
    """Say who may log in, and how, and where the hub's database is."""
    login = given.authentication
    file = login.password_file or password
    shared = secret(file) if login.method == "shared-password" else ""
    authentication(c, login, state, shared)
    if c.JupyterHub.get("db_url") == RELATIVE:
        c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"
    if given.tls_elsewhere:
        kept = dict(c.JupyterHub.get("tornado_settings", {}))
        c.JupyterHub.tornado_settings = {**kept, "cookie_options": {"secure": True, "samesite": "lax"}}
    c.JupyterHub.allow_named_servers = given.servers_per_user > 1
    c.JupyterHub.named_server_limit_per_user = given.servers_per_user - 1


def servers(c: Any, values: Values) -> None:
    """Say how servers' pods look: what they see, and that they may do nothing in the cluster."""
    c.JupyterHub.spawner_class = PodSpawner
    c.Spawner.default_url = "/lab"
    c.Spawner.start_timeout, c.Spawner.http_timeout = START_SECONDS, 120
    own = c.KubeSpawner
    own.cmd = ["jupyterhub-singleuser"]
    own.uid = own.gid = own.fs_gid = UID
    own.allow_privilege_escalation = False
    own.container_security_context = {
        "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    own.automount_service_account_token = False
    own.extra_pod_config = {"enableServiceLinks": False, "automountServiceAccountToken": False}
    own.extra_labels = {**own.get("extra_labels", {}), SERVER: "{user_server}"}
    own.delete_stopped_pods = True
    own.delete_pvc = False  # a user who is deleted keeps the home until the operator deletes it
    own.pvc_name_template = "home-{username}"
    own.storage_pvc_ensure = True
    own.storage_class = values.homes.storage_class or None
    own.storage_access_modes = [values.homes.access_mode]
    own.volumes, own.volume_mounts = volumes(values)
    own.environment = c.Spawner.environment = {
        **own.get("environment", {}),
        **({"PROBAV_ARCHIVE": archive} if (archive := values.archive.place) else {}),
        **spark_variables(values.configuration.spark),
    }
    own.extra_container_config = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    if values.archive.secret:
        own.extra_container_config["envFrom"] = [{"secretRef": {"name": values.archive.secret}}]
    pods = c.PodSpawner
    pods.guaranteed_cpu, pods.home_size = values.guaranteed_cpu, values.homes.size
    pods.shared_claim = values.shared_claim or ""
    pods.broker = BROKER if values.spark.enabled and "master" not in values.configuration.spark else ""


def volumes(values: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the volumes of every server, and where they are mounted."""
    found: dict[str, Any] = {"home": {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}}
    mounts: dict[str, Any] = {"home": {"name": "home", "mountPath": HOME}}
    for name, claim, path in (
        ("archive", values.archive.claim, ARCHIVE), ("published", values.published_claim, PUBLISHED),
    ):  # fmt: skip
        if claim:
            found[name] = {"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
            mounts[name] = {"name": name, "mountPath": path, "readOnly": True}
    return found, mounts


def taking(before: Callable[..., Any], given: Configuration) -> Callable[..., Any]:
    """Return what applies a user's choice of a profile, as `before` does, and keeps the pod to it."""

    async def apply(spawner: Any, options: dict[str, Any]) -> None:
        spawner.reset()
        if asyncio.iscoroutine(done := before(spawner, options)):
            await done
        groups, named = [group.name for group in spawner.user.groups], options.get("profile")
        spawner.take(profiles.choose(given.profiles, groups, str(named) if named else None))

    return apply


def parts(c: Any, settings: Settings, address: str) -> None:
    """Add our services to those that the chart of JupyterHub has named, and let others reach them."""
    before = list(c.JupyterHub.services), list(c.JupyterHub.load_roles)
    services(c, settings)
    accounting.configure(c, settings)
    schedules.configure(c, settings)
    base = settings.configuration.base_url.rstrip("/")
    for service in c.JupyterHub.services:
        if service["name"] == "culler":  # within the pod: the hub's own address leads out of it and in again
            service["command"] += [f"--url=http://localhost:8081{base}/hub/api"]
        elif port := PORTS.get(service["name"]):
            service["url"] = f"http://{address}:{port}"  # the proxy is in another pod
        if service["name"] == schedules.NAME:
            told = json.loads(service["environment"][SCHEDULES])
            service["environment"][SCHEDULES] = json.dumps({**told, "proxy": PROXY})
    if accounting.URL in c.Spawner.environment:
        url = f"http://hub:{PORTS[accounting.NAME]}{base}/services/{accounting.NAME}/"
        c.Spawner.environment[accounting.URL] = url  # which is KubeSpawner's, too
    c.JupyterHub.services = [*before[0], *c.JupyterHub.services]
    c.JupyterHub.load_roles = [*before[1], *c.JupyterHub.load_roles]
