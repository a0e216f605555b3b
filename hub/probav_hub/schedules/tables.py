"""What the database of schedules holds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ACTIVE = ("queued", "starting", "running")
FAILED = ("failed", "interrupted")


class Base(DeclarativeBase):
    """The tables."""


class Schedule(Base):
    """A notebook and when it runs; times are seconds since 1970.

    `last_moment`: nothing at or before it is due. `next_moment`: when to look again, None while it is paused.
    `failures`: how many runs failed one after the other. `note`: what its user should know of it.
    """

    __tablename__ = "schedules"

    id: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    notebook: Mapped[str]
    cron: Mapped[str]
    timezone: Mapped[str]
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    profile: Mapped[str | None]
    minutes: Mapped[int]
    mail: Mapped[str] = mapped_column(default="failure")
    enabled: Mapped[bool] = mapped_column(default=True)
    created: Mapped[float]
    last_moment: Mapped[float]
    next_moment: Mapped[float | None]
    failures: Mapped[int] = mapped_column(default=0)
    note: Mapped[str] = mapped_column(default="")
    deleted: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (Index("one_name", "user", "name", unique=True, sqlite_where=text("not deleted")),)


class Run(Base):
    """One run of a schedule: for which moment, by whom (`schedule` or `user`), how it goes or ended.

    `state`: queued, starting, running; done, failed (by the notebook), interrupted (by what it ran in,
    twice), stopped (by its user). `key`: what the server knows the service by. `server_left`: a server may be
    there.
    """

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedules.id"), index=True)
    user: Mapped[str] = mapped_column(index=True)
    moment: Mapped[float]
    by: Mapped[str]
    state: Mapped[str] = mapped_column(default="queued", index=True)
    attempt: Mapped[int] = mapped_column(default=1)
    key: Mapped[str] = mapped_column(default="")
    queued: Mapped[float]
    started: Mapped[float | None]
    ended: Mapped[float | None]
    cell: Mapped[int] = mapped_column(default=0)
    cells: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")
    output: Mapped[str] = mapped_column(default="")
    server_left: Mapped[bool] = mapped_column(default=False)
    mail: Mapped[str] = mapped_column(default="")
    mail_tries: Mapped[int] = mapped_column(default=0)

    __table_args__ = (  # never two of a schedule at the same time
        Index(
            "one_at_a_time",
            "schedule_id",
            unique=True,
            sqlite_where=text("state in ('queued', 'starting', 'running')"),
        ),
    )

    @property
    def server(self) -> str:
        """Return the name of the server that it runs in."""
        return f"{SERVERS}{self.id}-{self.attempt}"


class Visit(Base):
    """When a user last saw how the runs ended."""

    __tablename__ = "visits"

    user: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[float]


SERVERS = "scheduled-"  # how the names of runs' servers begin
