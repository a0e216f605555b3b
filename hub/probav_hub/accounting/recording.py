"""What was seen and told becomes use: pieces of servers' time, bytes read by queries."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

from probav_hub.accounting.database import CLOCK, METERS, PIECES, READS, grouping

STEP_SECONDS = 5.0  # by which wall and steady clock may differ between two looks
READ_SECONDS = 600  # reads of so long are added up
MOST_BYTES = 10**15  # that a process may tell at once, or in all
MOST_METERS = 500  # processes of a user that are remembered
METER_SECONDS = 40 * 86400.0  # after which a process that told nothing is forgotten
_SESSION = re.compile(r"[A-Za-z0-9-]{8,64}")


class ReportError(ValueError):
    """What a process told can't be true; says why."""


@dataclass(frozen=True)
class Running:
    """A server that runs, with what is reserved for it.

    Attributes
    ----------
    user, server : str
    started : float
        Seconds since 1970, as the hub keeps it.
    profile : str
    groups : tuple of str
        That the user is in.
    cores, memory, executors : float
        Memory in GiB.
    """

    user: str
    server: str
    started: float
    profile: str
    groups: tuple[str, ...]
    cores: float
    memory: float
    executors: float


def boot() -> str:
    """Return what names this start of the machine, or of this process where that can't be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid.uuid4())


class Recorder:
    """Keeps what running servers use.

    Where the machine's clock is set meanwhile, or the machine slept, the steady clock says how long they ran.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    boot : str
        Names the steady clock, which begins anew when the machine does.
    """

    def __init__(self, engine: Engine, boot: str) -> None:
        self._engine, self._boot = engine, boot

    def see(self, servers: Iterable[Running], now: float, steady: float) -> None:
        """Keep that servers run now.

        Parameters
        ----------
        servers : iterable of Running
        now : float
            Of the machine's clock.
        steady : float
            Of a clock that nobody sets.
        """
        with self._engine.begin() as connection:
            last = connection.execute(select(CLOCK)).first()
            ran = None  # seconds since the last look, where the clocks disagree
            if last is not None and last.boot == self._boot:
                elapsed = steady - last.steady
                if abs(now - last.now - elapsed) > STEP_SECONDS:
                    ran = elapsed
            for server in servers:
                _see(connection, server, now, ran)
            values = {"now": now, "steady": steady, "boot": self._boot}
            row = insert(CLOCK).values(id=1, **values)
            connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))


def _see(connection: Connection, server: Running, now: float, ran: float | None) -> None:
    run = (PIECES.c.user == server.user, PIECES.c.server == server.server,
           PIECES.c.started == server.started)  # fmt: skip
    last = connection.execute(select(PIECES).where(*run).order_by(PIECES.c.id.desc()).limit(1)).first()
    own = grouping(connection, server.groups)
    if last is None:
        begin = min(server.started, now)
        _add(connection, server, own, begin if ran is None else max(begin, now - ran), now)
        return
    was_set_back = last.end > now + STEP_SECONDS
    if ran is not None:
        end = last.end + ran
    else:
        end = last.end if was_set_back else max(last.end, now)
    connection.execute(update(PIECES).where(PIECES.c.id == last.id).values(end=end))
    if ran is not None or was_set_back or last.grouping != own:
        _add(connection, server, own, now, now)


def _add(connection: Connection, server: Running, own: int, begin: float, end: float) -> None:
    values = {"user": server.user, "server": server.server, "started": server.started,
              "profile": server.profile, "grouping": own, "begin": begin, "end": end,
              "cores": server.cores, "memory": server.memory, "executors": server.executors}  # fmt: skip
    connection.execute(PIECES.insert().values(values))


def read(engine: Engine, user: str, groups: Iterable[str], told: object, now: float) -> int:
    """Keep what a process of a user's server says it has read; return what of it is new.

    Parameters
    ----------
    engine : Engine
    user : str
    groups : iterable of str
        That the user is in.
    told : object
        ``{"session": text, "total": bytes}``: which process, and what it has read since it began.
    now : float

    Raises
    ------
    ReportError
        If that is nothing a process can say.
    """
    session, total = _checked(told)
    with engine.begin() as connection:
        own = (METERS.c.user == user, METERS.c.session == session)
        before = connection.execute(select(METERS.c.total).where(*own)).scalar()
        if before is None:
            _forget(connection, user, now)
        new = max(0, total - (before or 0))
        if before is None or new:
            told_now = {"total": max(total, before or 0), "told": now}
            row = insert(METERS).values(user=user, session=session, **told_now)
            connection.execute(row.on_conflict_do_update(index_elements=["user", "session"], set_=told_now))
        if new:
            values = {"user": user, "grouping": grouping(connection, groups),
                      "begin": int(now // READ_SECONDS) * READ_SECONDS}  # fmt: skip
            added = insert(READS).values(bytes=new, **values)
            connection.execute(
                added.on_conflict_do_update(
                    index_elements=list(values), set_={"bytes": READS.c.bytes + added.excluded.bytes}
                )
            )
    return new


def _checked(told: object) -> tuple[str, int]:
    if not isinstance(told, dict) or set(told) != {"session", "total"}:
        raise ReportError("expected an object with session and total")
    session, total = told["session"], told["total"]
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        raise ReportError("session: expected 8 to 64 letters, digits and hyphens")
    if isinstance(total, bool) or not isinstance(total, int) or not 0 <= total <= MOST_BYTES:
        raise ReportError(f"total: expected a whole number from 0 to {MOST_BYTES}")
    return session, total


def _forget(connection: Connection, user: str, now: float) -> None:
    """Make room for one more process of a user: the oldest are forgotten."""
    connection.execute(delete(METERS).where(METERS.c.told < now - METER_SECONDS))
    mine = METERS.c.user == user
    count = connection.execute(select(func.count()).select_from(METERS).where(mine)).scalar_one()
    if count >= MOST_METERS:
        oldest = select(METERS.c.session).where(mine).order_by(METERS.c.told).limit(count - MOST_METERS + 1)
        connection.execute(delete(METERS).where(mine, METERS.c.session.in_(oldest)))
