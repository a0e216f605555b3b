"""Why Spark waits for executors: the broker's refusal, said in the output of the cell that waits.

Spark itself would show it each second, with all of its Java, and asks again for ever.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any

from probav_kernels.configuration import load

SECONDS = 5.0  # between two questions, while a cell runs
_TIMEOUT = 3.0
_MOST = 2**14  # bytes of an answer


def watch(environment: Mapping[str, str] = os.environ) -> Watch | None:
    """Return what looks after cells here; None where no broker makes executors."""
    master, token = load().master, environment.get("JUPYTERHUB_API_TOKEN", "")
    if not master.startswith("k8s://http") or not environment.get("PROBAV_POD_IP") or not token:
        return None
    namespace = environment.get("PROBAV_POD_NAMESPACE", "default")
    url = f"{master.removeprefix('k8s://')}/api/v1/namespaces/{namespace}/refusal"
    return Watch(lambda: ask(url, token))


def ask(url: str, token: str) -> str:
    """Return why a server has no executor; empty where it has one, or did not ask for any."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - the broker's
            found = json.loads(answer.read(_MOST))
        return "" if found["running"] else str(found["refused"])
    except (OSError, ValueError, KeyError, TypeError, HTTPException):
        return ""


class Watch:
    """Asks while a cell runs that uses Spark, and says what it is told, once in a cell."""

    def __init__(self, why: Callable[[], str], seconds: float = SECONDS) -> None:
        self._why, self._seconds = why, seconds
        self._ended = threading.Event()

    def before(self, info: Any = None) -> None:
        """Begin to look (IPython's `pre_run_cell`): what a thread prints goes to the cell that began it."""
        self.after()
        self._ended = threading.Event()
        threading.Thread(target=self._look, args=(self._ended,), daemon=True).start()

    def after(self, result: Any = None) -> None:
        """Look no more (IPython's `post_run_cell`)."""
        self._ended.set()

    def _look(self, ended: threading.Event) -> None:
        while not ended.wait(self._seconds):
            if "pyspark" in sys.modules and (message := self._why()) and not ended.is_set():
                sys.stderr.write(f"Spark waits for executors. {message}\n")
                sys.stderr.flush()
                return
