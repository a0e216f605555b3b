"""The children of `guard`: a template that has imported the libraries, and the readers it forks.

The template never opens a source, so every reader starts clean, within milliseconds.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from probav.errors import ProbavError
from probav.readers.granules import OpenGranule, open_granule
from probav.readers.pipes import Pipe


def serve(pipe: Pipe) -> None:
    """Answer requests: a granule to open, a key and rows to read, a key to close."""
    opened: dict[int, OpenGranule] = {}
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


def fork(control: socket.socket) -> None:
    """Fork a reader for each socket that comes with (memory, temporary folder); say how one ended."""
    pipe = Pipe(control)
    pipe.send("ready")
    while True:
        request, ends, _, _ = socket.recv_fds(control, 1 << 16, 1)
        if not request:
            return
        number, _, folder = request.decode().partition(" ")
        if not ends:
            pipe.send(os.waitstatus_to_exitcode(os.waitpid(int(number), 0)[1]))
            continue
        pid = os.fork()
        if not pid:
            control.close()
            tempfile.tempdir = folder
            limit_memory(int(number))
            serve(Pipe(socket.socket(fileno=ends[0])))
        os.close(ends[0])
        pipe.send(pid)


def main() -> None:
    """Serve the socket whose descriptor is the only argument, until its other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        fork(socket.socket(fileno=int(sys.argv[1])))
    except (EOFError, ConnectionError):
        pass  # the parent is done, or gone


if __name__ == "__main__":
    main()
