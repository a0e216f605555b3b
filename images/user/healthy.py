"""Whether the notebook server of this container answers: its health check, standard library only."""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 8


def main() -> int:
    """Return 0 if every server that says it runs answers, and there is one."""
    runtime = os.environ.get("JUPYTER_RUNTIME_DIR") or Path.home() / ".local/share/jupyter/runtime"
    files = list(Path(runtime).glob("jpserver-*.json"))
    running = [json.loads(file.read_text()) for file in files]
    urls = [server["url"] for server in running if Path("/proc", str(server["pid"])).exists()]
    return 0 if urls and all(map(answers, urls)) else 1


def answers(url: str) -> bool:
    """Return whether a server answers anything at all; whom it lets in is not the question."""
    at = urlsplit(url)
    host = at.hostname or "127.0.0.1"
    try:
        if at.scheme == "https":  # the hub's certificates are not this program's
            socket.create_connection((host, at.port or 443), SECONDS).close()
        else:
            urllib.request.urlopen(f"{url}api", timeout=SECONDS).close()  # noqa: S310 - its own server
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
