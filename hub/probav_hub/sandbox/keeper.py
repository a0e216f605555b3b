"""The process outside a sandbox that starts it, keeps its log, ends it in time, and says why it ended.

It is no child of the hub's for long: a hub that is stopped or killed finds it again. If it is killed itself,
the sandbox dies with it. Nothing of a sandbox is left when it ends: processes, control group, mounts.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from probav_hub.errors import HubError
from probav_hub.sandbox import cgroups, command, etc, landlock, seccomp
from probav_hub.sandbox.logs import Log
from probav_hub.sandbox.plan import FIGURES, PHASE, RESULT, Plan, write
from probav_hub.sandbox.quota import Home, words

_NEW_MOUNTS, _SLAVE, _RECURSIVE = 0x20000, 1 << 19, 0x4000  # linux/sched.h, linux/mount.h
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_JOIN_NEW_KEYRING = 1
_EVERY = 5.0  # seconds between looks at what is used


class Keeper:
    """One sandbox from its start to its end.

    Parameters
    ----------
    folder : Path
        With the plan; what becomes of it is written there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = Plan.load(folder)
        image = Path(self.plan.image) if self.plan.image else None
        self.home = Home(Path(self.plan.home), image, self.plan.uid)
        self.group = cgroups.group(self.plan.cgroup)
        self._first = 0  # first process of the sandbox, as the host counts
        self._why = ""
        self._is_ending = self._is_told = False
        self._kill_at = float("inf")

    def run(self) -> int:
        """Run the sandbox to its end and return the server's exit code, negative for a signal."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._asked)
        code, usage, is_full = 1, cgroups.Usage(), False
        try:
            self._phase("Preparing the home")
            private_mounts()
            self.home.open(self.plan.disk)
            self._phase("Setting limits")
            write(self.folder / "cgroup.json", [str(folder) for folder in self.group.folders])
            self.group.create(cgroups.Limits(self.plan.memory, self.plan.cpu, self.plan.processes))
            code = self._serve()
            usage, is_full = self.group.usage(), self.home.is_full(self.plan.disk)
        except HubError as error:
            self._why = str(error)
        finally:
            self.group.remove()
        figures = self._figures(usage)
        write(self.folder / RESULT, {"code": code, "why": self._reason(code, usage, is_full), **figures})
        return code

    def _serve(self) -> int:
        plan = self.plan
        binds = etc.write(plan, self.folder)
        filter_read, filter_write = os.pipe()
        os.write(filter_write, seccomp.program())  # smaller than what a pipe holds
        os.close(filter_write)
        info_read, info_write = os.pipe()
        if self._is_ending:
            raise HubError("It was stopped before it had started.")
        self._phase("Starting the server")
        process = subprocess.Popen(
            command.sandbox(plan, binds, filter_read, info_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(filter_read, info_write),
            preexec_fn=self._enter,
        )
        os.close(filter_read)
        os.close(info_write)
        with os.fdopen(info_read) as info, suppress(ValueError, KeyError):
            self._first = int(json.load(info)["child-pid"])
        assert process.stdout is not None
        with Log(Path(plan.log)) as log:
            self._watch(process, log)
        code = process.wait()
        self.group.kill()
        return 128 - code if code > 128 else code  # bubblewrap's way of saying that a signal ended it

    def _enter(self) -> None:
        """Between fork and exec: into the group; with no keys, sockets and dumps of others'."""
        self.group.join()
        landlock.restrict()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(KeyError):
            ctypes.CDLL(None).syscall(_KEYCTL[platform.machine()], _JOIN_NEW_KEYRING, None)

    def _watch(self, process: subprocess.Popen[bytes], log: Log) -> None:
        """Pass on what the server says until it ends, and end it in time."""
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        ends_at = time.monotonic() + self.plan.hours * 3600 if self.plan.hours else float("inf")
        look_at = 0.0
        end = os.pidfd_open(process.pid)
        with selectors.DefaultSelector() as selector, process.stdout as output:
            selector.register(end, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            while process.poll() is None:
                for key, _ in selector.select(timeout=1.0):
                    if key.fileobj is output:
                        text = output.read(65536)
                        if text:
                            log.write(text)
                        elif text is not None:  # closed
                            selector.unregister(output)
                now = time.monotonic()
                if now > ends_at:
                    ends_at = float("inf")
                    self._end(f"The time of its profile, {self.plan.hours:g} h, was over.")
                if self._is_ending and not self._is_told:  # asked before there was anybody to tell
                    self._tell()
                if now > self._kill_at:
                    self._kill_at = float("inf")
                    self.group.kill()
                if now > look_at:
                    look_at = now + self._look()
            while text := output.read(65536):
                log.write(text)
        os.close(end)

    def _look(self) -> float:
        """Write down what is used, end a server whose home is too large, and return when to look again."""
        began = time.monotonic()
        write(self.folder / FIGURES, self._figures(self.group.usage()))
        if self.plan.disk and self.home.image is None and self.home.is_full(self.plan.disk):
            self._end(f"Its home held {words(self.home.used())}, and the limit is {words(self.plan.disk)}.")
        return max(_EVERY, 20 * (time.monotonic() - began))

    def _figures(self, usage: cgroups.Usage) -> dict[str, float]:
        return {"memory_peak": usage.memory_peak, "oom_kills": usage.oom_kills, "refused": usage.refused,
                "throttled": usage.throttled, "cpu": usage.cpu}  # fmt: skip

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._end("")

    def _end(self, why: str) -> None:
        """Ask the server to end, once; what does not end is killed."""
        self._why = self._why or why
        self._is_ending = True
        self._kill_at = min(self._kill_at, time.monotonic() + self.plan.grace)
        self._tell()

    def _tell(self) -> None:
        for pid in children(self._first):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
                self._is_told = True

    def _reason(self, code: int, usage: cgroups.Usage, is_full: bool) -> str:
        """Return why it ended, in sentences; nothing where it ended by itself and well."""
        plan, parts = self.plan, [self._why] if self._why else []
        if usage.oom_kills and plan.memory and code:
            parts.append(
                f"Processes were killed for their memory: {usage.oom_kills}. The limit is "
                f"{words(plan.memory)}, and at most {words(usage.memory_peak)} were in use."
            )
        if usage.refused and code:
            parts.append(
                f"It reached its limit of {plan.processes} processes: {usage.refused} more were refused."
            )
        if is_full and plan.disk:
            parts.append(f"Its home is full: {words(plan.disk)}.")
        return " ".join(parts)

    def _phase(self, text: str) -> None:
        write(self.folder / PHASE, text)


def children(pid: int) -> list[int]:
    """Return a process's children."""
    with suppress(OSError):
        return (
            [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            if pid
            else []
        )
    return []


def private_mounts() -> None:
    """Take a view of folders of one's own: what is mounted in it goes with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) or libc.mount(b"none", b"/", None, _RECURSIVE | _SLAVE, None):
        why = os.strerror(ctypes.get_errno())
        raise HubError(f"The hub may not mount: {why}. Run it as root, in a container with CAP_SYS_ADMIN.")


if __name__ == "__main__":
    result = Keeper(Path(sys.argv[1])).run()
    if result < 0:  # end as the server did
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-result, signal.SIG_DFL)
        os.kill(os.getpid(), -result)
    sys.exit(result)
