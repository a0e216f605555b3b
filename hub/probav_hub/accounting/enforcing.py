"""Servers whose budget is spent: their users are warned, then they are stopped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, delete, select
from sqlalchemy.engine import Connection

from probav_hub.accounting.database import STOPS, WARNINGS
from probav_hub.accounting.recording import Running
from probav_hub.accounting.standing import HOURS, Standing, is_for, moment, standings
from probav_hub.configuration import Accounting, Budget


@dataclass(frozen=True)
class Stop:
    """A server that is to be stopped, and why."""

    server: Running
    budget: str
    text: str


def enforce(
    engine: Engine, given: Accounting, budgets: Sequence[Budget], running: Sequence[Running], now: float
) -> list[Stop]:
    """Keep the warnings that servers deserve now; return the servers whose time is over.

    A server is warned before what is left is used up at the rate of all that run on the budget, and stopped
    when nothing is left, but not before its user had the time of grace since the warning.
    """
    seen: dict[str, tuple[str, ...]] = {server.user: server.groups for server in running}
    shared: dict[str, list[Standing]] = {}
    standing = {user: standings(engine, budgets, user, groups, now, shared) for user, groups in seen.items()}
    stops = []
    with engine.begin() as connection:
        warned = {(row.user, row.server, row.started): row.warned for row in connection.execute(
            select(WARNINGS))}  # fmt: skip
        kept = set()
        for server in running:
            worst = _worst(server, standing[server.user], running)
            if worst is None or worst[1] > given.warn_minutes:
                continue
            limit, minutes = worst
            key = (server.user, server.server, server.started)
            first = warned.get(key, now)
            end = max(now + minutes * 60, first + given.grace_minutes * 60)
            kept.add(key)
            _keep(connection, key, first, _warning(server, limit, end))
            if limit.is_spent and now >= first + given.grace_minutes * 60:
                stops.append(Stop(server, limit.budget.name, _stopped(server, limit, now)))
        for key in set(warned) - kept:
            connection.execute(delete(WARNINGS).where(*_is(key)))
    return stops


def stopped(engine: Engine, stop: Stop, now: float) -> None:
    """Keep that a server was stopped."""
    with engine.begin() as connection:
        values = {"user": stop.server.user, "server": stop.server.server, "budget": stop.budget}
        connection.execute(STOPS.insert().values(moment=now, text=stop.text, **values))


def warnings(engine: Engine, user: str) -> list[str]:
    """Return the warnings of a user's servers."""
    with engine.connect() as connection:
        rows = connection.execute(select(WARNINGS.c.text).where(WARNINGS.c.user == user).distinct())
        return [row.text for row in rows]


def _worst(
    server: Running, found: Iterable[Standing], running: Iterable[Running]
) -> tuple[Standing, float] | None:
    """Return the limit that a server meets first, and in how many minutes."""
    rates: dict[str, float] = defaultdict(float)
    columns = {each.name: each.column for each in HOURS}
    met = []
    for limit in found:
        column = columns.get(limit.resource.name)
        if column is None or not getattr(server, column):
            continue
        key = f"{limit.budget.name} {column}"
        rates[key] = sum(
            getattr(other, column)
            for other in running
            if (other.user == server.user or limit.budget.shared)
            and is_for(limit.budget, other.user, other.groups)
        )
        met.append((limit, limit.left / rates[key] * 60))
    return min(met, key=lambda item: item[1]) if met else None


def _warning(server: Running, limit: Standing, end: float) -> str:
    resource = limit.resource
    return (
        f"{_name(server)} will be stopped at about {moment(end)}: the budget {limit.budget.name} has "
        f"{resource.text(limit.left)} of {resource.full(limit.limit)} left. Save your work."
    )


def _stopped(server: Running, limit: Standing, now: float) -> str:
    again = limit.frees
    text = f"{_name(server)} was stopped on {moment(now)}: {limit.sentence()}."
    return text if again is None else f"{text} Some is free again from {moment(again)} on."


def _name(server: Running) -> str:
    return f"Your server {server.server}" if server.server else "Your server"


def _is(key: tuple[str, str, float]) -> list[ColumnElement[bool]]:
    user, server, started = key
    return [WARNINGS.c.user == user, WARNINGS.c.server == server, WARNINGS.c.started == started]


def _keep(connection: Connection, key: tuple[str, str, float], first: float, text: str) -> None:
    connection.execute(delete(WARNINGS).where(*_is(key)))
    user, server, started = key
    connection.execute(
        WARNINGS.insert().values(user=user, server=server, started=started, warned=first, text=text)
    )
