"""System calls that a notebook never needs and that attacks begin with are refused: a filter of Linux.

Without it a user may still make a user namespace, and in it reach parts of the kernel that only root could.
"""

from __future__ import annotations

import errno
import platform
import struct

from probav_hub.errors import HubError

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000  # linux/seccomp.h
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # in struct seccomp_data
_NEW = 0x7E020080  # CLONE_NEW*: time, mount, cgroup, uts, ipc, user, pid and net namespaces
_X32 = 0x40000000

# name: number on x86-64, on arm64
_REFUSED = {
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "setns": (308, 268), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "syslog": (103, 116),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "acct": (163, 89),
    "swapon": (167, 224), "swapoff": (168, 225), "quotactl": (179, 60), "lookup_dcookie": (212, 18),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
}  # fmt: skip
_MACHINES = {
    "x86_64": (0xC000003E, 0, {"clone": 56, "unshare": 272, "clone3": 435}),
    "aarch64": (0xC00000B7, 1, {"clone": 220, "unshare": 97, "clone3": 435}),
}


def program(machine: str | None = None) -> bytes:
    """Return the filter as `bwrap --add-seccomp-fd` reads it.

    Refused calls fail with EPERM. `clone3`, whose flags a filter can't see, fails with ENOSYS, after which
    the C library takes `clone`. A program of another architecture (of 32 bits) is killed at its first call.

    Parameters
    ----------
    machine : str, default this one
        As `uname -m` says.

    Raises
    ------
    HubError
        If its numbers are not known here.
    """
    machine = machine or platform.machine()
    if machine not in _MACHINES:
        raise HubError(
            f"The sandbox knows no system calls of {machine}, only of {', '.join(_MACHINES)}: "
            "take spawner: docker."
        )
    architecture, column, special = _MACHINES[machine]
    refuse = _REFUSE | errno.EPERM
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        lines += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, refuse)]
    for numbers in _REFUSED.values():
        lines += [(_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, refuse)]
    lines += [(_EQUAL, 0, 1, special["clone3"]), (_RETURN, 0, 0, _REFUSE | errno.ENOSYS)]
    for name in ("clone", "unshare"):
        # another call: past the next four; a flag of a new namespace: refuse
        lines += [
            (_EQUAL, 0, 4, special[name]),
            (_LOAD, 0, 0, _FIRST_ARGUMENT),
            (_ANY_BIT, 0, 1, _NEW),
            (_RETURN, 0, 0, refuse),
            (_RETURN, 0, 0, _ALLOW),
        ]
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
