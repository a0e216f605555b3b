"""Assemble a Livy server and the Spark it supports, once, in the user's cache; as a program it says where.

Maven Central's newest livy-server is 0.7.1-incubating (Spark 2.4, Scala 2.11, Python 3.7 and older), which
can't run what this project needs; 0.8 and 0.9 are published as sources and as a binary archive only. So the
server is built, with Maven, of the sources that PROBAV_LIVY_SOURCE names (a folder, or a Git repository that
has the tag), or taken ready from PROBAV_LIVY_HOME (an unpacked apache-livy-0.9.0-incubating_2.12-bin.zip).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

VERSION = "0.9.0-incubating"
SPARK = "3.5.9"
JAVA = (8, 11, 17)  # what Spark 3.5 runs on
CACHE = platformdirs.user_cache_path("probav") / "livy"
BUILD_SECONDS = 1200
INSTALL_SECONDS = 600
JARS = {"jars": "server/target/jars", "rsc-jars": "rsc/target/jars",
        "repl_2.12-jars": "repl/scala-2.12/target/jars", "bin": "bin", "conf": "conf"}  # fmt: skip
# tests of its modules need each other's classes, so they are compiled and not run; the rest needs other hosts
OPTIONS = (
    "-B", "-ntp", "-q", "-Pspark3", "-Pscala-2.12", "-DskipTests", "-Dmaven.javadoc.skip",
    "-Dcheckstyle.skip", "-Dscalastyle.skip", "-Djacoco.skip", "-Dremoteresources.skip",
    "-pl", "api,client-common,rsc,core,core/scala-2.12,repl,repl/scala-2.12,server", "-am", "package",
)  # fmt: skip


class NotHereError(Exception):
    """The server can't be had on this machine; the message is the reason for a skip."""


@dataclass(frozen=True)
class Assembly:
    """Folders of what runs: LIVY_HOME, SPARK_HOME and JAVA_HOME."""

    livy: Path
    spark: Path
    java: Path


def assemble() -> Assembly:
    """Return the parts, made first where they are not there yet.

    Raises
    ------
    NotHereError
        If one of them can't be had.
    """
    java = find_java()
    CACHE.mkdir(parents=True, exist_ok=True)
    named = os.environ.get("PROBAV_LIVY_HOME")
    livy = Path(named) if named else _once(CACHE / f"livy-{VERSION}", lambda folder: build(folder, java))
    spark = _once(CACHE / f"spark-{SPARK}", install_spark)
    return Assembly(livy, spark / "pyspark", java)


def find_java() -> Path:
    """Return the JAVA_HOME of a JDK that Spark 3.5 runs on."""
    homes = [os.environ.get("JAVA_HOME"), *map(str, sorted(Path("/usr/lib/jvm").glob("*")))]
    for home in filter(None, homes):
        release = Path(home, "release")
        if Path(home, "bin", "javac").is_file() and release.is_file():
            words = [line for line in release.read_text().splitlines() if line.startswith("JAVA_VERSION=")]
            major = words[0].split('"')[1].split(".")[0] if words else ""
            if major in map(str, JAVA):
                return Path(home)
    raise NotHereError(f"Livy with Spark {SPARK} needs a JDK {', '.join(map(str, JAVA))}; there is none")


def build(folder: Path, java: Path) -> None:
    """Build Livy's sources, and lay out what its binary archive holds."""
    named, maven = os.environ.get("PROBAV_LIVY_SOURCE"), shutil.which("mvn")
    if not named:
        raise NotHereError(
            f"Livy {VERSION} is not on Maven Central: name its sources in PROBAV_LIVY_SOURCE, or its "
            "unpacked binary archive in PROBAV_LIVY_HOME"
        )
    if maven is None:
        raise NotHereError("building Livy needs Maven (mvn)")
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="source-") as scratch:
        if Path(named, "pom.xml").is_file():
            source = Path(shutil.copytree(named, Path(scratch, "livy")))
        else:
            source = Path(scratch, "livy")
            _run(["git", "--git-dir", named, "archive", "-o", f"{scratch}/livy.tar", f"v{VERSION}"], 120)
            with tarfile.open(f"{scratch}/livy.tar") as archive:
                archive.extractall(source, filter="data")
        _run([maven, *OPTIONS], BUILD_SECONDS, cwd=source, env={**os.environ, "JAVA_HOME": str(java)})
        for name, made in JARS.items():
            shutil.copytree(source / made, folder / name)


def install_spark(folder: Path) -> None:
    """Install PySpark, of which only the jars and programs are used, beside this project's own."""
    uv = [shutil.which("uv") or "", "pip", "install"] if shutil.which("uv") else None
    root = Path(__file__).parents[3] / "bootstrap.py"
    command = uv or [sys.executable, str(root), "uv", "pip", "install"]
    target = ["--quiet", "--python", sys.executable, "--target", str(folder), f"pyspark=={SPARK}"]
    _run([*command, *target], INSTALL_SECONDS)


def _once(folder: Path, make) -> Path:
    """Return the folder, made beside its place first: it is whole or not there."""
    if not folder.exists():
        beside = Path(tempfile.mkdtemp(dir=CACHE, prefix="new-"))
        try:
            make(beside)
            beside.chmod(0o755)
            beside.rename(folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    return folder


def _run(command: list, seconds: float, **options) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, **options
        )
    except subprocess.TimeoutExpired:
        raise NotHereError(f"{Path(command[0]).name} took longer than {seconds:.0f} s") from None
    if done.returncode:
        lines = [
            line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line or "rror:" in line
        ]
        raise NotHereError(
            f"{Path(command[0]).name} failed: {(lines or [done.stderr.strip()[-300:]])[0][:400]}"
        )


if __name__ == "__main__":
    try:
        print(assemble())
    except NotHereError as reason:
        sys.exit(str(reason))
