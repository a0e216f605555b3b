"""Executors that failed of late: a program that can't start is not started anew for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from probav_hub.kubernetes.ended import why
from probav_hub.kubernetes.names import EXECUTOR, SERVER

SECONDS = 120.0  # that a failure counts


def most(executors: int) -> int:
    """Return after how many failures a server waits; each of its executors may fail, and once more."""
    return 2 * executors + 2


@dataclass
class Failures:
    """What failed, by server.

    Attributes
    ----------
    clock : callable
        Returns seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[float, str, str]] = field(default_factory=dict)  # by pod: when, server, why

    def see(self, pods: Iterable[dict[str, Any]]) -> None:
        """Take note of the failed ones; of each once, as Spark has them deleted soon."""
        now = self.clock()
        self._seen = {name: found for name, found in self._seen.items() if found[0] > now - SECONDS}
        for pod in pods:
            meta, status = pod["metadata"], pod.get("status") or {}
            told_to_end = "deletionTimestamp" in meta
            if status.get("phase") == "Failed" and not told_to_end:
                words = (
                    why(pod, None, EXECUTOR, "The executor") or status.get("message") or "No reason is told"
                )
                self._seen.setdefault(meta["name"], (now, meta["labels"][SERVER], str(words)))

    def refusal(self, server: str, executors: int) -> str:
        """Return why a server gets no executor now; empty where it does."""
        since = self.clock() - SECONDS
        found = sorted(
            (when, words) for when, of, words in self._seen.values() if of == server and when > since
        )
        if len(found) < most(executors):
            return ""
        # the clock goes on: those that count are fewer then
        wait = max(1, round(found[-most(executors)][0] - since))
        return (
            f"{len(found)} of this server's executors failed within {SECONDS:.0f} seconds. "
            f"{found[-1][1].rstrip('.')}. The next is made in {wait} seconds; if it fails, too, "
            "interrupt the cell and tell the hub's administrator."
        )
