"""The first thing in a user's container: bring samples and links into the home, then be the server."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

SAMPLES = Path("/opt/probav/sample_notebooks")
LINKS = ("/published", "/shared")
SINGLE = [
    "jupyter",
    "lab",
    "--ip=0.0.0.0",
    "--port=8888",
    "--no-browser",
]  # without a hub; its token is in the log


def main(command: list[str]) -> None:
    """Prepare the home, or say what is in the way, and run a command in this process's place."""
    os.umask(0o027)
    home = Path.home()
    try:
        from homes import prepare

        prepare(home, str(SAMPLES))
        for path in map(Path, LINKS):
            if path.is_dir():
                with suppress(FileExistsError):
                    (home / path.name).symlink_to(path)
    except OSError as error:  # a full home, or one that is another's: the server may still start
        print(f"The home could not be prepared: {error}", file=sys.stderr, flush=True)
    if command[:1] == ["jupyterhub-singleuser"] and "JUPYTERHUB_API_TOKEN" not in os.environ:
        command = [*SINGLE, *command[1:]]
    os.chdir(home)
    os.execvp(command[0], command)  # noqa: S606 - the image's or the hub's own command


if __name__ == "__main__":
    main(sys.argv[1:])
