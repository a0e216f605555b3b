"""The base image: the registry's, or made by debootstrap where no registry is reached."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

BASE = "docker.io/library/debian:bookworm-slim"
SUITE = "bookworm"
PARTS = ("", "-updates", "-security")


def provide(engine: str, base: str) -> None:
    """Get the base image, unless it is there; without a registry root makes Debian's by debootstrap."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    there = [engine, *(("image", "inspect") if engine == "docker" else ("inspect", "--type=image")), base]
    if subprocess.run(there, **quiet).returncode == 0:
        return
    print(f"Fetching {base}", flush=True)
    if subprocess.run([engine, "pull", base], stdin=subprocess.DEVNULL).returncode == 0:
        return
    importer = shutil.which("docker" if engine == "docker" else "podman")
    if base != BASE or os.geteuid() or not importer or not shutil.which("debootstrap"):
        raise SystemExit(
            f"probav: {base} can't be fetched; name another with --base, or let root make Debian's here "
            "(`apt install debootstrap podman`)."
        )
    print("Making it with debootstrap", flush=True)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        bootstrap(Path(folder, "root"))
        with subprocess.Popen(["tar", "-C", f"{folder}/root", "-c", "."], stdout=subprocess.PIPE) as packed:
            command = [importer, "import", "--change", 'CMD ["bash"]', "-", base]
            subprocess.run(command, stdin=packed.stdout, check=True)


def bootstrap(root: Path) -> None:
    """Fill a folder with a small Debian, with updates, without documentation."""
    own = [line.split()[1] for line in _lines() if line.startswith(("URIs:", "deb "))]
    command = ["debootstrap", "--variant=minbase", SUITE, str(root), *own[:1]]  # else its own choice
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    mirror = (root / "etc/apt/sources.list").read_text().split()[1]
    security = f"{mirror.rstrip('/')}-security"
    sources = [f"deb {security if part == '-security' else mirror} {SUITE}{part} main" for part in PARTS]
    (root / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")
    (root / "etc/apt/apt.conf.d/keep-nothing").write_text('APT::Keep-Downloaded-Packages "false";\n')
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(
        "".join(f"path-exclude=/usr/share/{name}/*\n" for name in ("doc", "man", "info", "locale"))
    )
    for name in (
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "var/cache/apt/archives",
        "var/lib/apt/lists",
    ):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True)


def _lines() -> list[str]:
    """Return the lines of this machine's own package sources."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("debian*"))]
    return [line for file in files if file.is_file() for line in file.read_text().splitlines()]
