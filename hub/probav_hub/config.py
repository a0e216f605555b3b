"""Configure JupyterHub for one machine, as the operator's file says."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from probav_hub import parts, profiles
from probav_hub.accounting import configured as accounting
from probav_hub.authentication import authentication
from probav_hub.configuration import Configuration
from probav_hub.internal_tls import mend_waiting_for_services
from probav_hub.pages import pages
from probav_hub.refusal import Refusal
from probav_hub.schedules import configured as schedules
from probav_hub.settings import Settings
from probav_hub.simple import SimpleSpawner

SINGLEUSER = Path(__file__).with_name("singleuser")  # a Jupyter configuration folder
KEPT = ("JAVA_HOME", "TMPDIR", "TZ", "SPARK_REMOTE", "SPARK_CONF_DIR", "HADOOP_CONF_DIR")
KEPT_PREFIX = "PROBAV_SPARK_"  # where users' Spark is, said once for all of them
TOLD_EVERY = "JUPYTERHUB_ACTIVITY_INTERVAL"  # seconds between two reports of a server to the hub
START_SECONDS = 180  # a cold disk and a busy machine


def configure(c: Any, settings: Settings) -> None:
    """Fill JupyterHub's configuration object `c`."""
    given = settings.configuration
    hub(c, settings)
    authentication(c, given.authentication, Path(settings.state), settings.password)
    pages(c, given)
    servers(c, settings)
    choices(c, given, accounting.Budgets(settings))
    services(c, settings)
    accounting.configure(c, settings)
    if given.spawner == "sandbox":
        from probav_hub.sandbox import configured  # its parts are of Linux alone

        configured.configure(c, settings)
    elif given.spawner == "docker":
        from probav_hub.containers import configured as containers  # the extra `docker`

        containers.configure(c, settings)
    schedules.configure(c, settings)
    for name, options in given.jupyterhub.items():  # the operator's own words come last
        c[name].update(options)
    parts.mark_services(c, settings.state)


def hub(c: Any, settings: Settings) -> None:
    """Say where hub and proxy listen and where they keep their state."""
    state, given = Path(settings.state), settings.configuration
    c.JupyterHub.bind_url = settings.url
    if given.tls:
        c.JupyterHub.ssl_cert, c.JupyterHub.ssl_key = str(given.tls.certificate), str(given.tls.key)
    is_secure = {"secure": True} if given.tls or given.tls_elsewhere else {}
    c.JupyterHub.tornado_settings = {  # cookies of servers and services are set with the same options
        "cookie_options": {"samesite": "lax", **is_secure},
        "headers": {"X-Content-Type-Options": "nosniff"},
    }
    if given.jupyterhub.get("JupyterHub", {}).get("internal_ssl"):
        mend_waiting_for_services()
    c.JupyterHub.hub_ip = "127.0.0.1"
    c.JupyterHub.hub_port = settings.hub_port
    c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"
    c.JupyterHub.upgrade_db = True  # after a copy of it
    c.JupyterHub.cleanup_servers = not given.keep_servers
    c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
    c.JupyterHub.allow_named_servers = given.servers_per_user > 1
    c.JupyterHub.named_server_limit_per_user = given.servers_per_user - 1
    c.ConfigurableHTTPProxy.command = settings.proxy
    if given.tls and given.tls.redirect_from:
        c.ConfigurableHTTPProxy.command = [*settings.proxy, f"--redirect-port={given.tls.redirect_from}"]
    c.ConfigurableHTTPProxy.check_running_interval = 1  # one that has ended is started anew
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_port}"
    c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")


def servers(c: Any, settings: Settings) -> None:
    """Run a user's server as a process in this environment, with a home of its own."""
    programs = Path(sys.executable).parent

    def prepare_home(spawner: Any) -> None:
        from probav_hub.homes import prepare  # with jupytext, which a hub of containers or pods has not

        prepare(settings.homes / spawner.user.name, settings.notebooks)

    c.JupyterHub.spawner_class = SimpleSpawner
    c.SimpleSpawner.poll_interval = 5
    c.SimpleLocalProcessSpawner.home_dir_template = str(settings.homes / "{username}")
    c.Spawner.pre_spawn_hook = prepare_home
    c.Spawner.cmd = [str(programs / "jupyterhub-singleuser")]
    c.Spawner.args = ["--allow-root"] if os.geteuid() == 0 else []
    c.Spawner.ip = "127.0.0.1"
    c.Spawner.default_url = "/lab"
    c.Spawner.start_timeout = c.Spawner.http_timeout = START_SECONDS
    c.Spawner.environment = {
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        "PROBAV_ARCHIVE": settings.archive,
        "JUPYTER_CONFIG_PATH": str(SINGLEUSER),
        **{name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_PREFIX)},
        **spark_variables(settings.configuration.spark),
    }


def spark_variables(given: dict[str, Any]) -> dict[str, str]:
    """Return settings of spark.toml as the variables that kernels read."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return " ".join(f"{name}={item}" for name, item in value.items())
        return " ".join(map(str, value)) if isinstance(value, list) else str(value)

    return {f"{KEPT_PREFIX}{name.upper()}": text(value) for name, value in given.items()}


def choices(c: Any, given: Configuration, budgets: accounting.Budgets) -> None:
    """Offer the profiles that a user may have, and keep servers to the one that is chosen, within budgets."""

    def groups(spawner: Any) -> list[str]:
        return [group.name for group in spawner.user.groups]

    def options_form(spawner: Any) -> str:
        user, member = spawner.user.name, groups(spawner)
        own = profiles.of_user(given.profiles, member)
        if len(own) < 2:  # nothing to choose: no form
            return ""
        refused = {each.name: budgets.refusal(each, user, member) for each in own}
        return profiles.form(
            own,
            {name: why for name, why in refused.items() if why},
            budgets.lines(user, member),
            budgets.page,
        )

    def apply(spawner: Any, options: dict[str, Any]) -> None:
        named = options.get("profile")
        user, member = spawner.user.name, groups(spawner)
        try:
            chosen = profiles.choose(given.profiles, member, str(named) if named else None)
        except profiles.ProfileError as error:
            raise Refusal(str(error), reason="profile") from None
        if why := budgets.refusal(chosen, user, member):
            raise Refusal(why, reason="budget")
        # the choice is said, so that the hub's API tells what is reserved for the server
        spawner.user_options = spawner.orm_spawner.user_options = {**options, "profile": chosen.name}
        profiles.apply(spawner, chosen)
        if isinstance(spawner, SimpleSpawner):
            spawner.take(chosen)

    c.Spawner.options_form = options_form
    c.Spawner.options_from_form = "simple"
    c.Spawner.apply_user_options = apply


def services(c: Any, settings: Settings) -> None:
    """Start what belongs to a hub: the culler; and let a program in that has a token."""
    made: list[dict[str, Any]] = []
    roles: list[dict[str, Any]] = []
    culling = settings.configuration.culling
    # several reports before a server would count as idle: a busy one without a browser makes no other
    c.Spawner.environment |= {TOLD_EVERY: str(min(60, max(10, culling.minutes * 10 if culling else 60)))}
    if culling:
        scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
        command = [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={culling.minutes * 60}",
                   f"--cull-every={culling.every_minutes * 60}"]  # fmt: skip
        made.append({"name": "culler", "command": command})
        roles.append({"name": "culler", "services": ["culler"], "scopes": scopes})
    if settings.token:
        made.append({"name": "program", "api_token": settings.token})
        scopes = ["admin:users", "admin:servers", "access:servers"]
        roles.append({"name": "program", "services": ["program"], "scopes": scopes})
    c.JupyterHub.services, c.JupyterHub.load_roles = made, roles
