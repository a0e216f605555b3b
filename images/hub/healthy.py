"""Whether the hub of this container answers through its proxy: its health check."""

from __future__ import annotations

import sys
from pathlib import Path

import requests
import urllib3

from probav_hub.processes import local_requests
from probav_hub.settings import Settings

SECONDS = 8


def main() -> int:
    """Return 0 if the hub of the configuration in use answers."""
    urllib3.disable_warnings()  # of a certificate that names the hub's public name, not this container
    files = sorted(Path("/srv/probav").rglob("settings.json"), key=lambda file: file.stat().st_mtime)
    if not files:
        return 1
    settings = Settings.load(files[-1])
    try:
        with local_requests() as http:
            return 0 if http.get(f"{settings.url}/hub/api/", timeout=SECONDS, verify=False).ok else 1
    except requests.RequestException:
        return 1


if __name__ == "__main__":
    sys.exit(main())
