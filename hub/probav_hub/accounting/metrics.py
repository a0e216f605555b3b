"""The figures that Prometheus reads, counted when it asks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import func, select

from probav_hub.accounting.database import PIECES, STOPS, groupings
from probav_hub.accounting.standing import RESOURCES, Standing, standings
from probav_hub.accounting.totals import totals

if TYPE_CHECKING:
    from probav_hub.accounting.service import State

PREFIX = "probav_accounting"
NAMES = {"core_hours": "core_hours", "memory_hours": "memory_gib_hours", "executor_hours": "executor_hours",
         "bytes_read": "read_bytes"}  # fmt: skip


class Use:
    """Collects what is used from the service's database.

    Parameters
    ----------
    state : State
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def describe(self) -> list[Metric]:
        """Return nothing: names are not looked for before they are asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        state = self._state
        users, groups = totals(state.engine)
        for resource in RESOURCES:
            name = NAMES[resource.name]
            for kind, found in (("user", users), ("group", groups)):
                metric = CounterMetricFamily(
                    f"{PREFIX}_{kind}_{name}", f"{resource.words}, by {kind}.", labels=[kind]
                )
                for total in found:
                    metric.add_metric([total.name], total.amounts[resource.name])
                yield metric
        running = GaugeMetricFamily(f"{PREFIX}_servers", "Servers that run, by profile.", labels=["profile"])
        for profile, count in Counter(server.profile for server in state.servers).items():
            running.add_metric([profile], count)
        yield running
        yield from self._budgets([user.name for user in users])
        stops = CounterMetricFamily(f"{PREFIX}_stops", "Servers stopped, by budget.", labels=["budget"])
        with state.engine.connect() as connection:
            query = select(STOPS.c.budget, func.count().label("number")).group_by(STOPS.c.budget)
            for row in connection.execute(query):
                stops.add_metric([row.budget], row.number)
        yield stops
        yield GaugeMetricFamily(
            f"{PREFIX}_last_look_timestamp_seconds", "When running servers were last seen.", state.looked
        )
        yield CounterMetricFamily(
            f"{PREFIX}_failed_looks", "How often the hub could not be asked.", state.failures
        )

    def _budgets(self, users: list[str]) -> Iterator[Metric]:
        state = self._state
        groups = {server.user: server.groups for server in state.servers}
        with state.engine.connect() as connection:  # of those without a server: as last recorded
            known = groupings(connection)
            last = select(PIECES.c.user, PIECES.c.grouping, func.max(PIECES.c.id)).group_by(PIECES.c.user)
            recorded = {row.user: tuple(known[row.grouping]) for row in connection.execute(last)}
        metric = GaugeMetricFamily(
            f"{PREFIX}_budget_used_ratio",
            "The part of a budget that is used; 1 is all. The user is empty where users share it.",
            labels=["budget", "resource", "user"],
        )
        seen = set()
        shared: dict[str, list[Standing]] = {}
        for user in users:
            own = groups.get(user, recorded.get(user, ()))
            for standing in standings(state.engine, state.budgets, user, own, time.time(), shared):
                labels = (
                    standing.budget.name,
                    standing.resource.name,
                    "" if standing.budget.shared else user,
                )
                if labels not in seen:
                    seen.add(labels)
                    metric.add_metric(list(labels), standing.used / standing.limit)
        yield metric
