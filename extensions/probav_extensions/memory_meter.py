"""The memory meter of JupyterLab's status bar: given a limit, it warns before a kernel dies."""

from __future__ import annotations

from typing import Any

from probav import memory

_SETTING = "jupyter_resource_usage_display_config"
_WARN_BELOW = 0.2  # of the limit that is left; by itself it warns at half of that, which one cell may take


def configure(server: Any) -> None:
    """Tell jupyter-resource-usage what memory there is, unless its own configuration or $MEM_LIMIT does.

    Parameters
    ----------
    server : ServerApp
        Whose extension jupyter_resource_usage is loaded; it is left alone where there is none.
    """
    display = server.web_app.settings.get(_SETTING)
    if display is None:
        return
    if not display.mem_limit:
        display.mem_limit = memory.limit() or 0
    if "mem_warning_threshold" not in server.config.get("ResourceUseDisplay", {}):
        display.mem_warning_threshold = _WARN_BELOW
