"""Images for a node: ours from podman's store, and two of one file each that are made here.

They stay in the user's cache, a folder that containerd owns: moving them in takes minutes the first time.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from helm.node.parts import NAMES, PAUSE, SOCKET
from helm.node.programs import Unavailable
from helm.node.space import Space

OURS = ("probav-hub", "probav-user", "probav-executor")
VERSION = "0.1.0"  # as the chart calls them
TAG = "PROBAV_NODE_TAG"  # of others than `make images` makes, in podman's store


def ours() -> dict[str, str]:
    """Return podman's names of our images, each with its id.

    Raises
    ------
    Unavailable
        If podman lacks one.
    """
    found = {}
    for name in OURS:
        image = f"localhost/{name}:{os.environ.get(TAG, VERSION)}"
        words = ["podman", "image", "inspect", "--format", "{{.Id}}", image]
        known = subprocess.run(words, capture_output=True, text=True)
        if known.returncode:
            raise Unavailable(f"podman has no image {image}: `make images` makes it")
        found[image] = known.stdout.strip()
    return found


def store(parent: Path, images: dict[str, str]) -> Path:
    """Return containerd's folder, emptied first where it holds other images: they would pile up."""
    root, held = parent / "images", parent / "images.json"
    now = json.dumps(images, sort_keys=True)
    if root.exists() and (not held.exists() or held.read_text() != now):
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    held.write_text(now)
    return root


def bring_in(space: Space, programs: dict[str, Path], images: dict[str, str]) -> None:
    """Let containerd have all images that it lacks.

    Parameters
    ----------
    space : Space
    programs : dict
    images : dict
        As `ours` returns them.
    """
    for name, program in ((PAUSE, programs["pause"]), (NAMES, programs["coredns"])):
        file = space.folder / "image.tar"
        _write(file, name, program)
        _import(space, programs, file)
        file.unlink()
    for image, number in images.items():
        if not _is_there(space, programs, image, number):
            saved = subprocess.Popen(["podman", "save", "--quiet", image], stdout=subprocess.PIPE)
            _import(space, programs, "-", stdin=saved.stdout)
            if saved.wait():
                raise Unavailable(f"podman can't save {image}")
            _ctr(space, programs, "images", "label", image, f"probav={number}")
        name = image.removeprefix("localhost/").partition(":")[0]
        _ctr(space, programs, "images", "tag", "--force", image, f"docker.io/library/{name}:{VERSION}")


def _is_there(space: Space, programs: dict[str, Path], image: str, number: str) -> bool:
    lines = _ctr(space, programs, "images", "list").splitlines()
    return any(line.split()[0] == image and f"probav={number}" in line for line in lines if line.strip())


def _import(space: Space, programs: dict[str, Path], file: Path | str, **options: object) -> None:
    _ctr(space, programs, "images", "import", "--local", "--discard-unpacked-layers", file, **options)


def _ctr(space: Space, programs: dict[str, Path], *words: object, **options: object) -> str:
    return space.run(
        programs["ctr"], "--address", SOCKET, "--namespace", "k8s.io", *words, seconds=900, **options
    )


def _write(file: Path, name: str, program: Path) -> None:
    """Write an image, as `docker save` does, that holds one program."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as inner:
        info = tarfile.TarInfo(program.name)
        info.size, info.mode = program.stat().st_size, 0o755
        with program.open("rb") as stream:
            inner.addfile(info, stream)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Entrypoint": [f"/{program.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    })  # fmt: skip
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}])
    with tarfile.open(file, "w") as outer:
        for path, content in (
            ("layer.tar", layer.getvalue()), ("config.json", config.encode()),
            ("manifest.json", manifest.encode()),
        ):  # fmt: skip
            info = tarfile.TarInfo(path)
            info.size = len(content)
            outer.addfile(info, io.BytesIO(content))
