"""Build the images with buildah or docker, each from the lock, with its bill of materials; `make images`.

Standard library only. The same commit and base image give the same again, but for what installers and Java
write differently each time (docs/images.md says what).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sbom
from base import BASE, provide

ROOT = Path(__file__).resolve().parents[1]
MADE = ROOT / "build" / "images"


@dataclass(frozen=True)
class Image:
    """One image: its folder, the Containerfile's target, and what of the lock is in it."""

    name: str
    folder: str
    parts: tuple[str, ...]


IMAGES = {
    image.name: image
    for image in (
        Image("hub", "hub", ("--package", "probav-hub", "--extra", "login", "--extra", "docker",
                             "--extra", "kubernetes", "--extra", "node")),
        Image("user", "user", ("--group", "user")),
        Image("user-desktop", "user", ("--group", "user", "--group", "desktop")),
        Image("executor", "executor", ("--extra", "spark")),
    )
}  # fmt: skip
USUAL = ("hub", "user", "executor")


class Stop(Exception):
    """What the user has to know, in one sentence."""


class Engine:
    """The program that builds: buildah, or docker with BuildKit."""

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self, image: Image, base: str, tags: list[str], labels: dict[str, str], epoch: int) -> None:
        """Build an image under its tags."""
        certificates = os.environ.get("SSL_CERT_FILE", "")
        arguments = {"BASE": base, "SOURCE_DATE_EPOCH": str(epoch)}
        command = [self.name, "build", "--file", str(ROOT / "images" / image.folder / "Containerfile"),
                   "--target", image.name]  # fmt: skip
        if self.name == "buildah":
            command[1:2] = ["bud", "--layers", "--pull=false", "--format=docker", "--isolation=chroot",
                            "--network=host", f"--timestamp={epoch}"]  # fmt: skip
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        for name, value in labels.items():
            command += ["--label", f"{name}={value}"]
        if Path(certificates).is_file():  # a private authority of the network's, for the build alone
            command += ["--secret", f"id=ca,src={certificates}"]
        for tag in tags:
            command += ["--tag", tag]
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}  # which is docker's choice from 23 on
        done = subprocess.run([*command, str(ROOT)], stdin=subprocess.DEVNULL, env=environment)
        if done.returncode:
            raise Stop(f"The image {image.name} could not be built; {self.name} says why above.")

    def inside(self, tag: str, *command: str) -> str:
        """Return what a program of an image prints."""
        if self.name == "docker":
            return output(
                "docker", "run", "--rm", "--network=none", f"--entrypoint={command[0]}", tag, *command[1:]
            )
        working = output("buildah", "from", "--pull-never", tag).strip()
        try:
            return output("buildah", "run", "--isolation=chroot", working, "--", *command)
        finally:
            output("buildah", "rm", working)

    def inspect(self, tag: str) -> tuple[str, int]:
        """Return an image's id and size in bytes."""
        if self.name == "docker":
            found = json.loads(output("docker", "image", "inspect", tag))[0]
            return str(found["Id"]), int(found["Size"])
        found = json.loads(output("buildah", "images", "--json", tag))[0]
        return str(found["id"]), size(str(found["size"]))


def output(*command: str) -> str:
    """Return what a command prints; its failure ends the build."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Stop(f"`{' '.join(command[:3])}` failed: {done.stderr.strip()}")
    return done.stdout


def size(text: str) -> int:
    """Return the bytes of a size as buildah writes it, such as 1.2 GB."""
    number, unit = text.split()
    return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])


def find_engine(named: str | None) -> Engine:
    """Return buildah, docker where there is none, or the one that is named.

    Raises
    ------
    Stop
        If there is neither.
    """
    for name in [named] if named else ["buildah", "docker"]:
        if name and shutil.which(name):
            return Engine(name)
    raise Stop(
        "NO IMAGES: there is neither buildah nor docker here; install one (`apt install buildah podman`)."
    )


def labels(image: Image, version: str, lock: dict[str, str]) -> dict[str, str]:
    """Return the labels that depend on the checkout."""
    revision = output("git", "rev-parse", "HEAD").strip()
    if output("git", "status", "--porcelain", "--untracked-files=no").strip():
        revision += "-changed"
    made = datetime.fromtimestamp(commit_time(), UTC).isoformat()
    found = {
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.created": made,
    }
    return {**found, "org.probav.jupyterhub": lock["jupyterhub"]} if image.folder != "executor" else found


def commit_time() -> int:
    """Return the seconds of SOURCE_DATE_EPOCH, or of the last commit."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or output("git", "log", "-1", "--format=%ct"))


def main(arguments: list[str]) -> None:
    """Build the images named."""
    parser = argparse.ArgumentParser(prog="images/build.py", description=main.__doc__)
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help=f"of {', '.join(IMAGES)}; not the desktop's"
    )
    parser.add_argument("--engine", choices=("buildah", "docker"))
    parser.add_argument("--base", default=BASE, help="base image (default: %(default)s)")
    parser.add_argument("--prefix", default="localhost/probav-", help="of the tags (default: %(default)s)")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.images if name not in IMAGES]:
        raise Stop(f"There is no image {unknown[0]!r}; there are {', '.join(IMAGES)}.")
    engine = find_engine(given.engine)
    provide(engine.name, given.base)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    lock = {package["name"]: package.get("version", "") for package in packages}
    epoch, rows = commit_time(), []
    MADE.mkdir(parents=True, exist_ok=True)
    for image in [IMAGES[name] for name in given.images or USUAL]:
        tags = [f"{given.prefix}{image.name}:{tag}" for tag in ("latest", version)]
        began = time.monotonic()
        engine.build(image, given.base, tags, labels(image, version, lock), epoch)
        seconds = time.monotonic() - began
        number, content = engine.inspect(tags[0])
        made = sbom.of(image, number, epoch, lambda *command, tag=tags[0]: engine.inside(tag, *command))
        file = MADE / f"{image.name}.cdx.json"
        file.write_text(json.dumps(made, indent=1) + "\n")
        rows.append(
            (image.name, f"{content / 1e6:,.0f} MB", f"{seconds:.0f} s", str(len(made["components"])))
        )
    print(f"\n{'image':15}{'size':>10}{'built in':>10}{'parts':>8}   (parts: build/images/*.cdx.json)")
    for row in rows:
        print(f"{row[0]:15}{row[1]:>10}{row[2]:>10}{row[3]:>8}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Stop, sbom.SbomError) as problem:
        sys.exit(f"probav: {problem}")
