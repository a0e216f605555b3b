"""Run a program that sees a home which is a file system of its own: `image FOLDER IMAGE UID COMMAND...`.

The image is mounted for this process alone, as a sandbox does it, beside servers that may have it mounted.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from probav_hub.errors import HubError


def main(folder: Path, image: Path, uid: int, command: list[str]) -> int:
    """Mount, run and return the program's exit code."""
    from probav_hub.sandbox.keeper import private_mounts
    from probav_hub.sandbox.quota import Home

    try:
        private_mounts()
        Home(folder, image, uid).open(None)
    except HubError as error:
        print(error, file=sys.stderr)  # noqa: T201 - whoever started this reads it
        return 2
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
