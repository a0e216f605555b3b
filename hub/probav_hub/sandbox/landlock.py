"""No sockets without a file and no signals from one sandbox to another: Landlock, of Linux 6.12 and newer.

Sandboxes share the network, and with it Linux's abstract sockets, which ask nobody who connects.
"""

from __future__ import annotations

import ctypes
import struct

_CREATE, _RESTRICT = 444, 446  # of all architectures
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_SCOPES_SINCE = 6
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS


def is_there() -> bool:
    """Return whether this kernel can do it."""
    return bool(ctypes.CDLL(None).syscall(_CREATE, None, 0, _VERSION) >= _SCOPES_SINCE)


def restrict() -> None:
    """Keep this process, and what it starts, to sockets and processes of its own kind, where that can be."""
    if not is_there():
        return
    libc = ctypes.CDLL(None)
    rules = struct.pack("=QQQ", 0, 0, _ABSTRACT_SOCKETS | _SIGNALS)
    ruleset = libc.syscall(_CREATE, rules, len(rules), 0)
    if ruleset >= 0:
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        libc.syscall(_RESTRICT, ruleset, 0)
        libc.close(ruleset)
