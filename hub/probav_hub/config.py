"""Configure JupyterHub for one machine: a shared password, servers as local processes, loopback only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from probav_hub.homes import prepare
from probav_hub.settings import Settings

SINGLEUSER = Path(__file__).with_name("singleuser")  # a Jupyter configuration folder
KEPT = ("JAVA_HOME", "TMPDIR", "TZ", "SPARK_REMOTE", "SPARK_CONF_DIR", "HADOOP_CONF_DIR")
KEPT_PREFIX = "PROBAV_SPARK_"  # where users' Spark is, said once for all of them
START_SECONDS = 180  # a cold disk and a busy machine


def configure(c: Any, settings: Settings) -> None:
    """Fill JupyterHub's configuration object `c`."""
    hub(c, settings)
    users(c, settings)
    servers(c, settings)
    if settings.token:
        program(c, settings.token)


def hub(c: Any, settings: Settings) -> None:
    """Say where hub and proxy listen and where they keep their state."""
    state = Path(settings.state)
    c.JupyterHub.bind_url = settings.url
    c.JupyterHub.hub_ip = "127.0.0.1"
    c.JupyterHub.hub_port = settings.hub_port
    c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"
    c.JupyterHub.upgrade_db = True
    c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
    c.ConfigurableHTTPProxy.command = settings.proxy
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_port}"
    c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")


def users(c: Any, settings: Settings) -> None:
    """Let anyone in who knows the password, under a name that is also a folder's."""
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = settings.password
    c.Authenticator.allow_all = True
    c.Authenticator.username_pattern = r"^[a-z0-9][a-z0-9_-]{0,31}$"


def servers(c: Any, settings: Settings) -> None:
    """Run a user's server as a process in this environment, with a home of its own."""
    programs = Path(sys.executable).parent

    def prepare_home(spawner: Any) -> None:
        prepare(settings.homes / spawner.user.name, settings.notebooks)

    c.JupyterHub.spawner_class = "simple"
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
    }


def program(c: Any, token: str) -> None:
    """Let the bearer of a token create users, start their servers and use them."""
    c.JupyterHub.services = [{"name": "program", "api_token": token}]
    scopes = ["admin:users", "admin:servers", "access:servers"]
    c.JupyterHub.load_roles = [{"name": "program", "services": ["program"], "scopes": scopes}]
