"""JupyterHub's simple spawner of processes of one's own user, with the hours of a profile and a sure port."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import psutil
from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import Float

from probav_hub import ports
from probav_hub.configuration import Profile
from probav_hub.refusal import Refusal
from probav_hub.sandbox.listeners import owners


class SimpleSpawner(SimpleLocalProcessSpawner):  # type: ignore[misc]  # JupyterHub has no types
    """Ends a server whose hours are over, whichever hub started it; one that lost its port gets another."""

    ends = Float(None, allow_none=True, help="When its hours are over, in seconds since 1970.")

    def take(self, profile: Profile) -> None:
        """Keep to a profile: cores and memory are wishes here, the hours are not."""
        self.ends = time.time() + profile.hours * 3600 if profile.hours else None

    def get_state(self) -> dict[str, Any]:
        """Return what a hub that is started anew finds the server by."""
        return {**super().get_state(), **({"ends": self.ends} if self.ends else {})}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a server that another hub has started."""
        super().load_state(state)
        self.ends = state.get("ends")

    async def start(self) -> tuple[str, int]:
        """Start the server and return where it listens, when it does."""
        chosen = any("port" in self.config[name] for name in self.section_names())
        if chosen or sys.platform != "linux":  # elsewhere nobody can see who listens
            return tuple(await super().start())
        for port in ports.choices():
            self.port = port
            address = await super().start()
            try:
                await self._until_it_listens()
            except ports.PortTakenError:
                self.log.warning("Port %d was taken before the server %s had it", port, self._log_name)
                await self.stop(now=True)
            else:
                return tuple(address)
        raise Refusal(ports.refusal(), reason="port")

    async def _until_it_listens(self) -> None:
        """Return when the server has its port, or has ended for another reason.

        Raises
        ------
        PortTakenError
            If another process has it.
        """
        while not owners(self.port):
            if self.proc is None or self.proc.poll() is not None:
                if ports.is_taken(self.port):  # by a connection
                    raise ports.PortTakenError
                return
            await asyncio.sleep(0.1)
        if not self._is_ours(self.port):
            raise ports.PortTakenError

    def _is_ours(self, port: int) -> bool:
        """Return whether a process of the server listens on a port."""
        try:
            own = psutil.Process(self.pid)
            known = {own.pid, *(child.pid for child in own.children(recursive=True))}
        except psutil.NoSuchProcess:
            return False
        return any(
            each.pid in known and each.status == psutil.CONN_LISTEN and each.laddr[1:2] == (port,)
            for each in psutil.net_connections("tcp")
        )

    async def poll(self) -> int | None:
        """Return None while the server runs, else its exit code."""
        code: int | None = await super().poll()
        if code is None and self.ends and time.time() > self.ends:
            self.log.warning("The server %s ended: the hours of its profile are over", self._log_name)
            self.ends = None  # stopping looks whether it runs
            await self.stop()
            return 0
        return code
