"""Where use is kept: a SQLite file of the hub's state folder, written by the service and read by the hub.

A server's use is kept as pieces of time with what was reserved for it. A piece ends when the server was last
seen, and is known by the moment at which the hub says that the server started: looking again, after however
long, makes it longer and never counts a moment twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import (
    Column,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError, OperationalError

from probav_hub.errors import HubError

NAME = "accounting.sqlite"
VERSION = 1
WAIT_SECONDS = 15  # for another process to finish writing

METADATA = MetaData()
GROUPINGS = Table(
    "groupings", METADATA,
    Column("id", Integer, primary_key=True),
    Column("names", String, nullable=False, unique=True),  # JSON, sorted
)  # fmt: skip
PIECES = Table(
    "pieces", METADATA,
    Column("id", Integer, primary_key=True),
    Column("user", String, nullable=False),
    Column("server", String, nullable=False),
    Column("started", Float, nullable=False),  # as the hub says: with user and server, which run it was
    Column("profile", String, nullable=False),
    Column("grouping", ForeignKey("groupings.id"), nullable=False),
    Column("begin", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("cores", Float, nullable=False),
    Column("memory", Float, nullable=False),  # GiB
    Column("executors", Float, nullable=False),
    Index("pieces_by_run", "user", "server", "started"),
    Index("pieces_by_end", "end"),
)  # fmt: skip
READS = Table(
    "reads", METADATA,
    Column("user", String, primary_key=True),
    Column("grouping", ForeignKey("groupings.id"), primary_key=True),
    Column("begin", Integer, primary_key=True),  # of ten minutes
    Column("bytes", Integer, nullable=False),
)  # fmt: skip
METERS = Table(  # what each process has told so far, so that what it tells twice counts once
    "meters", METADATA,
    Column("user", String, primary_key=True),
    Column("session", String, primary_key=True),
    Column("total", Integer, nullable=False),
    Column("told", Float, nullable=False),
)  # fmt: skip
CLOCK = Table(  # of the last look: one row
    "clock", METADATA,
    Column("id", Integer, primary_key=True),
    Column("now", Float, nullable=False),
    Column("steady", Float, nullable=False),
    Column("boot", String, nullable=False),
)  # fmt: skip
WARNINGS = Table(
    "warnings", METADATA,
    Column("user", String, primary_key=True),
    Column("server", String, primary_key=True),
    Column("started", Float, primary_key=True),
    Column("warned", Float, nullable=False),
    Column("text", String, nullable=False),
)  # fmt: skip
STOPS = Table(
    "stops", METADATA,
    Column("id", Integer, primary_key=True),
    Column("user", String, nullable=False, index=True),
    Column("server", String, nullable=False),
    Column("budget", String, nullable=False),
    Column("moment", Float, nullable=False),
    Column("text", String, nullable=False),
)  # fmt: skip


def open_database(state: Path | str) -> Engine:
    """Open the database of a state folder; it is made where there is none.

    Raises
    ------
    HubError
        If it can't be read, or is a newer version's.
    """
    file = Path(state, NAME)
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": WAIT_SECONDS})
    event.listen(engine, "connect", _settle)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found > VERSION:
            raise HubError(
                f"{file} is of version {found}, and this probav knows {VERSION}: use the newer one."
            )
        _make(engine)
    except OSError as error:
        raise HubError(f"{file} can't be opened: {error.strerror}.") from None
    except DatabaseError as error:
        raise HubError(f"{file} can't be used: {error.orig}. Restore it, or move it away.") from None
    return engine


def _settle(connection: object, record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")  # the hub reads while the service writes
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _make(engine: Engine) -> None:
    try:
        METADATA.create_all(engine)
    except OperationalError:  # hub and service came at once: now the tables are there
        METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")


def grouping(connection: Connection, groups: Iterable[str]) -> int:
    """Return the number of a set of groups, which is kept the first time."""
    names = json.dumps(sorted(set(groups)), ensure_ascii=False)
    connection.execute(insert(GROUPINGS).values(names=names).on_conflict_do_nothing())
    return int(connection.execute(select(GROUPINGS.c.id).where(GROUPINGS.c.names == names)).scalar_one())


def groupings(connection: Connection) -> dict[int, list[str]]:
    """Return the sets of groups that use was kept with, by their numbers."""
    return {row.id: json.loads(row.names) for row in connection.execute(select(GROUPINGS))}
