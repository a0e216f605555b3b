"""Why a container ended, in words, by what Kubernetes says of its pod."""

from __future__ import annotations

from typing import Any

from probav_hub.kubernetes.names import NOTEBOOK

KILLED = 137  # 128 + SIGKILL


def why(
    pod: dict[str, Any] | None, memory: int | None, name: str = NOTEBOOK, what: str = "The server"
) -> str:
    """Return why a container of a pod ended; empty where it has not, not even once.

    Parameters
    ----------
    pod : dict or None
        As the API server shows it.
    memory : int or None
        Its limit, in bytes.
    name : str
        Of the container.
    what : str
        It, in words.
    """
    status = (pod or {}).get("status") or {}
    for container in status.get("containerStatuses") or []:
        if container.get("name") == name:
            for state in (container.get("state") or {}, container.get("lastState") or {}):
                if ended := state.get("terminated"):
                    return _words(ended, memory, what)
    return ""


def _words(ended: dict[str, Any], memory: int | None, what: str) -> str:
    limit = f" The limit is {memory >> 20} MiB." if memory else ""
    code, reason = int(ended.get("exitCode") or 0), str(ended.get("reason") or "")
    if reason == "OOMKilled":
        return f"Its processes were killed for their memory.{limit}"
    if code == KILLED:  # a process of the container was killed, and not its first one
        return f"{what} was killed, most likely for its memory.{limit}"
    lines = str(ended.get("message") or "").strip().splitlines()  # the end of its log
    return f"{what} ended with exit code {code}{f'; its last line was: {lines[-1]}' if lines else ''}"
