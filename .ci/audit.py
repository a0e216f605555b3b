"""Ask for known vulnerabilities of all that is locked: Python's packages (OSV, by uv) and the proxy's (npm).

Fails when one is found. Where nobody can be asked it says so, loudly, and does not fail. UV_AUDIT_SERVICE
names another address of OSV's interface, such as a mirror.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NO_ANSWER = ("Name or service not known", "error sending request", "405 Method Not Allowed", "ENOTFOUND",
             "ECONNREFUSED", "Request failed", "audit endpoint returned an error")  # fmt: skip


def ask(what: str, command: list[str | Path], folder: Path) -> bool:
    """Return whether something was found, and print what."""
    print(f"--- audit: {what}", flush=True)
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()
    why = next(
        (line.strip() for line in said.splitlines() if any(words in line for words in NO_ANSWER)), None
    )
    if done.returncode and why:
        print(f"NOT AUDITED: {what}: {why}")
        return False
    print(said)
    return done.returncode != 0


def main() -> int:
    """Return 1 if a vulnerability is known."""
    service = os.environ.get("UV_AUDIT_SERVICE")
    uv = [
        sys.executable,
        ROOT / "bootstrap.py",
        "uv",
        "audit",
        "--frozen",
        "--preview-features",
        "audit-command",
    ]
    found = [ask("Python", [*uv, *(["--service-url", service] if service else [])], ROOT)]
    npm = shutil.which("npm", path=os.pathsep.join([os.environ.get("PATH", ""), str(ROOT / ".venv" / "bin")]))
    for lock in sorted(ROOT.glob("*/*/npm/package-lock.json")):
        folder = lock.parent.relative_to(ROOT)
        if npm:
            found.append(ask(str(folder), [npm, "audit", "--package-lock-only", "--omit=dev"], lock.parent))
        else:
            print(f"NOT AUDITED: {folder}: there is no npm")
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
