"""Prepare a checkout for `make`: uv, the environment `.venv`, Java, Node and (for tests) a browser.

Standard library only: it runs with whatever `python3` the machine has. What is missing is installed into the
checkout or the user's data folder, never into the system; only root on Debian or Ubuntu gets packages by apt.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
DATA = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "probav"
UV = "0.9"  # the oldest that reads our lock
JAVA, NODE = 17, 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Stop(Exception):
    """What the user has to know, in one sentence."""


def say(text: str) -> None:
    """Tell the user at once what takes time now."""
    print(text, flush=True)  # noqa: T201


def output(*command: str | Path, seconds: int = 60) -> str:
    """Return what a command prints, or nothing when it fails or does not exist."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr if done.returncode == 0 else ""


def run(*command: str | Path, **environment: str) -> None:
    """Run a command in the checkout and stop when it fails."""
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Stop(f"`{Path(command[0]).name} {command[1]}` failed with exit code {done.returncode}.")


def apt(*packages: str) -> bool:
    """Install system packages where that is ours to do: as root, with apt."""
    if os.geteuid() or not shutil.which("apt-get"):
        return False
    say(f"Installing {' '.join(packages)} with apt-get")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        if subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode:
            return False
    return True


def version(text: str, pattern: str) -> tuple[int, ...]:
    """Return the numbers the pattern's group finds in a program's version text."""
    found = re.search(pattern, text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def find_uv() -> Path:
    """Return a recent enough uv, installed by pip into a private environment where the machine has none."""
    private = DATA / "uv"
    for candidate in (shutil.which("uv"), private / "bin" / "uv"):
        oldest = tuple(int(part) for part in UV.split("."))
        if candidate and version(output(candidate, "--version"), r"uv (\d+\.\d+)") >= oldest:
            return Path(candidate)
    say("Installing uv")
    wanted = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"uv>={UV},<1"]
    if not output(sys.executable, "-c", "import ensurepip; print('here')"):  # Debian packages it apart
        if output(sys.executable, "-m", "pip", "--version"):
            run(sys.executable, *wanted, "--target", private)
            return private / "bin" / "uv"
        if not apt("python3-venv"):
            raise Stop("This Python can neither make virtual environments nor run pip: run "
                       "`sudo apt-get install python3-venv`, then the same command again.")  # fmt: skip
    run(sys.executable, "-m", "venv", "--clear", private)
    run(private / "bin" / "python", *wanted)
    return private / "bin" / "uv"


def missing_runtimes() -> list[str]:
    """Return the dependency groups that replace what the machine lacks: `java`, `node`."""
    home = os.environ.get("JAVA_HOME")
    javas = [Path(home, "bin", "java")] if home else []
    javas += [Path(found) for found in [shutil.which("java")] if found]
    groups = []
    if not any(version(output(java, "-version"), r'version "(\d+)') >= (JAVA,) for java in javas):
        groups.append("java")
    if version(output("node", "--version"), r"v(\d+)") < (NODE,) or not shutil.which("npm"):
        groups.append("node")
    return groups


def stamp(groups: list[str]) -> str:
    """Return the digest of everything the environment is made from."""
    digest = hashlib.sha256(repr((sorted(groups), sys.version)).encode())
    data = [*(ROOT / "kernels").glob("kernelspec*"), *ROOT.glob("*/jupyter_server_config.d")]
    data += ROOT.glob("*/*/labextension")
    files = [ROOT / "uv.lock", *ROOT.glob("pyproject.toml"), *ROOT.glob("*/pyproject.toml")]
    for path in sorted([*files, *(file for folder in data for file in folder.rglob("*") if file.is_file())]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sync(for_tests: bool) -> None:
    """Bring `.venv` to what the lock says; nothing to do when nothing changed."""
    groups = missing_runtimes()
    purpose = "test" if for_tests else "lab"
    digest, record = stamp(groups), ENVIRONMENT / f"probav-{purpose}.stamp"
    python = ENVIRONMENT / "bin" / "python"
    if record.exists() and record.read_text() == digest and output(python, "-c", "print('works')"):
        return
    command: list[str | Path] = [find_uv(), "sync", "--frozen"]
    for package in ("probav-kernels", "probav-extensions"):  # whose data files are copies
        command += ["--reinstall-package", package]
    if not output(python, "-c", "print('works')"):  # a new environment; an existing one keeps its Python
        command += ["--python", getattr(sys, "_base_executable", sys.executable)]
    if not for_tests:
        command += ["--no-default-groups", "--group", "lab", "--inexact"]
    for group in groups:
        command += ["--group", group]
    say("Installing the Python environment (.venv); the first time takes a few minutes")
    run(*command, UV_PYTHON_DOWNLOADS="never")
    say("Keeping Spark's classes loaded, so that sessions start sooner")
    output(python, "-m", "probav_kernels.class_data", seconds=300)
    record.write_text(digest)


def find_browser() -> bool:
    """Return whether the machine has a Chromium that tests can drive."""
    own = glob.glob(str(Path.home() / ".cache" / "ms-playwright" / "chromium*"))
    return bool(own) or any(shutil.which(name) for name in BROWSERS)


def provide_browser() -> None:
    """Get a browser for the tests: the machine's, apt's for root, Playwright's own; without one, say so."""
    if find_browser() or (apt("chromium") and find_browser()):
        return
    playwright = ENVIRONMENT / "bin" / "playwright"
    if subprocess.run([playwright, "install", "chromium"], stdin=subprocess.DEVNULL).returncode:
        say("NO BROWSER: install chromium to run the browser tests; they will be SKIPPED.")


def main(arguments: list[str]) -> int:
    """Prepare for `lab` or `test`, or run `uv ARGUMENT...` with the uv found."""
    if arguments not in (["lab"], ["test"]) and arguments[:1] != ["uv"]:
        raise Stop("usage: bootstrap.py lab | test | uv ARGUMENT...")
    if sys.version_info < (3, 11):  # noqa: UP036  (this file is what finds out)
        raise Stop(f"probav needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}: "
                   "install a newer one and name it, as in `make run PYTHON=python3.13`.")  # fmt: skip
    if arguments[0] == "uv":
        return subprocess.run([find_uv(), *arguments[1:]], cwd=ROOT, stdin=subprocess.DEVNULL).returncode
    for folder in (DATA, ROOT):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise Stop(f"Cannot write to {folder}: allow it, or work where you may write "
                       "(XDG_DATA_HOME moves the data folder).")  # fmt: skip
    sync(for_tests=arguments == ["test"])
    if arguments == ["test"]:
        provide_browser()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as problem:
        sys.exit(f"probav: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)
