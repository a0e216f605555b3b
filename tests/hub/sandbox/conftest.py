"""Sandboxes of two users; they need root, bubblewrap and control groups."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from probav_hub.sandbox import command, machine, quota
from probav_hub.sandbox.accounts import Accounts
from probav_hub.sandbox.plan import Plan
from probav_hub.sandbox.runs import Run

MIB = 2**20


@dataclass
class Sandbox:
    """A started sandbox."""

    run: Run
    plan: Plan
    keeper: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        log = Path(self.plan.log)
        return log.read_text() if log.exists() else ""

    @property
    def home(self) -> Path:
        return Path(self.plan.home)

    def wait(self, seconds: float = 60) -> dict[str, Any]:
        """Return how it ended."""
        self.keeper.wait(seconds)
        return self.run.result

    def wait_for(self, text: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.keeper.poll() is None, f"it ended: {self.run.result} {self.output}"
            assert time.monotonic() < deadline, f"no {text!r} in time in: {self.output}"
            time.sleep(0.05)

    def stop(self) -> dict[str, Any]:
        if self.keeper.poll() is None:
            self.keeper.terminate()
        return self.wait()


Start = Callable[..., Sandbox]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Folder of what a hub keeps."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


@contextmanager
def starting(state: Path) -> Iterator[Start]:
    """Start a sandbox of a user that runs Python code, or a command; it is ended with the block."""
    started: list[Sandbox] = []

    def run(user: str, code: str | list[str], disk: int | None = None, **changes: Any) -> Sandbox:
        kept = Run.new(state, user, "")
        plan = Plan(
            user=user,
            uid=Accounts(state).user(user),
            home=str(state / "homes" / user),
            command=[sys.executable, "-c", code] if isinstance(code, str) else code,
            log=str(state / "logs" / f"{user}-{len(started)}.log"),
            cgroup=kept.folder.name,
            binds=command.environment(),
            hidden=[str(state)],
            image=str(state / "disks" / f"{user}.ext4") if disk and quota.has_images() else None,
            disk=disk,
            memory=256 * MIB,
            processes=64,
            cpu=1,
        )
        plan = replace(plan, **changes)
        plan.save(kept.folder)
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-m", "probav_hub.sandbox.keeper", str(kept.folder)],
            env={"PATH": "/usr/bin:/bin", "HOME": plan.inner_home, "USER": user, "TOKEN": f"secret of {user}",
                 "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        kept.kept_by(keeper.pid)
        started.append(Sandbox(kept, plan, keeper))
        return started[-1]

    try:
        yield run
    finally:
        for sandbox in started:
            sandbox.stop()


@pytest.fixture(scope="session")
def sandboxes() -> Callable[[Path], AbstractContextManager[Start]]:
    """Start sandboxes of a hub whose folder is given; skipped where there can be none."""
    found = machine.problems()
    if found:
        pytest.skip(f"no sandboxes here: {' '.join(found)}")
    return starting


@pytest.fixture
def start(sandboxes, state: Path) -> Iterator[Start]:
    with sandboxes(state) as run:
        yield run
