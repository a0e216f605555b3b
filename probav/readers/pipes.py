"""What two processes of probav say to each other: small objects, and arrays without a detour."""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

import numpy as np

_HEAD = struct.Struct("!Q")


class Pipe:
    """One end of a socket pair; both ends are ours, which is why pickle is safe here.

    Parameters
    ----------
    end : socket
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, item: Any) -> None:
        """Send an object; the bytes of an array follow its shape and type.

        Raises
        ------
        ConnectionError
            If the other end is closed.
        """
        is_array = isinstance(item, np.ndarray)
        text = pickle.dumps((item.dtype.str, item.shape) if is_array else item)
        self._end.sendall(_HEAD.pack(len(text) << 1 | is_array) + text)
        if is_array and item.size:
            self._end.sendall(np.ascontiguousarray(item).data.cast("B"))

    def receive(self, timeout: float | None = None) -> Any:
        """Return what the other end sent.

        Parameters
        ----------
        timeout : float, optional, seconds
            Between two pieces of it.

        Raises
        ------
        EOFError
            If the other end is closed.
        TimeoutError
            If nothing came.
        """
        self._end.settimeout(timeout)
        (head,) = _HEAD.unpack(self._take(bytearray(_HEAD.size)))
        item = pickle.loads(self._take(bytearray(head >> 1)))  # noqa: S301  # from our own process
        if head & 1:
            dtype, shape = item
            item = np.empty(shape, dtype)
            if item.size:
                self._take(item.data.cast("B"))
        return item

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _take(self, buffer: bytearray | memoryview) -> bytearray | memoryview:
        view = memoryview(buffer)
        while view:
            count = self._end.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]
        return buffer
