"""What comes first on an executor: this package, the same as the driver's.

Standard library only, and pickled by value: an executor runs it before it has `probav`. The code of the
package travels with the job, as a ZIP archive of some hundred kilobytes, and is unpacked where an executor
has none or another one. Its dependencies must be there.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import io
import os
import shutil
import socket
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

COMPARED = ("numpy", "zarr", "icechunk")
"""Libraries whose major version must be the driver's: they decide what an archive's bytes mean."""


def sources(folder: str) -> dict[str, bytes]:
    """Return path and content of the Python files of a package's folder."""
    found = {}
    for directory, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, folder).replace(os.sep, "/")] = file.read()
    return found


def digest(folder: str) -> str:
    """Return a digest of a package's code: places with the same one count alike."""
    code = hashlib.sha256()
    for path, content in sorted(sources(folder).items()):
        code.update(f"{path}:{len(content)}:".encode() + content)
    return code.hexdigest()[:16]


def archive(folder: str) -> bytes:
    """Return a package's code as a ZIP archive, which has the same bytes each time."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in sorted(sources(folder).items()):
            file.writestr(zipfile.ZipInfo(f"probav/{path}"), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def versions() -> dict[str, str]:
    """Return the version of Python and of the libraries that are compared."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in COMPARED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def provide(expected: str, driver: dict[str, str], code: bytes | None, always: bool = False) -> None:
    """Make the driver's package the one that this process imports.

    Parameters
    ----------
    expected : str
        Digest of the driver's package.
    driver : dict
        Versions at the driver.
    code : bytes or None
        The driver's package as a ZIP archive; None where it is not to be used.
    always : bool
        Use it even where the same is installed.

    Raises
    ------
    RuntimeError
        If executor and driver don't fit; says where, what was found and what to do.
    """
    loaded = sys.modules.get("probav")
    if getattr(loaded, "provided", None) == expected:
        return
    where = f"The executor on {socket.gethostname()} ({sys.executable})"
    own = versions()
    for name, version in driver.items():
        same = own[name] == version if name == "python" else own[name].split(".")[0] == version.split(".")[0]
        if not same:
            raise RuntimeError(
                f"probav: {where} has {name} {own[name]}, the notebook {version}; give the executors an "
                "environment with the notebook's versions (PROBAV_SPARK_ARCHIVES or PYSPARK_PYTHON; "
                "docs/clusters.md)."
            )
    spec = importlib.util.find_spec("probav") if loaded is None else loaded.__spec__
    found = digest(os.path.dirname(spec.origin)) if spec is not None and spec.origin else None
    if found != expected or always:
        if code is None:
            what = f"a probav with the digest {found}" if found else "no probav"
            raise RuntimeError(
                f"probav: {where} has {what}, the notebook's has {expected}, and PROBAV_SPARK_SHIP is never: "
                "install the same wheel on the cluster, or let it travel with the job "
                "(PROBAV_SPARK_SHIP=auto)."
            )
        for name in [name for name in sys.modules if name.split(".")[0] == "probav"]:
            del sys.modules[name]
        sys.path.insert(0, _unpacked(expected, code))
        importlib.invalidate_caches()
    try:
        package: Any = importlib.import_module("probav")
    except ImportError as error:
        raise RuntimeError(
            f"probav: {where} lacks what probav needs: {error}; give the executors an environment with "
            "probav's dependencies (PROBAV_SPARK_ARCHIVES or PYSPARK_PYTHON; docs/clusters.md)."
        ) from error
    package.provided = expected


def _unpacked(name: str, code: bytes) -> str:
    """Return the folder that holds the package, unpacked once for all workers of a user on this machine."""
    folder = os.path.join(tempfile.gettempdir(), f"probav-{os.getuid()}-{name}")
    for _ in range(2):
        if os.path.isdir(folder) and os.stat(folder).st_uid == os.getuid():
            if digest(os.path.join(folder, "probav")) == name:
                return folder
            shutil.rmtree(folder, ignore_errors=True)  # touched by somebody, or half removed
        new = tempfile.mkdtemp(prefix="probav-")  # for this user only
        with zipfile.ZipFile(io.BytesIO(code)) as file:
            file.extractall(new)
        try:
            os.rename(new, folder)
        except OSError:  # another worker was first, or the name is somebody else's
            if os.path.isdir(folder) and os.stat(folder).st_uid == os.getuid():
                shutil.rmtree(new, ignore_errors=True)
            else:
                return new
    return folder


def runner(
    function: str, shared: bytes, expected: str, driver: dict[str, str], code: bytes | None, always: bool
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return what `mapInArrow` calls: rows (number, data) in, rows (number, key, data) out.

    Parameters
    ----------
    function : str
        "module:name" of this package; called with `shared` and the data of a row, it yields keys and data.
    shared : bytes
    expected, driver, code, always
        As `provide` takes them.
    """

    def run(batches: Iterator[Any]) -> Iterator[Any]:
        provide(expected, driver, code, always)
        import pyarrow as pa

        module, _, name = function.partition(":")
        call = getattr(importlib.import_module(module), name)
        for batch in batches:
            for number, data in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                answers = list(call(shared, data))
                yield pa.RecordBatch.from_arrays(
                    [
                        pa.array([number] * len(answers), pa.int64()),
                        pa.array([key for key, _ in answers], pa.int64()),
                        pa.array([answer for _, answer in answers], pa.binary()),
                    ],
                    ["number", "key", "data"],
                )

    return run


def merger(
    function: str, shared: bytes, expected: str, driver: dict[str, str], code: bytes | None, always: bool
) -> Callable[[Any], Any]:
    """Return what `applyInArrow` calls with all rows of one key: the rows of what they come to.

    The parameters are those of `runner`; the function takes `shared`, the key, and an iterator of data, and
    yields data.
    """

    def merge(table: Any) -> Any:
        provide(expected, driver, code, always)
        import pyarrow as pa

        module, _, name = function.partition(":")
        call = getattr(importlib.import_module(module), name)
        key = table.column("key")[0].as_py()
        found = list(call(shared, key, (item.as_py() for item in table.column("data"))))
        return pa.table(
            {
                "number": pa.array([-1] * len(found), pa.int64()),
                "key": pa.array([key] * len(found), pa.int64()),
                "data": pa.array(found, pa.binary()),
            }
        )

    return merge
