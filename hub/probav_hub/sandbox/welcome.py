"""The first thing in a sandbox, run as the user: bring samples and links into the home, then be the server.

The hub itself, which is root, writes into no home: a link that a user put there would lead it anywhere.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

LINKS = ("/published", "/shared")


def main(arguments: list[str]) -> None:
    """Prepare the home with the samples of a folder, or of none, and run a command in this process's place.

    Parameters
    ----------
    arguments : list of str
        The folder, then the command.
    """
    os.umask(0o007)  # the user's own group has one member; in a group's folder its members share
    home = Path.home()
    try:
        if arguments[0]:
            from probav_hub.homes import prepare

            prepare(home, arguments[0])
        for path in map(Path, LINKS):
            if path.is_dir():
                with suppress(FileExistsError):
                    (home / path.name).symlink_to(path)
    except Exception as error:  # a full disk, a spoilt file: the user puts that right in the server
        sys.stderr.write(f"The home could not be prepared: {error}\n")
    os.execvp(arguments[1], arguments[1:])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
