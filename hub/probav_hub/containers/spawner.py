"""JupyterHub's DockerSpawner with a profile's limits, what a server may see, and words for what fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any

from docker.errors import NotFound
from dockerspawner import DockerSpawner
from jupyterhub.utils import wait_for_http_server
from traitlets import Float, Integer, Unicode

from probav_hub.configuration import Profile
from probav_hub.containers import folders
from probav_hub.containers.engine import said
from probav_hub.containers.network import LABEL
from probav_hub.errors import HubError
from probav_hub.refusal import Refusal

CALLS = 4  # of the engine at a time: one that stops a server may take 10 s
KILLED = 137  # 128 + SIGKILL


class ContainerSpawner(DockerSpawner):  # type: ignore[misc]  # DockerSpawner has no types
    """Runs a user's server in a container of its own, within the limits of a profile.

    It sees the user's home, the archive and the published folder to read, and the folders of the user's
    groups. The container has no capability, can get none, and writes into its home and temporary files only.
    """

    owner = Unicode("probav", help="Whose the containers are: the hub, by its state folder.").tag(config=True)
    archive = Unicode("", help="Path of the archive, which servers only read; a URL needs none.").tag(
        config=True
    )
    published = Unicode("", help="Folder that all users read, at /published.").tag(config=True)
    shared = Unicode("", help="Folder with a folder of each group, at /shared/GROUP for its members.").tag(
        config=True
    )
    notebooks = Unicode("", help="Folder of sample notebooks, in the place of the image's.").tag(config=True)
    homes = Unicode("", help="Folder of the homes; without it each is a volume of the engine.").tag(
        config=True
    )
    process_limit = Integer(512, min=64, help="Processes and threads at most.").tag(config=True)
    hours_limit = Float(None, allow_none=True, help="Hours after which the server is ended.").tag(config=True)

    last_end = Unicode(help="Why the last server ended, if it was not asked to.")
    phase = Unicode(help="What the start is at.")

    @property
    def executor(self) -> ThreadPoolExecutor:
        """Return the threads that talk to the engine."""
        return _threads()

    def take(self, profile: Profile, image: str) -> None:
        """Keep to a profile, in its image or the one for all."""
        from probav_hub.profiles import size

        self.cpu_limit, self.mem_limit = profile.cpu, size(profile.memory)
        self.process_limit, self.hours_limit = profile.processes, profile.hours
        self.image = profile.image or image

    async def start(self) -> tuple[str, int]:
        """Start the server and return where it listens, when it answers or why it does not."""
        groups = [group.name for group in self.user.groups]
        what = f"The server's image {self.image}"
        try:
            self.phase = "Looking for the image"
            with said(what):
                await self.pull_image(self.image)
                identity = await self._identity()
            self.phase = "Preparing the home"
            self.volumes, self.read_only_volumes = await asyncio.to_thread(
                folders.binds, self, self.user.name, groups, identity
            )
            self.extra_host_config, self.extra_create_kwargs = self._limits(), {
                "labels": {LABEL: self.owner, "probav.user": self.user.name, "probav.server": self.name}
            }  # fmt: skip
            self.phase = "Starting the container"
            with said("The engine of containers"):
                await self._remove_what_is_left()
                ip, port = await super().start()
        except HubError as error:
            raise Refusal(str(error), reason="container") from None
        self.phase = "Waiting for the server's first answer"
        await self._until_it_answers(ip, port)
        return ip, port

    def _limits(self) -> dict[str, Any]:
        """Return what the container may not do, as docker's `host_config` says it."""
        memory = int(self.mem_limit) if self.mem_limit else None
        temporary = f",size={memory // 2}" if memory else ""  # counts as memory
        return {
            "auto_remove": False,  # what has ended is asked why
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "read_only": True,
            "tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,mode=1777{temporary}"},  # noqa: S108 - its own
            "pids_limit": self.process_limit,
            **({"memswap_limit": memory, "shm_size": memory // 2} if memory else {}),
        }

    async def _identity(self) -> tuple[int, int]:
        """Return the numbers of user and group that the image runs as.

        Raises
        ------
        HubError
            If they are root's, or names.
        """
        image = await self.docker("inspect_image", self.image)
        return folders.identity(self.image, image)

    async def _remove_what_is_left(self) -> None:
        """Remove a container of this name that another start of this hub left.

        Raises
        ------
        HubError
            If it is not this hub's.
        """
        try:
            found = await self.docker("inspect_container", self.object_name)
        except NotFound:
            return
        if (found["Config"].get("Labels") or {}).get(LABEL) != self.owner:
            raise HubError(
                f"A container {self.object_name} is there that this hub did not start: remove it, or name "
                "the hub's own otherwise (docker.name)."
            )
        await self.docker("remove_container", found["Id"], force=True)

    async def _until_it_answers(self, ip: str, port: int) -> None:
        """Return when the server answers; raise Refusal with the reason if it ends instead."""
        scheme = "https" if self.internal_ssl else "http"
        url = f"{scheme}://{ip}:{port}{self.server.base_url if self.server else '/'}api"
        asking = asyncio.create_task(wait_for_http_server(url, timeout=self.http_timeout))
        try:
            while not asking.done():
                await asyncio.wait([asking], timeout=0.5)
                if not asking.done() and await self.poll() is not None:
                    why, self.last_end = self.last_end, ""
                    raise Refusal(why or "The container was removed.", reason="container")
        finally:
            asking.cancel()

    async def get_object(self) -> dict[str, Any] | None:
        """Return what the engine says of the container, None where it has none."""
        try:
            found: dict[str, Any] = await self.docker("inspect_container", self.object_name)
        except NotFound:
            self.object_id = ""
            return None
        self.object_id = found["Id"]
        return found

    async def poll(self) -> int | None:
        """Return None while the server runs, or nobody can tell; else its exit code."""
        try:
            with said("The engine of containers"):
                found = await self.get_object() if self.object_id else None
                if found is None:
                    return 0
                if found["State"]["Running"] and not self._is_over(found):
                    return None
                code = await self._collect(found)
        except HubError as error:  # a server is not given up because its engine is just started anew
            self.log.warning("The server %s can't be looked at: %s", self._log_name, error)
            return None
        return code

    def _is_over(self, found: dict[str, Any]) -> bool:
        """Return whether a running server has had its hours."""
        if not self.hours_limit:
            return False
        began = datetime.fromisoformat(found["State"]["StartedAt"][:19]).replace(tzinfo=UTC)
        return (datetime.now(UTC) - began).total_seconds() > self.hours_limit * 3600

    async def _collect(self, found: dict[str, Any]) -> int:
        """End a server whose time is over, note why one ended, and remove its container."""
        state, container = found["State"], found["Id"]
        if state["Running"]:
            await self.docker("stop", container)
            self.last_end = f"Its {self.hours_limit:g} hours are over."
            code = 0
        else:
            code = int(state["ExitCode"])
            said_last = await self.docker("logs", container, tail=1)
            self.last_end = why(state, bytes(said_last).decode(errors="replace"), self.mem_limit)
        self.log.warning("The server %s ended: %s", self._log_name, self.last_end)
        await self.docker("remove_container", container, force=True, v=True)
        self.object_id = ""
        return code

    async def stop(self, now: bool = False) -> None:
        """End the server, and remove its container."""
        if self.object_id:
            with said("The engine of containers"):
                await self._end(now)
        self.object_id, self.last_end = "", ""  # it was asked to
        self.clear_state()

    async def _end(self, now: bool) -> None:
        try:
            if not now:
                await self.docker("stop", self.object_id)
            await self.docker("remove_container", self.object_id, force=True, v=True)
        except NotFound:
            self.log.debug("The container of %s is gone already", self._log_name)

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what the start is at."""
        if self.last_end:
            yield {"progress": 5, "message": f"Your last server ended: {self.last_end}"}
        shown, done = "", 10
        while self._spawn_pending:
            if self.phase != shown:
                shown, done = self.phase, min(done + 20, 90)
                yield {"progress": done, "message": shown}
            await asyncio.sleep(0.3)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CALLS, thread_name_prefix="engine")


def why(state: dict[str, Any], last: str, memory: int | None) -> str:
    """Return in words why a container ended, from the engine's account of it and its last line."""
    code, error = int(state.get("ExitCode", 0)), str(state.get("Error") or "")
    limit = f" The limit is {memory >> 20} MiB." if memory else ""
    if state.get("OOMKilled"):
        return f"Its processes were killed for their memory.{limit}"
    if error:
        return f"The engine says: {error}."
    line = " ".join(last.split())
    tail = f"; its last line was: {line}" if line else ""
    if code == KILLED:  # podman does not always say for what
        return f"The server was killed, most likely for its memory.{limit or tail}"
    return f"The server ended with exit code {code}{tail}"
