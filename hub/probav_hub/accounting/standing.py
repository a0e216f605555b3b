"""Where users stand: what of their budgets is used, what is left, and when there is room again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial

from sqlalchemy import ColumnElement, Engine, Table, func, or_, select
from sqlalchemy.engine import Connection

from probav_hub.accounting.database import PIECES, READS, groupings
from probav_hub.accounting.intervals import HOUR, Use, falls_to
from probav_hub.accounting.recording import READ_SECONDS
from probav_hub.configuration import Budget, Profile
from probav_hub.profiles import size

DAY = 86400.0
LEAST_MINUTES = 10.0  # of a profile's use must be left for it to start
GIB = 1 << 30


@dataclass(frozen=True)
class Resource:
    """Something that is used: its setting in a budget, what a reader calls it, and where a piece keeps it."""

    name: str
    words: str
    column: str = ""

    @property
    def title(self) -> str:
        """What a table's heading calls it."""
        return self.words[0].upper() + self.words[1:]

    def text(self, amount: float) -> str:
        """Return an amount as a reader likes it, without its unit."""
        return _bytes(amount) if not self.column else f"{amount:,.{_digits(amount)}f}"

    def full(self, amount: float) -> str:
        """Return an amount with its unit."""
        return f"{self.text(amount)} {self.words if self.column else f'of {self.words}'}"


HOURS = (
    Resource("core_hours", "core-hours", "cores"),
    Resource("memory_hours", "GiB-hours of memory", "memory"),
    Resource("executor_hours", "Spark executor-hours", "executors"),
)
BYTES = Resource("bytes_read", "reading by queries")
RESOURCES = (*HOURS, BYTES)


def _digits(amount: float) -> int:
    return 2 if amount < 10 else 1 if amount < 100 else 0


def _bytes(amount: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:,.0f} {unit}" if unit == "B" else f"{amount:,.1f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} TiB"


def reserved(profile: Profile) -> dict[str, float]:
    """Return what an hour of a profile's server uses of each resource."""
    return {
        "core_hours": profile.cpu,
        "memory_hours": size(profile.memory) / GIB,
        "executor_hours": float(profile.spark_executors),
    }


def limits(budget: Budget) -> dict[str, float]:
    """Return the limits of a budget, by the resource's name."""
    found = {each.name: getattr(budget, each.name) for each in HOURS}
    found[BYTES.name] = None if budget.bytes_read is None else size(budget.bytes_read)
    return {name: float(limit) for name, limit in found.items() if limit is not None}


def is_for(budget: Budget, user: str, groups: Collection[str]) -> bool:
    """Return whether a budget is for a user who is in some groups."""
    if not budget.groups and not budget.users:
        return True
    return user in budget.users or any(group in budget.groups for group in groups)


@dataclass(frozen=True)
class Standing:
    """One limit of a budget, and what of it is used.

    Attributes
    ----------
    budget : Budget
    resource : Resource
    limit, used : float
    now : float
    load : callable
        Returns what was used, each with its time.
    """

    budget: Budget
    resource: Resource
    limit: float
    used: float
    now: float
    load: Callable[[], tuple[Use, ...]] = field(repr=False)

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """What was used, each with its time: looked up where it is asked when there is room."""
        return self.load()

    @property
    def left(self) -> float:
        """What is left, at least nothing."""
        return max(0.0, self.limit - self.used)

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.used >= self.limit

    @property
    def share(self) -> float:
        """The part that is used, at most 1."""
        return min(1.0, self.used / self.limit)

    def has_room(self, amount: float) -> float | None:
        """Return when so much is left again if nothing more is used: now at the soonest; None for never."""
        if amount > self.limit:
            return None
        length = self.budget.days * DAY
        return max(self.now, falls_to(self.uses, self.limit - amount, self.now - length) + length)

    @property
    def frees(self) -> float | None:
        """When some of what is used no longer counts; None where nothing is used."""
        begins = [use.begin for use in self.uses if use.amount > 0]
        return max(self.now, min(begins) + self.budget.days * DAY) if begins else None

    def sentence(self) -> str:
        """Return what is used, of what."""
        whose = "all of its users together" if self.budget.shared else "you"
        return (
            f"of the budget {self.budget.name}, {whose} used {self.resource.text(self.used)} of "
            f"{self.resource.full(self.limit)} in the last {days(self.budget)}"
        )


def days(budget: Budget) -> str:
    """Return the length of a budget's window in words."""
    if budget.days == 1:
        return "24 hours"
    if budget.days < 1:
        return f"{budget.days * 24:.3g} hours"
    return f"{budget.days:g} days"


def moment(seconds: float) -> str:
    """Return a moment as a reader likes it, in the machine's time zone."""
    return f"{datetime.fromtimestamp(seconds).astimezone():%-d %B %Y, %H:%M %Z}"


def standings(
    engine: Engine,
    budgets: Iterable[Budget],
    user: str,
    groups: Collection[str],
    now: float,
    shared: dict[str, list[Standing]] | None = None,
) -> list[Standing]:
    """Return where a user stands in each limit of the budgets that are for them.

    Parameters
    ----------
    engine : Engine
    budgets : iterable of Budget
    user : str
    groups : collection of str
        That the user is in.
    now : float
    shared : dict, optional
        Keeps budgets that users share for the next user's call.
    """
    own = [budget for budget in budgets if is_for(budget, user, groups)]
    if not own:
        return []
    with engine.connect() as connection:
        known = groupings(connection) if any(budget.shared for budget in own) else {}
        found: list[Standing] = []
        shared = {} if shared is None else shared
        for budget in own:
            if budget.name in shared:
                found += shared[budget.name]
                continue
            window = _Window(engine, budget, user, known, now - budget.days * DAY)
            amounts, most = window.sums(connection), limits(budget)
            made = [
                Standing(budget, each, most[each.name], amounts[each.name], now, partial(window.uses, each))
                for each in RESOURCES
                if each.name in most
            ]
            if budget.shared:
                shared[budget.name] = made
            found += made
        return found


class _Window:
    """What counts for one budget of a user."""

    def __init__(
        self, engine: Engine, budget: Budget, user: str, known: dict[int, list[str]], start: float
    ) -> None:
        self._engine, self._budget, self._user, self._start = engine, budget, user, start
        self._groupings = [number for number, names in known.items() if set(names) & set(budget.groups)]

    def _of(self, table: Table) -> list[ColumnElement[bool]]:
        """Return which rows of a table are those of whom the budget is for."""
        if not self._budget.shared:
            return [table.c.user == self._user]
        if not self._budget.groups and not self._budget.users:
            return []
        return [or_(table.c.user.in_(self._budget.users), table.c.grouping.in_(self._groupings))]

    def sums(self, connection: Connection) -> dict[str, float]:
        """Return what was used of each resource that the budget limits."""
        wanted = limits(self._budget)
        found: dict[str, float] = {}
        if hours := [each for each in HOURS if each.name in wanted]:
            length = (PIECES.c.end - func.max(PIECES.c.begin, self._start)) / HOUR
            query = select(*(func.sum(length * PIECES.c[each.column]).label(each.name) for each in hours))
            row = connection.execute(query.where(PIECES.c.end > self._start, *self._of(PIECES))).one()
            found |= {name: float(value or 0) for name, value in row._mapping.items()}
        if BYTES.name in wanted:
            end = READS.c.begin + READ_SECONDS
            share = (end - func.max(READS.c.begin, self._start)) / float(READ_SECONDS)
            reads = select(func.sum(READS.c.bytes * share).label("bytes"))
            total = connection.execute(reads.where(end > self._start, *self._of(READS))).one().bytes
            found[BYTES.name] = float(total or 0)
        return found

    def uses(self, resource: Resource) -> tuple[Use, ...]:
        """Return what was used of a resource, each with its time; reads are within ten minutes."""
        with self._engine.connect() as connection:
            if resource is BYTES:
                late = READS.c.begin > self._start - READ_SECONDS
                rows = connection.execute(select(READS).where(late, *self._of(READS)))
                return tuple(Use(row.begin, row.begin + READ_SECONDS, row.bytes) for row in rows)
            rows = connection.execute(select(PIECES).where(PIECES.c.end > self._start, *self._of(PIECES)))
            return tuple(
                Use(row.begin, row.end, getattr(row, resource.column) * (row.end - row.begin) / HOUR)
                for row in rows
            )


def refusal(profile: Profile, found: Sequence[Standing]) -> str | None:
    """Return why a server of a profile can't start; None if it can."""
    rates = reserved(profile)
    for standing in found:
        needed = rates.get(standing.resource.name, 0.0) * LEAST_MINUTES / 60
        if not needed or standing.left >= needed:
            continue
        room = standing.has_room(needed)
        again = f"There is room from {moment(room)} on" if room is not None else "It never has room for it"
        text = standing.sentence()
        smaller = "; a smaller server needs less" if standing.left else ""
        return f"{profile.title} can't start: {text}. {again}{smaller}."
    return None


def lines(found: Iterable[Standing]) -> list[str]:
    """Return what is left of each limit, a line each."""
    made = []
    for standing in found:
        resource = standing.resource
        line = (
            f"{standing.budget.name}: {resource.text(standing.left)} of {resource.full(standing.limit)} left "
            f"(in any {days(standing.budget)})"
        )
        if standing.budget.shared:
            line += ", for all of its users together"
        if standing.is_spent and (frees := standing.frees) is not None:
            line += f"; some is free again from {moment(frees)} on"
        made.append(line)
    return made
