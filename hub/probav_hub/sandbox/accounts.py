"""A number of its own for every user and group, kept for good: files belong to numbers."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from probav_hub.errors import HubError

# systemd's table of user ids gives 1879048192 to 2147483645 to nobody, and no container's range reaches it
FIRST, LAST = 1_900_000_000, 2_000_000_000
FILE = "accounts.sqlite"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}")
_TABLE = """
CREATE TABLE IF NOT EXISTS account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (kind, name)
)"""  # AUTOINCREMENT: the number of a deleted row is never given again


class Accounts:
    """The numbers of a hub's users and groups; the host's own lists of users know nothing of them.

    Parameters
    ----------
    state : Path
        Folder of what the hub keeps.
    first : int
        The first number; another for each hub of a machine.
    """

    def __init__(self, state: Path, first: int = FIRST) -> None:
        self.file = state / FILE
        self._first = first

    def user(self, name: str) -> int:
        """Return a user's number, which is the number of a group that has no other member, too.

        Raises
        ------
        HubError
            If the name can be no folder's, or there are no more numbers.
        """
        return self._number("user", name)

    def group(self, name: str) -> int:
        """Return a group's number.

        Raises
        ------
        HubError
            If the name can be no folder's, or there are no more numbers.
        """
        return self._number("group", name)

    def _number(self, kind: str, name: str) -> int:
        if not is_plain(name):
            raise HubError(
                f"The {kind} {name!r} can have no folder here: expected letters, digits and . _ @ + - , "
                "64 at most, and none of . @ + - at the beginning. Rename it, or leave it out."
            )
        with closing(self._connect()) as database, database:
            database.execute("BEGIN IMMEDIATE")
            row = database.execute(
                "SELECT id FROM account WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
            if row is None:
                row = (
                    database.execute(
                        "INSERT INTO account (kind, name) VALUES (?, ?)", (kind, name)
                    ).lastrowid,
                )
        number = int(row[0])
        if number > LAST:
            raise HubError(f"{self.file} has given {number - FIRST} numbers away; there are no more.")
        return number

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self.file, timeout=30)
        with database:
            database.execute(_TABLE)
            if database.execute("SELECT 1 FROM sqlite_sequence").fetchone() is None:
                database.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('account', ?)",
                                 (self._first - 1,))  # fmt: skip
        return database


def is_plain(name: str) -> bool:
    """Return whether a name can be a folder's and a line's of /etc/passwd."""
    return bool(_NAME.fullmatch(name))
