"""The child of `guard`: opens granules and reads rows for its parent, until the parent's end closes."""

from __future__ import annotations

import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from probav.errors import ProbavError
from probav.readers.granules import OpenGranule, open_granule
from probav.readers.pipes import Pipe


def serve(pipe: Pipe) -> None:
    """Answer requests: a granule to open, a key and rows to read, a key to close."""
    opened: dict[int, OpenGranule] = {}
    pipe.send("ready")
    while True:
        command, key, *arguments = pipe.receive()
        try:
            answer: Any = None
            if command == "open":
                granule = opened[key] = open_granule(arguments[0])
                answer = granule.grid, granule.variables, granule.notes, granule.paths
            elif command == "read":
                answer = opened[key].read(*arguments)
            elif key in opened:
                opened.pop(key).close()
        except ProbavError as error:
            pipe.send(error)
        except Exception as error:  # a defect of ours is reported as such, too, and ends no ingest
            pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))
        else:
            pipe.send(answer)


def limit_memory(more: int) -> None:
    """Let this process take at most `more` bytes on top of what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main() -> None:
    """Serve the socket whose descriptor is the first argument, with as much memory as the second says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_memory(int(sys.argv[2]))
    try:
        serve(Pipe(socket.socket(fileno=int(sys.argv[1]))))
    except (EOFError, ConnectionError):
        pass  # the parent is done, or gone


if __name__ == "__main__":
    main()
