"""Schedules and runs, in a database of one file; every change is one transaction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, delete, event, func, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from probav_hub.errors import HubError
from probav_hub.schedules.tables import ACTIVE, FAILED, Base, Run, Schedule, Visit

VERSION = 1  # of the tables
BUSY_SECONDS = 10.0


class Store:
    """The database of schedules.

    Parameters
    ----------
    file : Path

    Raises
    ------
    HubError
        If it can't be used.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
        engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _prepare)
        try:
            _make(engine, file)
        except DatabaseError as error:
            engine.dispose()
            raise HubError(f"{file} can't be used: {error.orig}; restore it from a backup.") from None
        except HubError:
            engine.dispose()
            raise
        self._engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def _begin(self) -> AbstractContextManager[Session]:
        return self._sessions.begin()

    # --- schedules ----------------------------------------------------------------------------------------

    def schedules(self, user: str | None = None) -> Sequence[Schedule]:
        """Return the schedules of a user, or of all."""
        wanted = select(Schedule).where(Schedule.deleted.is_(False)).order_by(Schedule.user, Schedule.name)
        with self._begin() as session:
            return session.scalars(wanted if user is None else wanted.where(Schedule.user == user)).all()

    def schedule(self, number: int) -> Schedule | None:
        """Return a schedule, None if there is none of that number."""
        with self._begin() as session:
            found = session.get(Schedule, number)
        return found if found is not None and not found.deleted else None

    def add(self, user: str, most: int, **fields: Any) -> Schedule | str:
        """Add a schedule of a user, or return why it can't be."""
        try:
            with self._begin() as session:
                count = session.scalar(
                    select(func.count()).where(Schedule.user == user, Schedule.deleted.is_(False))
                )
                if (count or 0) >= most:
                    return f"You have {count} schedules, as many as this hub allows: delete one first."
                made = Schedule(user=user, **fields)
                session.add(made)
            return made
        except IntegrityError:
            return f"You have a schedule {fields['name']!r} already: take another name."

    def change(self, number: int, **fields: Any) -> str:
        """Change a schedule, and return why it can't be if it can't."""
        try:
            with self._begin() as session:
                session.execute(update(Schedule).where(Schedule.id == number).values(**fields))
        except IntegrityError:
            return f"You have a schedule {fields['name']!r} already: take another name."
        return ""

    def remove(self, number: int) -> None:
        """Remove a schedule; it is forgotten once no server of a run is left."""
        with self._begin() as session:
            session.execute(update(Schedule).where(Schedule.id == number).values(deleted=True, enabled=False))

    def forget(self) -> None:
        """Forget what was removed and has nothing left to do."""
        busy = select(Run.schedule_id).where(Run.state.in_(ACTIVE) | Run.server_left)
        with self._begin() as session:
            gone = select(Schedule.id).where(Schedule.deleted, Schedule.id.not_in(busy))
            numbers = session.scalars(gone).all()
            session.execute(delete(Run).where(Run.schedule_id.in_(numbers)))
            session.execute(delete(Schedule).where(Schedule.id.in_(numbers)))

    def due(self, now: float) -> Sequence[Schedule]:
        """Return the schedules whose moment has come."""
        wanted = select(Schedule).where(Schedule.enabled, Schedule.next_moment <= now)
        with self._begin() as session:
            return session.scalars(wanted.order_by(Schedule.next_moment)).all()

    # --- runs ---------------------------------------------------------------------------------------------

    def enqueue(self, schedule: Schedule, moment: float, by: str, now: float, **changes: Any) -> Run | None:
        """Add a run that waits for its turn, and change its schedule; None if one of it goes already."""
        try:
            with self._begin() as session:
                session.execute(update(Schedule).where(Schedule.id == schedule.id).values(**changes, note=""))
                made = Run(schedule_id=schedule.id, user=schedule.user, moment=moment, by=by, queued=now)
                session.add(made)
            return made
        except IntegrityError:
            return None

    def run(self, number: int) -> Run | None:
        """Return a run, None if there is none of that number."""
        with self._begin() as session:
            return session.get(Run, number)

    def runs(self, schedule: int, most: int = 1000) -> Sequence[Run]:
        """Return the runs of a schedule, the latest first."""
        wanted = select(Run).where(Run.schedule_id == schedule).order_by(Run.id.desc()).limit(most)
        with self._begin() as session:
            return session.scalars(wanted).all()

    def latest_runs(self, schedules: Sequence[Schedule]) -> dict[int, Run]:
        """Return the latest run of each of some schedules."""
        latest = (
            select(func.max(Run.id))
            .where(Run.schedule_id.in_([schedule.id for schedule in schedules]))
            .group_by(Run.schedule_id)
        )
        with self._begin() as session:
            return {run.schedule_id: run for run in session.scalars(select(Run).where(Run.id.in_(latest)))}

    def in_state(self, *states: str) -> Sequence[Run]:
        """Return the runs in some states, the earliest first."""
        with self._begin() as session:
            return session.scalars(select(Run).where(Run.state.in_(states)).order_by(Run.id)).all()

    def with_servers(self) -> Sequence[Run]:
        """Return the runs that have ended and may have a server left."""
        with self._begin() as session:
            return session.scalars(select(Run).where(Run.state.not_in(ACTIVE), Run.server_left)).all()

    def update(self, number: int, expected: Sequence[str] = ACTIVE, **fields: Any) -> bool:
        """Change a run that is in an expected state, and return whether it was."""
        with self._begin() as session:
            found: Any = session.execute(
                update(Run).where(Run.id == number, Run.state.in_(expected)).values(**fields)
            )
            return bool(found.rowcount)

    def clean(self, number: int) -> None:
        """Note that a run has no server left."""
        with self._begin() as session:
            session.execute(update(Run).where(Run.id == number).values(server_left=False))

    def finish(self, number: int, state: str, now: float, keep: int, pause_after: int, **fields: Any) -> bool:
        """End a run that goes, forget the oldest of its schedule, and pause one that fails all the time."""
        with self._begin() as session:
            run = session.get(Run, number)
            if run is None or run.state not in ACTIVE:
                return False
            for name, value in {**fields, "state": state, "ended": now}.items():
                setattr(run, name, value)
            schedule = session.get(Schedule, run.schedule_id)
            assert schedule is not None
            if state in FAILED:
                schedule.failures += 1
                if pause_after and schedule.failures >= pause_after and schedule.enabled:
                    schedule.enabled, schedule.next_moment = False, None
                    schedule.note = f"Paused: the last {schedule.failures} runs failed."
            elif state == "done":
                schedule.failures = 0
            run.mail = "due" if _wants_mail(schedule, state) else ""
            session.flush()
            old = (
                select(Run.id)
                .where(Run.schedule_id == run.schedule_id, Run.state.not_in(ACTIVE), ~Run.server_left)
                .order_by(Run.id.desc())
                .offset(keep)
            )
            session.execute(delete(Run).where(Run.id.in_(session.scalars(old).all()), Run.id != number))
        return True

    # --- what users are told ------------------------------------------------------------------------------

    def mails(self) -> Sequence[tuple[Run, Schedule]]:
        """Return the runs whose users wait for a mail, with their schedules."""
        wanted = select(Run, Schedule).join(Schedule, Run.schedule_id == Schedule.id).where(Run.mail == "due")
        with self._begin() as session:
            return [(run, schedule) for run, schedule in session.execute(wanted)]

    def mailed(self, number: int, state: str, tries: int) -> None:
        """Note how sending a mail went."""
        with self._begin() as session:
            session.execute(update(Run).where(Run.id == number).values(mail=state, mail_tries=tries))

    def visited(self, user: str, now: float) -> None:
        """Note that a user has seen how the runs ended."""
        with self._begin() as session:
            session.merge(Visit(user=user, at=now))


def failed_since_visit(file: Path, user: str, seconds: float = 0.25) -> list[tuple[str, str]]:
    """Return schedule and error of a user's runs that failed since the last visit; never waits long."""
    engine = create_engine(f"sqlite:///file:{file}?mode=ro&uri=true", connect_args={"timeout": seconds})
    seen = select(Visit.at).where(Visit.user == user).scalar_subquery()
    wanted = (
        select(Schedule.name, Run.error)
        .join(Schedule, Run.schedule_id == Schedule.id)
        .where(Run.user == user, Run.state.in_(FAILED), Run.ended > func.coalesce(seen, 0.0))
        .where(Schedule.deleted.is_(False))
        .order_by(Run.id.desc())
        .limit(100)
    )
    try:
        with engine.connect() as connection:
            return [(name, error) for name, error in connection.execute(wanted)]
    finally:
        engine.dispose()


def _wants_mail(schedule: Schedule, state: str) -> bool:
    if schedule.deleted or state == "stopped":
        return False
    return schedule.mail == "always" or (schedule.mail == "failure" and state in FAILED)


def _make(engine: Engine, file: Path) -> None:
    """Make the tables, unless they are there."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found > VERSION:
            raise HubError(
                f"{file} is of a later version ({found}) of probav-hub, which knows {VERSION}: install "
                "that one, or restore a backup."
            )
        if found < VERSION:
            Base.metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
            connection.commit()


def _prepare(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")  # the hub reads while the service writes
    connection.execute("PRAGMA foreign_keys = ON")
