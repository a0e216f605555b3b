"""An image's bill of materials (CycloneDX): of the lock what is installed, and Debian's packages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = (
    "import json, importlib.metadata as found; "
    "print(json.dumps([[each.metadata['Name'], each.version] for each in found.distributions()]))"
)


class SbomError(Exception):
    """What is in an image and not in the lock."""


def of(image: Any, number: str, epoch: int, inside: Callable[..., str]) -> dict[str, Any]:
    """Return the bill of an image.

    Parameters
    ----------
    image : Image
    number : str
        The image's id.
    epoch : int
        Its time.
    inside : callable
        Returns what a command prints in the image.

    Raises
    ------
    SbomError
        If something is installed that the lock does not know.
    """
    made = locked(image.parts)
    installed = {(canonical(name), version) for name, version in json.loads(
        inside("/opt/probav/bin/python", "-c", INSTALLED))}  # fmt: skip
    known = {(canonical(each["name"]), each.get("version", "")): each for each in made["components"]}
    own = {(name, version) for name, version in installed if name.startswith("probav")}
    if strange := installed - set(known) - own:
        raise SbomError(f"{image.name} holds what the lock does not: {sorted(strange)}.")
    debian = inside("dpkg-query", "--show", "--showformat=${Package}\t${Version}\t${Architecture}\n")
    components = [known[each] for each in sorted(installed & set(known))]
    components += [_part(*line.split("\t")) for line in debian.splitlines()]
    references = {each["bom-ref"] for each in components}
    made["components"] = components
    made["dependencies"] = [
        {**each, "dependsOn": [name for name in each.get("dependsOn", []) if name in references]}
        for each in made.get("dependencies", [])
        if each["ref"] in references
    ]
    made["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, number)}"
    made["metadata"]["timestamp"] = datetime.fromtimestamp(epoch, UTC).isoformat()
    made["metadata"]["component"] = {
        "type": "container", "bom-ref": f"probav-{image.name}", "name": f"probav-{image.name}",
        "version": number,
    }  # fmt: skip
    return made


def locked(parts: tuple[str, ...]) -> dict[str, Any]:
    """Return what uv writes of a part of the lock."""
    command = [sys.executable, "bootstrap.py", "uv", "export", "-q", "--frozen", "--no-default-groups",
               "--format", "cyclonedx1.5", *parts]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SbomError(f"uv can't write the lock as a bill: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def canonical(name: str) -> str:
    """Return a distribution's name as the lock writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _part(name: str, version: str, architecture: str) -> dict[str, str]:
    url = f"pkg:deb/debian/{name}@{version}?arch={architecture}".replace("+", "%2B")
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}
