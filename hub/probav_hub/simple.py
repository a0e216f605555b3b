"""JupyterHub's simple spawner of processes of one's own user, which keeps to the hours of a profile."""

from __future__ import annotations

import time
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import Float

from probav_hub.configuration import Profile


class SimpleSpawner(SimpleLocalProcessSpawner):  # type: ignore[misc]  # JupyterHub has no types
    """Ends a server whose hours are over, whichever hub started it."""

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

    async def poll(self) -> int | None:
        """Return None while the server runs, else its exit code."""
        code: int | None = await super().poll()
        if code is None and self.ends and time.time() > self.ends:
            self.log.warning("The server %s ended: the hours of its profile are over", self._log_name)
            self.ends = None  # stopping looks whether it runs
            await self.stop()
            return 0
        return code
