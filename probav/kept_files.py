"""A folder of small files, each what a key stands for; bounded in bytes, the least used go first."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path

from numcodecs import zstd

_TIDY = 16  # times, while a folder's whole room is written once
_TOUCH_SECONDS = 3600.0  # of age, before a use is noted: a note costs a write


class KeptFiles:
    """Files by key.

    Threads and processes may share one. A file that is damaged counts as not there; a full disk costs the
    file, not what it would hold.

    Parameters
    ----------
    folder : Path
    room : int
        Bytes they may take; passed by at most a sixteenth for a moment. 0 keeps nothing.
    level : int
        Of compression; 0 for what is compressed already.
    private : bool
        Let this user alone read them; else whom the umask lets.
    """

    def __init__(self, folder: Path, room: int, level: int = 1, private: bool = True) -> None:
        self.folder, self.room = folder, room
        self._level, self._private = level, private
        self._written = room  # since the last look at the folder: look at the first
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return the bytes kept under a key (letters and digits); None if there are none."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            with contextlib.suppress(OSError):  # another user's, whose files can be read only
                status = path.stat()
                if status.st_atime - status.st_mtime > _TOUCH_SECONDS:
                    path.touch()
            return bytes(zstd.decompress(data))
        except (OSError, RuntimeError, ValueError):
            return None

    def has(self, key: str) -> bool:
        """Return whether there is a file of a key."""
        return self._path(key).exists()

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes under a key."""
        if not self.room:
            return
        packed = bytes(zstd.compress(data, self._level, checksum=True))
        path = self._path(key)
        with contextlib.suppress(OSError):
            for folder in (self.folder, path.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700 if self._private else 0o777)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
                try:
                    file.write(packed)
                    file.close()
                    if not self._private:
                        os.chmod(file.name, path.parent.stat().st_mode & 0o666)
                    os.replace(file.name, path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
            with self._lock:
                self._written += len(packed)
                if self._written * _TIDY >= self.room:
                    self._written = 0
                    self._tidy()

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]

    def _tidy(self) -> None:
        found = []
        for path in self.folder.glob("??/*"):
            with contextlib.suppress(OSError):  # another process was faster
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, path))
        room = self.room
        for _, size, path in sorted(found, key=lambda item: -item[0]):
            room -= size
            if room < 0:
                path.unlink(missing_ok=True)

    @property
    def is_writable(self) -> bool:
        """Whether this user may add files."""
        existing = next(path for path in (self.folder, *self.folder.absolute().parents) if path.exists())
        return bool(self.room) and os.access(existing, os.W_OK)


def room_of(variable: str, otherwise: int) -> int:
    """Return the number of bytes that an environment variable gives, else `otherwise`."""
    given = os.environ.get(variable, "")
    return int(given) if given.isdigit() else otherwise
