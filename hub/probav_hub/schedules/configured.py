"""JupyterHub configured for schedules: the service, what it may do, its servers, a line on its own pages."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from probav_hub.prepare import free_ports
from probav_hub.refusal import Refusal
from probav_hub.schedules.notice import failed_runs
from probav_hub.schedules.service import DATABASE, VARIABLE
from probav_hub.schedules.tables import SERVERS
from probav_hub.service.certificate import address
from probav_hub.settings import Settings

NAME = "schedules"
WORK = "PROBAV_SCHEDULED_RUN"  # as probav_kernels.scheduled.work has it
SCOPES = ["read:users:name", "servers"]  # see, start and stop servers; JupyterHub 5 names no smaller one
USER_SCOPES = ["self", f"access:services!service={NAME}"]
VISIT_SCOPES = ["access:servers!user"]  # of a visitor's own token: the form lists the home's notebooks
TEMPLATES = Path(__file__).with_name("hub_templates")


def configure(c: Any, settings: Settings) -> None:
    """Add the service to JupyterHub's configuration object, after the spawner is configured."""
    given = settings.configuration
    if given.schedules is None:
        return
    secure = bool(given.jupyterhub.get("JupyterHub", {}).get("internal_ssl"))
    c.JupyterHub.services.append({
        "name": NAME,
        "url": f"{'https' if secure else 'http'}://127.0.0.1:{free_ports(1)[0]}",
        "command": [sys.executable, "-m", "probav_hub.schedules.service"],
        "environment": {VARIABLE: described(settings)},
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": VISIT_SCOPES,
        "display": True,
    })  # fmt: skip
    roles = c.JupyterHub.load_roles
    roles.append({"name": NAME, "services": [NAME], "scopes": SCOPES})
    users = next((role for role in roles if role["name"] == "user"), None)
    if users is None:
        roles.append(users := {"name": "user", "scopes": []})
    users["scopes"] = [*users["scopes"], *(scope for scope in USER_SCOPES if scope not in users["scopes"])]
    c.Spawner.apply_user_options = with_work(c.Spawner.apply_user_options)
    c.JupyterHub.allow_named_servers = True  # the service's; users have as many as before
    c.JupyterHub.named_server_limit_per_user = limit(given.servers_per_user - 1)
    pages(c, settings)


def described(settings: Settings) -> str:
    """Return what the service is told of the hub: no secrets."""
    given = settings.configuration
    said = given.model_dump(mode="json", include={"schedules", "profiles"})
    return json.dumps({
        "state": settings.state,
        "configuration": said,
        "proxy": settings.near_url.removesuffix(given.base_url.rstrip("/")),
        "certificate": str(given.tls.certificate) if given.tls else "",
        "secure": bool(given.tls or given.tls_elsewhere),
        "public": public(settings),
    })  # fmt: skip


def public(settings: Settings) -> str:
    """Return the address that users know the hub by, without its path."""
    given = settings.configuration
    named = given.jupyterhub.get("JupyterHub", {}).get("public_url")
    path = given.base_url.rstrip("/")
    return (
        str(named).rstrip("/").removesuffix(path)
        if named
        else address(given, settings.url).removesuffix(path)
    )


def with_work(before: Callable[..., Any]) -> Callable[..., Any]:
    """Return what applies a user's choice, as `before` does, and tells a run's server what it has to do."""

    async def apply(spawner: Any, options: dict[str, Any]) -> None:
        if asyncio.iscoroutine(done := before(spawner, options)):
            await done
        if not str(spawner.name).startswith(SERVERS):
            return
        work = options.get("run")
        if not isinstance(work, dict):
            why = (
                f"Servers named {SERVERS}... are of scheduled runs: start them on the page of your schedules."
            )
            raise Refusal(why, reason="schedule")
        spawner.environment = {**spawner.environment, WORK: json.dumps(work)}

    return apply


def limit(own: int) -> Callable[[Any], int]:
    """Return how JupyterHub limits named servers: to so many of users' own, the service's beside them."""
    from jupyterhub.handlers.pages import AdminHandler, HomeHandler
    from tornado import web

    def of(handler: Any) -> int:
        asks = handler.current_user
        if getattr(asks, "kind", "") == "service" and asks.name == NAME:
            return 0  # no limit
        if isinstance(handler, HomeHandler | AdminHandler):
            return own
        user, name = ([*handler.path_args, *handler.path_kwargs.values(), "", ""])[:2]
        if str(name).startswith(SERVERS):
            raise web.HTTPError(403, f"Servers named {SERVERS}... are of scheduled runs.")
        if not own:
            raise web.HTTPError(400, "Named servers are not enabled.")
        found = handler.find_user(user) if user else None
        runs = [each for each in found.orm_spawners if each.startswith(SERVERS)] if found else []
        return own + len(runs)

    return of


def pages(c: Any, settings: Settings) -> None:
    """Put a line on the hub's own pages, and on the home page as many servers as users may have."""
    given = settings.configuration
    c.JupyterHub.template_paths = [str(TEMPLATES), *c.JupyterHub.template_paths]
    c.JupyterHub.template_vars = {
        **c.JupyterHub.template_vars,
        "probav_failed_runs": failed_runs(Path(settings.state, DATABASE)),
        "probav_named_servers": given.servers_per_user > 1,
    }
