"""Zipped and gzipped products: unpacked into a folder that goes away, within bounds."""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from probav.errors import SourceError
from probav.readers.names import split_suffix

_MEMBERS = 1000
_LARGEST = 16 << 30  # bytes, all members: a global SPOT-VEGETATION product has 8 GB
_SMALL = 256 << 20  # bytes below which a ratio says nothing: an empty sea packs a thousandfold
_RATIO = 200
_LARGEST_GZIP = 1 << 30
_QUICK_LOOK = re.compile(r"(^|_)(QL|QUICKLOOK)(?=[_.])", re.IGNORECASE)


def is_product(name: str) -> bool:
    """Whether a file name ends as products do and is no hidden file and no picture of one."""
    return bool(split_suffix(name)[1]) and not name.startswith(".") and _QUICK_LOOK.search(name) is None


def unzip(path: Path, stack: ExitStack) -> list[Path]:
    """Unpack the product files and texts of a zip into a temporary folder; `stack` removes it.

    Returns
    -------
    list of Path
        The product files, below a folder that is called as the zip is.

    Raises
    ------
    SourceError
        If it is damaged, encrypted, holds no product file, or more than 1000 members, 16 GiB or what fits
        on the disk of the temporary folder.
    """
    with zipfile.ZipFile(path) as archive:
        members = [item for item in archive.infolist() if not item.is_dir()]
        if len(members) > _MEMBERS:
            raise SourceError(f"holds {len(members)} files; expected at most {_MEMBERS}")
        products = [
            item for item in members if is_product(_base(item)) and split_suffix(_base(item))[1] != ".zip"
        ]
        wanted = products + [item for item in members if _base(item).lower().endswith(".txt")]
        if not products:
            held = ", ".join(item.filename for item in members[:5]) or "nothing"
            raise SourceError(f"holds {held}; expected a product file")
        size, packed = (sum(getattr(item, key) for item in wanted) for key in ("file_size", "compress_size"))
        if size > _LARGEST or (size > _SMALL and size > _RATIO * packed):
            raise SourceError(f"unpacks from {packed} to {size} bytes, which no product does")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="probav-zip-")))
        free = shutil.disk_usage(folder).free
        if size > free:
            raise SourceError(
                f"needs {size >> 20} MiB in {folder.parent}, which has {free >> 20}; "
                "set TMPDIR to a larger disk"
            )
        root = folder / split_suffix(path.name)[0]
        return [_extract(archive, item, root) for item in wanted][: len(products)]


def unpacked_gzip(path: Path) -> bytes:
    """Return what a .gz holds.

    Raises
    ------
    SourceError
        If that is more than 1 GiB.
    """
    with gzip.open(path) as stream:
        data = stream.read(_LARGEST_GZIP + 1)
    if len(data) > _LARGEST_GZIP:
        raise SourceError(f"unpacks to more than {_LARGEST_GZIP >> 20} MiB, which no product does")
    return data


def _base(item: zipfile.ZipInfo) -> str:
    return item.filename.rpartition("/")[2]


def _extract(archive: zipfile.ZipFile, item: zipfile.ZipInfo, root: Path) -> Path:
    parts = PurePosixPath(item.filename.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
        raise SourceError(f"holds a file with the path {item.filename!r}, which leads out of it")
    target = root.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(item) as source, target.open("xb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    return target
