"""Why a server's container ended, in words, by what Kubernetes says of its pod."""

from __future__ import annotations

from typing import Any

NAME = "notebook"  # of the container, as KubeSpawner calls it
KILLED = 137  # 128 + SIGKILL


def why(pod: dict[str, Any] | None, memory: int | None) -> str:
    """Return why the server of a pod ended; empty where it has not, not even once.

    Parameters
    ----------
    pod : dict or None
        As the API server shows it.
    memory : int or None
        Its limit, in bytes.
    """
    status = (pod or {}).get("status") or {}
    for container in status.get("containerStatuses") or []:
        if container.get("name") == NAME:
            for state in (container.get("state") or {}, container.get("lastState") or {}):
                if ended := state.get("terminated"):
                    return _words(ended, memory)
    return ""


def _words(ended: dict[str, Any], memory: int | None) -> str:
    limit = f" The limit is {memory >> 20} MiB." if memory else ""
    code, reason = int(ended.get("exitCode") or 0), str(ended.get("reason") or "")
    if reason == "OOMKilled":
        return f"Its processes were killed for their memory.{limit}"
    if code == KILLED:  # a process of the container was killed, and not its first one
        return f"The server was killed, most likely for its memory.{limit}"
    lines = str(ended.get("message") or "").strip().splitlines()  # the end of its log
    return f"The server ended with exit code {code}{f'; its last line was: {lines[-1]}' if lines else ''}"
