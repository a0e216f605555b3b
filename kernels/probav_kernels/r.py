"""R in the same notebooks: IRkernel with this environment's Python at hand.

`python -m probav_kernels.r install` lists the kernel "PROBA-V (R)" where R with IRkernel is installed, and
takes it off the list where they are no more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

NAME = "probav-r"
PACKAGES = ("IRkernel", "reticulate")
_SECONDS = 60


class RNotFoundError(RuntimeError):
    """There is no R here that can be a kernel."""


def find_r() -> Path:
    """Return the program `R` whose library has what the kernel needs.

    Raises
    ------
    RNotFoundError
        If there is none; it says what to install.
    """
    program = shutil.which("R")
    if program is None:
        raise RNotFoundError(
            "There is no R on PATH; install it "
            "(Debian, Ubuntu: r-base-core r-cran-irkernel r-cran-reticulate)."
        )
    code = "for (name in commandArgs(TRUE)) if (!nzchar(system.file(package = name))) cat(name, '')"
    command = [program, "--no-echo", "--no-save", "-e", code, "--args", *PACKAGES]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    missing = shown.stdout.split()
    if shown.returncode:
        reason = (shown.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise RNotFoundError(f"{program} does not run: {reason}")
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        raise RNotFoundError(f"{program} lacks packages; in R: install.packages(c({names})).")
    return Path(program)


def install(prefix: Path) -> Path:
    """Write the kernel spec below a prefix, as `jupyter kernelspec list` finds it; return its folder.

    Raises
    ------
    RNotFoundError
        If the kernel could not run; a spec that is there is removed.
    """
    try:
        program = find_r()
    except RNotFoundError:
        remove(prefix)
        raise
    spec = {
        "argv": [str(program), "--no-echo", "-e", "IRkernel::main()", "--args", "{connection_file}"],
        "display_name": "PROBA-V (R)",
        "language": "R",
        "env": {"RETICULATE_PYTHON": sys.executable, "PATH": f"{Path(sys.executable).parent}:${{PATH}}"},
        "metadata": {"kernel_provisioner": {"provisioner_name": "probav-provisioner"}},
    }
    folder = _folder(prefix)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(spec, indent=2) + "\n", encoding="utf-8")
    return folder


def remove(prefix: Path) -> None:
    """Remove the kernel spec from a prefix."""
    shutil.rmtree(_folder(prefix), ignore_errors=True)


def _folder(prefix: Path) -> Path:
    return prefix / "share" / "jupyter" / "kernels" / NAME


def main(arguments: list[str] | None = None) -> None:
    """List the kernel, or take it off the list."""
    parser = argparse.ArgumentParser(prog="python -m probav_kernels.r", description=main.__doc__)
    parser.add_argument("command", choices=("install", "remove"))
    parser.add_argument("--prefix", type=Path, default=Path(sys.prefix), help="default: this environment")
    given = parser.parse_args(arguments)
    if given.command == "remove":
        remove(given.prefix)
        return
    try:
        sys.stdout.write(f"{install(given.prefix)}\n")
    except RNotFoundError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
