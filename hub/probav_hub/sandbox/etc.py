"""The few files of /etc that a sandbox has: its own users, and of the host what programs can't do without."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from probav_hub.sandbox.plan import Bind, Plan

# names, certificates, fonts, time, and settings of languages; nothing that may hold a secret
HOST = (
    "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "fonts",
    "gai.conf", "host.conf", "hosts", "inputrc", "java-17-openjdk", "java-21-openjdk", "jupyter",
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "locale.alias", "locale.conf", "magic",
    "mime.types", "networks", "nsswitch.conf", "pki/ca-trust", "pki/tls/certs", "probav/spark.toml",
    "profile", "protocols", "R", "resolv.conf", "services", "skel", "ssl/certs", "ssl/openssl.cnf",
    "terminfo", "timezone", "vim",
)  # fmt: skip


def write(plan: Plan, folder: Path) -> list[Bind]:
    """Write the sandbox's own files into a folder and return what makes up its /etc.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Of the sandbox, for the hub's user only.
    """
    name, uid = plan.user, plan.uid
    users = [
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin",
        f"{name}:x:{uid}:{uid}::{plan.inner_home}:/bin/bash",
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
    ]
    groups = [f"{group}:x:{number}:{name}" for group, number in plan.groups.items() if group != name]
    groups = ["root:x:0:", f"{name}:x:{uid}:", *groups, "nogroup:x:65534:"]
    made = []
    for file, lines in {"passwd": users, "group": groups}.items():
        path = folder / file
        path.write_text("".join(f"{line}\n" for line in lines))
        path.chmod(0o644)
        made.append(Bind(str(path), f"/etc/{file}"))
    return [*made, *_host()]


def _host() -> Iterator[Bind]:
    for name in HOST:
        path = Path("/etc", name)
        if path.exists():
            yield Bind(os.path.realpath(path), str(path))  # resolv.conf, localtime: links out of /etc
