"""A systemd unit for a hub, with all of systemd's shelter that its spawner leaves room for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from probav_hub.configuration import Configuration
from probav_hub.errors import HubError

NAME = "probav-hub"
ACCOUNT = "probav-hub"  # for a hub that need not be root
_KEPT = ("JAVA_HOME", "SPARK_REMOTE", "SPARK_CONF_DIR", "HADOOP_CONF_DIR")
_HOMES = ("/home", os.path.expanduser("~root"), "/run/user")
# what a hub of sandboxes does as root: mount homes, give processes and files to numbers, read who listens
CAPABILITIES = (
    "CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
    "CAP_KILL", "CAP_MKNOD", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETPCAP",
    "CAP_SETUID", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE",
)  # fmt: skip
Lines = list[tuple[str, str]]  # a directive, or a comment where there is no value


def units(file: Path, given: Configuration, backups: Path | None = None) -> dict[str, str]:
    """Return the units of a hub by their file's name.

    Parameters
    ----------
    file : Path
        `probav-hub.yaml`.
    given : Configuration
        What it says.
    backups : Path or None
        Folder of backups, to be made once a day.

    Raises
    ------
    HubError
        If the configuration can't be a service's.
    """
    if given.state is None:
        raise HubError(f"{file} names no `state`: a service has no home to keep it in; take /var/lib/probav.")
    if given.authentication.method == "shared-password" and not given.authentication.password_file:
        raise HubError(
            f"{file}: a generated password would stand in the system's journal; name "
            "authentication.password_file, or take another method."
        )
    made = {f"{NAME}.service": _text(_hub(file.resolve(), given))}
    if backups is not None:
        made["probav-backup.service"] = _text(_backup(file.resolve(), given, backups.resolve()))
        made["probav-backup.timer"] = _text(_timer())
    return made


def _hub(file: Path, given: Configuration) -> Iterator[tuple[str, Lines]]:
    program = Path(sys.executable).with_name("probav-hub")
    yield (
        "Unit",
        [
            ("Description", "JupyterHub of probav"),
            ("Documentation", "file:" + str(file)),
            ("Wants", "network-online.target"),
            ("After", "network-online.target"),
            ("StartLimitIntervalSec", "300"),
            ("StartLimitBurst", "5"),
        ],
    )
    mode = "process" if getattr(given, "keep_servers", False) else "mixed"
    kept = (
        "users' servers outlive a restart of the hub"
        if mode == "process"
        else "the hub ends its servers itself"
    )
    yield (
        "Service",
        [
            ("", "it says that it is ready when it answers through its proxy"),
            ("Type", "notify"),
            ("ExecStart", f"{program} up --config {_quoted(file)}"),
            ("", "a renewed certificate is taken up while servers run on"),
            ("ExecReload", f"{program} reload --config {_quoted(file)}"),
            ("Restart", "on-failure"),
            ("RestartSec", "5"),
            ("TimeoutStartSec", "300"),
            ("", f"{kept}; 13 servers took 80 s"),
            ("KillMode", mode),
            ("TimeoutStopSec", "180"),
            ("", "a kernel that is killed for its memory is no end of the hub"),
            ("OOMPolicy", "continue"),
            ("", "all users' processes are in this unit: profiles limit them"),
            ("TasksMax", "infinity"),
            ("LimitNOFILE", "65536"),
            *_place(file, given),
            *_user(given),
            *_shelter(),
        ],
    )
    yield "Install", [("WantedBy", "multi-user.target")]


def _place(file: Path, given: Configuration) -> Lines:
    """Return where the hub may write: its state, its programs' cache and what the operator names."""
    assert given.state is not None
    writable = [given.state, *(folder for folder in (given.shared, given.docker.homes) if folder)]
    found: Lines = [
        ("", "what can be made again (the proxy's program) is below /var/cache/probav"),
        ("CacheDirectory", "probav"),
        ("CacheDirectoryMode", "0700"),
        ("Environment", "XDG_DATA_HOME=%C/probav HOME=%C/probav PYTHONUNBUFFERED=1"),
        *(("Environment", f"{name}={_quoted(os.environ[name])}") for name in _KEPT if os.environ.get(name)),
        ("", "everything else is read-only, for the hub and for whom it starts"),
        ("ProtectSystem", "strict"),
        ("ReadWritePaths", " ".join(_quoted(path) for path in writable)),
    ]
    named = [sys.prefix, sys.base_prefix, file, *writable, given.archive or "", given.published or "",
             given.notebooks or "", *_files(given)]  # fmt: skip
    inside = any(str(path).startswith(f"{home}/") for path in named for home in _HOMES)
    why = "something that the hub needs is there" if inside else "nothing of the hub's is there"
    return [*found, ("", f"people's own homes: {why}"), ("ProtectHome", "read-only" if inside else "yes")]


def _files(given: Configuration) -> list[Path]:
    login = given.authentication
    return [
        *([given.tls.certificate, given.tls.key] if given.tls else []),
        *(file for file in (login.password_file, login.admin_password_file) if file),
        *([login.oidc.client_secret_file] if login.oidc else []),
    ]


def _user(given: Configuration) -> Lines:
    if given.spawner == "sandbox":
        return _sandbox()
    return _containers() if given.spawner == "docker" else _plain(given)


def _containers() -> Lines:
    return [
        ("", "who may use the engine's socket has root's power anyway; folders of users need an owner"),
        ("User", "root"),
        ("CapabilityBoundingSet", "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_NET_BIND_SERVICE"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("ProtectHostname", "yes"),
        ("ProtectControlGroups", "yes"),
        ("RestrictNamespaces", "yes"),
    ]


def _sandbox() -> Lines:
    return [
        (
            "",
            "root gives each user's processes a number of their own, and has these rights only",
        ),
        ("User", "root"),
        ("CapabilityBoundingSet", " ".join(CAPABILITIES)),
        ("", "limits of memory, cores and processes are groups below this unit's"),
        ("Delegate", "cpu memory pids"),
        (
            "",
            "temporary files of its own; no devices but loop devices, for homes of a limited size",
        ),
        ("PrivateTmp", "yes"),
        ("DevicePolicy", "closed"),
        ("DeviceAllow", "/dev/loop-control rw"),
        ("DeviceAllow", "block-loop rwm"),
    ]


def _plain(given: Configuration) -> Lines:
    low = "CAP_NET_BIND_SERVICE" if given.port < 1024 else ""
    return [
        ("", f"an account of its own: `useradd --system --shell /usr/sbin/nologin {ACCOUNT}`"),
        ("User", ACCOUNT),
        ("", "ports below 1024 are root's, but for who has this one right" if low else "no right of root's"),
        ("CapabilityBoundingSet", low),
        ("AmbientCapabilities", low),
        ("UMask", "0077"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("ProtectHostname", "yes"),
        ("ProtectControlGroups", "yes"),
        ("ProtectProc", "invisible"),
        ("RestrictNamespaces", "yes"),
        ("RestrictSUIDSGID", "yes"),
    ]


def _shelter() -> Lines:
    """Return what no hub needs. MemoryDenyWriteExecute is not there: Java, Node.js and numba make code."""
    return [
        ("", "what neither a hub nor a notebook needs"),
        ("NoNewPrivileges", "yes"),
        ("ProtectKernelTunables", "yes"),
        ("ProtectKernelModules", "yes"),
        ("ProtectKernelLogs", "yes"),
        ("ProtectClock", "yes"),
        ("LockPersonality", "yes"),
        ("RestrictRealtime", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
        ("SystemCallArchitectures", "native"),
        ("SystemCallFilter", "~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap"),
        ("SystemCallErrorNumber", "EPERM"),
        ("KeyringMode", "private"),
    ]


def _backup(file: Path, given: Configuration, backups: Path) -> Iterator[tuple[str, Lines]]:
    program = Path(sys.executable).with_name("probav-hub")
    assert given.state is not None
    yield "Unit", [("Description", "Backup of probav's hub"), ("Documentation", "file:" + str(file))]
    yield (
        "Service",
        [
            ("Type", "oneshot"),
            ("User", ACCOUNT if given.spawner == "simple" else "root"),
            ("ExecStart", f"{program} backup --config {_quoted(file)} --keep 14 {_quoted(backups)}"),
            ("", "it gives way to notebooks"),
            ("Nice", "15"),
            ("IOSchedulingClass", "idle"),
            ("UMask", "0077"),
            ("ProtectSystem", "strict"),
            ("ReadWritePaths", f"{_quoted(backups)} {_quoted(given.state)}"),
            ("PrivateTmp", "yes"),
            ("NoNewPrivileges", "yes"),
            ("ProtectKernelTunables", "yes"),
            ("ProtectKernelModules", "yes"),
        ],
    )


def _timer() -> Iterator[tuple[str, Lines]]:
    yield "Unit", [("Description", "Backup of probav's hub, each night")]
    yield "Timer", [("OnCalendar", "03:15"), ("RandomizedDelaySec", "20min"), ("Persistent", "true")]
    yield "Install", [("WantedBy", "timers.target")]


def _quoted(value: object) -> str:
    """Return a value as a word of systemd's."""
    text = str(value).replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{text}"' if any(letter in text for letter in " \t'") else text


def _text(parts: Iterator[tuple[str, Lines]]) -> str:
    sections = []
    for name, lines in parts:
        rows = [f"{key}={value}" if key else f"# {value}" for key, value in lines]
        sections.append("\n".join([f"[{name}]", *rows]))
    return "\n\n".join(sections) + "\n"
