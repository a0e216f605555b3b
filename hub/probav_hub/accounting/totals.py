"""What was used in some days: by each user, and by each group."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Engine, func, select

from probav_hub.accounting.database import PIECES, READS, groupings
from probav_hub.accounting.intervals import HOUR
from probav_hub.accounting.standing import RESOURCES


@dataclass
class Total:
    """What somebody used, by the resource's name."""

    name: str
    amounts: dict[str, float] = field(default_factory=lambda: {each.name: 0.0 for each in RESOURCES})

    def add(self, amounts: dict[str, float]) -> None:
        """Add amounts to it."""
        for name, amount in amounts.items():
            self.amounts[name] += amount


def totals(engine: Engine, start: float = 0.0, user: str | None = None) -> tuple[list[Total], list[Total]]:
    """Return what users and groups used after a start, by their names.

    What a user of several groups used is in each of theirs: groups don't add up to all.
    """
    users: dict[str, Total] = {}
    groups: dict[str, Total] = {}
    hours = (PIECES.c.end - func.max(PIECES.c.begin, start)) / HOUR
    pieces = select(
        PIECES.c.user,
        PIECES.c.grouping,
        func.sum(hours * PIECES.c.cores).label("core_hours"),
        func.sum(hours * PIECES.c.memory).label("memory_hours"),
        func.sum(hours * PIECES.c.executors).label("executor_hours"),
    ).where(PIECES.c.end > start)
    reads = select(READS.c.user, READS.c.grouping, func.sum(READS.c.bytes).label("bytes_read"))
    reads = reads.where(READS.c.begin >= start)
    with engine.connect() as connection:
        known = groupings(connection)
        for query, table in ((pieces, PIECES), (reads, READS)):
            if user is not None:
                query = query.where(table.c.user == user)
            for row in connection.execute(query.group_by(table.c.user, table.c.grouping)):
                amounts = {
                    name: float(value)
                    for name, value in row._mapping.items()
                    if name not in ("user", "grouping")
                }
                users.setdefault(row.user, Total(row.user)).add(amounts)
                for group in known[row.grouping]:
                    groups.setdefault(group, Total(group)).add(amounts)
    return sorted(users.values(), key=lambda each: each.name), sorted(
        groups.values(), key=lambda each: each.name
    )
