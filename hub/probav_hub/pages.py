"""The hub's own pages: JupyterHub's, or those of a way to log in, made readable for everybody."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from probav_hub.configuration import Configuration

TEMPLATES = Path(__file__).with_name("templates")


def pages(c: Any, given: Configuration) -> None:
    """Put our templates before those that JupyterHub's configuration `c` has by now."""
    before = list(c.JupyterHub.get("template_paths") or [])
    base = "templates/page.html"  # JupyterHub's
    if given.authentication.method == "sign-up":
        base = "nativeauthenticator/templates/page.html"
        before.append(str(files("nativeauthenticator") / ".."))
    c.JupyterHub.template_paths = [str(TEMPLATES), *before]
    c.JupyterHub.template_vars = {**(c.JupyterHub.get("template_vars") or {}), "probav_base": base}
