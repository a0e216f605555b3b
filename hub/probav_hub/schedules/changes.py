"""What users do to schedules, by page or program."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from probav_hub.configuration import Schedules
from probav_hub.schedules import moments
from probav_hub.schedules.drafts import Draft
from probav_hub.schedules.store import Store
from probav_hub.schedules.tables import ACTIVE, Run, Schedule


def add(store: Store, given: Schedules, user: str, draft: Draft, now: float) -> Schedule | str:
    """Add a schedule, or return why it can't be; it is due from now on."""
    return store.add(user, given.per_user, **_fields(draft, now), created=now, last_moment=now)


def change(store: Store, schedule: Schedule, draft: Draft, now: float) -> str:
    """Change a schedule, and return why if it can't be; what was due before is not caught up with."""
    return store.change(
        schedule.id, **_fields(draft, now), last_moment=max(now, schedule.last_moment), failures=0, note=""
    )


def set_enabled(store: Store, schedule: Schedule, enabled: bool, now: float) -> None:
    """Pause a schedule or let it go on; what was due in a pause is not caught up with."""
    coming = _next(schedule.cron, schedule.timezone, now) if enabled else None
    since = max(now, schedule.last_moment)
    store.change(schedule.id, enabled=enabled, next_moment=coming, last_moment=since, failures=0, note="")


def run_now(store: Store, schedule: Schedule, now: float) -> Run | None:
    """Put a run into the queue; None if one goes on."""
    return store.enqueue(schedule, now, "user", now)


def stop(store: Store, run: Run, now: float) -> bool:
    """Stop a run, and return whether there was anything to stop; its server is stopped by the scheduler."""
    return store.finish(run.id, "stopped", now, keep=10_000, pause_after=0, error="Stopped by its user.")


def remove(store: Store, schedule: Schedule, now: float) -> None:
    """Remove a schedule, and stop its run."""
    store.remove(schedule.id)
    for run in store.runs(schedule.id):
        if run.state in ACTIVE:
            stop(store, run, now)


def _fields(draft: Draft, now: float) -> dict[str, Any]:
    coming = _next(draft.cron, draft.timezone, now) if draft.enabled else None
    return {**draft.model_dump(), "next_moment": coming}


def _next(cron: str, timezone: str, now: float) -> float | None:
    found = moments.following(cron, moments.zone(timezone), datetime.fromtimestamp(now, UTC))
    return found.timestamp() if found else None
