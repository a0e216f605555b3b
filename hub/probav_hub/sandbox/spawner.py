"""JupyterHub's spawner of sandboxes."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from jupyterhub.traitlets import ByteSpecification
from traitlets import Float, Integer, List, Unicode, default

from probav_hub import ports
from probav_hub.configuration import Profile
from probav_hub.errors import HubError
from probav_hub.refusal import Refusal
from probav_hub.sandbox import command, listeners, machine, quota
from probav_hub.sandbox.accounts import FIRST, Accounts, is_plain
from probav_hub.sandbox.logs import last_line
from probav_hub.sandbox.plan import Bind, Plan
from probav_hub.sandbox.runs import Run, sweep

_PHASES = {"Preparing the home": 20, "Setting limits": 30, "Starting the server": 40}
_WITHIN = {"TMPDIR": "/tmp", "SHELL": "/bin/bash"}  # noqa: S108 - the sandbox's own
_CERTIFICATES = "/run/probav/certificates"


class SandboxSpawner(LocalProcessSpawner):  # type: ignore[misc]  # JupyterHub has no types
    """Runs a user's server as a process of this machine, under a number of its own, within its limits.

    It sees the user's home, the archive and the published folder to read, the folders of the user's groups,
    and the programs; no other home, process or secret. The hub must be root.
    """

    state_folder = Unicode(help="Folder of what the hub keeps; homes are in `homes` below it.").tag(
        config=True
    )
    archive = Unicode("", help="Path of the archive, which servers only read; a URL needs none.").tag(
        config=True
    )
    published = Unicode("", help="Folder that all users read, at /published.").tag(config=True)
    shared = Unicode("", help="Folder with a folder of each group, at /shared/GROUP for its members.").tag(
        config=True
    )
    notebooks = Unicode("", help="Folder of sample notebooks for the homes.").tag(config=True)
    read_only = List(Unicode(), help="More folders that servers see at their own place, to read.").tag(
        config=True
    )
    first_uid = Integer(FIRST, help="First of the users' numbers; another for each hub of a machine.").tag(
        config=True
    )
    process_limit = Integer(512, min=64, help="Processes and threads at most.").tag(config=True)
    disk_limit = ByteSpecification(None, allow_none=True, help="Bytes of the home at most.").tag(config=True)
    hours_limit = Float(None, allow_none=True, help="Hours after which the server is ended.").tag(config=True)

    proc: Popen[bytes] | None
    port: int
    run_name = Unicode(help="Name of the running sandbox's folder.")
    last_end = Unicode(help="Why the last server ended, if it was not asked to.")

    _code = 0  # of the last server
    _killed = 0  # processes of the running one

    @default("poll_interval")
    def _default_poll_interval(self) -> int:
        return 2  # a port whose server has died is soon no longer the user's

    def take(self, profile: Profile) -> None:
        """Keep to a profile: what the size of its Spark is, `profiles.apply` says."""
        from probav_hub.profiles import size

        self.cpu_limit, self.mem_limit = profile.cpu, size(profile.memory)
        self.disk_limit = size(profile.disk) if profile.disk else None
        self.process_limit, self.hours_limit = profile.processes, profile.hours

    @property
    def run(self) -> Run | None:
        """Return the sandbox, if there is one."""
        return Run(Path(self.state_folder, "sandboxes", self.run_name)) if self.run_name else None

    def make_preexec_fn(self, name: str) -> None:
        """Do nothing before the keeper starts: it is the hub's, and the user knows no account."""
        return None

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add what depends on the sandbox."""
        name = self.user.name
        return {**env, **_WITHIN, "USER": name, "LOGNAME": name, "HOME": f"/home/{name}"}

    def get_state(self) -> dict[str, Any]:
        """Return what a hub that is started anew finds the server by."""
        state: dict[str, Any] = super().get_state()
        if self.run_name:
            state["run"] = self.run_name
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a server that another hub has started."""
        super().load_state(state)
        self.run_name = state.get("run", "")

    def clear_state(self) -> None:
        """Forget the server, and remove what it left."""
        if (run := self.run) is not None:
            run.remove()
        self.run_name = ""
        super().clear_state()

    async def move_certs(self, paths: dict[str, str]) -> dict[str, str]:
        """Return where the sandbox will see the certificates of JupyterHub's `internal_ssl`."""
        self._certificates = dict(paths)
        return {name: f"{_CERTIFICATES}/{Path(path).name}" for name, path in paths.items()}

    async def start(self) -> tuple[str, int]:
        """Start the server and return where it listens, when it does."""
        for port in ports.choices():  # which nobody can know before
            self.port = port
            try:
                await self._start()
            except ports.PortTakenError:
                self.log.warning("Port %d was taken before the server %s had it", port, self._log_name)
                await self.stop(now=True)
            else:
                return ports.ADDRESS, port
        raise _refused(ports.refusal())

    async def _start(self) -> None:
        """Start the server on its port, and return when it listens."""
        self._code = self._killed = 0
        environment, inner = self.get_env(), [*self.cmd, *self.get_args()]
        groups = [
            group.name for group in self.user.groups if is_plain(group.name)
        ]  # not in a thread: a database
        try:
            run = await asyncio.to_thread(self._prepare, inner, environment, groups)
        except HubError as error:
            raise _refused(str(error)) from None
        self.log.info("Starting in sandbox %s: %s", run.folder.name, shlex.join(inner))
        self.proc = Popen(
            [sys.executable, "-I", "-m", "probav_hub.sandbox.keeper", str(run.folder)],
            cwd=run.folder,
            env=environment,
            stdin=DEVNULL,
            start_new_session=True,
        )
        self.pid = self.proc.pid
        run.kept_by(self.pid)
        self.run_name = run.folder.name
        await self._until_it_listens(run)

    def _prepare(self, inner: list[str], environment: dict[str, str], names: list[str]) -> Run:
        """Write down what the sandbox is made of."""
        found = machine.problems()
        if found:
            raise HubError(" ".join(found))
        if self.shell_cmd or self.popen_kwargs:
            raise HubError(
                "Spawner.shell_cmd and .popen_kwargs would be without effect in a sandbox: leave them out."
            )
        name, state = self.user.name, Path(self.state_folder)
        if not is_plain(name):
            raise HubError(f"The user name {name!r} can be no folder's: ask the hub's administrator.")
        sweep(state, name, self.name)
        accounts = Accounts(state, self.first_uid)
        uid = accounts.user(name)
        run = Run.new(state, name, self.name)
        memory = int(self.mem_limit) if self.mem_limit else None
        groups = {group: accounts.group(group) for group in names}
        image = state / "disks" / f"{name}.ext4"
        welcome = [sys.executable, "-I", "-m", "probav_hub.sandbox.welcome", self.notebooks]
        Plan(
            user=name,
            uid=uid,
            home=str(state / "homes" / name),
            command=[*welcome, *inner],
            log=str(state / "logs" / f"{name}{f'--{self.name}' if self.name else ''}.log"),
            cgroup=run.folder.name,
            groups=groups,
            binds=self._binds(run, environment, uid, groups),
            hidden=[str(state), os.path.realpath(state)],
            image=str(image) if image.exists() or quota.has_images() else None,
            memory=memory,
            cpu=float(self.cpu_limit) if self.cpu_limit else None,
            processes=self.process_limit,
            disk=int(self.disk_limit) if self.disk_limit else None,
            temporary=memory // 2 if memory else None,
            hours=self.hours_limit or None,
        ).save(run.folder)
        return run

    def _binds(self, run: Run, environment: dict[str, str], uid: int, groups: dict[str, int]) -> list[Bind]:
        named = (environment.get(name, "") for name in ("SPARK_CONF_DIR", "HADOOP_CONF_DIR"))
        archive = "" if "://" in self.archive else self.archive
        folders = [archive, self.notebooks, *self.read_only, *named]
        binds = [
            *command.environment(),
            *(Bind(path, path) for path in folders if path and os.path.exists(path)),
        ]
        if self.published:
            binds.append(Bind(self.published, "/published"))
        if self.shared:
            for group, number in groups.items():
                folder = Path(self.shared, group)
                folder.mkdir(exist_ok=True)
                os.chown(folder, 0, number)
                folder.chmod(0o2770)  # what is made in it belongs to the group
                binds.append(Bind(str(folder), f"/shared/{group}", writable=True))
        if self.internal_ssl:
            target = run.folder / "certificates"
            target.mkdir(mode=0o700)
            for path in self._certificates.values():
                copy = Path(shutil.copy(path, target))
                copy.chmod(0o400)
                os.chown(copy, uid, uid)
            os.chown(target, uid, uid)
            binds.append(Bind(str(target), _CERTIFICATES))
        return list(dict.fromkeys(binds))

    async def _until_it_listens(self, run: Run) -> None:
        """Return when the user's own process listens on the port.

        JupyterHub would send the user's browser, with its tokens, to whoever listens there.

        Raises
        ------
        PortTakenError
            If another process has the port.
        """
        uid = Plan.load(run.folder).uid
        while True:
            found = listeners.owners(self.port)
            if found == {uid}:
                return
            if found:
                raise ports.PortTakenError
            if self.proc is None or self.proc.poll() is not None:
                if ports.is_taken(self.port):  # by a connection
                    raise ports.PortTakenError
                raise _refused(
                    self._collect(run) or "The server ended as it started; the log has no word of it."
                )
            await asyncio.sleep(0.1)

    def _collect(self, run: Run) -> str:
        """Return why a server ended, for the user, and put it into the hub's log."""
        result = run.result
        code = int(result.get("code", 0))
        why = str(result.get("why", ""))
        if not result:
            why = "The process that keeps it was killed."
        elif not why and code:
            ended = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
            said = last_line(self._log_file)
            why = f"The server {ended}{f'; its last line was: {said}' if said else ''}"
        if why:
            self.log.warning("The server %s ended: %s (its log is %s)", self._log_name, why, self._log_file)
        return why

    @property
    def _log_file(self) -> Path:
        name = f"{self.user.name}--{self.name}" if self.name else self.user.name
        return Path(self.state_folder, "logs", f"{name}.log")

    async def poll(self) -> int | None:
        """Return None while the server runs, else its exit code."""
        run = self.run
        if run is None or not self.pid:
            self.clear_state()
            return self._code
        code: int | None = self.proc.poll() if self.proc is not None else None
        if code is None and (self.proc is not None or run.pid == self.pid):
            self._note(run)
            return None
        result = run.result
        self.last_end = self._collect(run)
        self._code = int(result.get("code", code or 0)) if result else (code or 1)
        self.proc = None
        await asyncio.to_thread(self.clear_state)
        return self._code

    def _note(self, run: Run) -> None:
        """Say in the hub's log that a process of a running server, such as a kernel, was killed."""
        killed = int(run.figures.get("oom_kills", 0))
        if killed > self._killed:
            peak = quota.words(int(run.figures["memory_peak"]))
            self.log.warning(
                "Processes of the server %s were killed for their memory: %d by now; at most %s were in use",
                self._log_name, killed, peak,
            )  # fmt: skip
        self._killed = killed

    async def _signal(self, sig: int) -> bool:
        """Send a signal to the keeper, if it is still the same process."""
        run = self.run
        if run is None or not self.pid or run.pid != self.pid:
            return False
        return bool(await super()._signal(sig))

    async def stop(self, now: bool = False) -> None:
        """End the server and everything in its sandbox."""
        await super().stop(now)
        if (run := self.run) is not None:
            await asyncio.to_thread(run.end, 1.0)
            self.proc = None
            self.clear_state()
        self.last_end = ""  # it was asked to

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what its start is at, as the keeper and the server say."""
        if self.last_end:
            yield {"progress": 5, "message": f"Your last server ended: {self.last_end}"}
        for warning in machine.warnings([self.disk_limit]):
            yield {"progress": 10, "message": warning}
        shown = ""
        while self._spawn_pending:
            phase = run.phase if (run := self.run) is not None else ""
            if phase and phase != shown:
                shown = phase
                yield {"progress": _PHASES.get(phase, 50), "message": phase}
            if self.pid and listeners.owners(self.port):
                yield {"progress": 80, "message": "The server listens; waiting for its first answer"}
                return
            await asyncio.sleep(0.3)


def _refused(why: str) -> Refusal:
    return Refusal(why, reason="sandbox")
