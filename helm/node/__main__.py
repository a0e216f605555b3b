"""Keep a cluster of one node until Ctrl-C: `python -m helm.node`."""

from __future__ import annotations

import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from helm.node import Unavailable, cluster


def main() -> int:
    """Run the command line and return its exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with cluster(Path(scratch)):
                print(f"export KUBECONFIG={scratch}/kubeconfig", flush=True)  # noqa: T201
                with suppress(KeyboardInterrupt):
                    signal.pause()
        except Unavailable as error:
            print(f"helm.node: {error}", file=sys.stderr)  # noqa: T201
            return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
