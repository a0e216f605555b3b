"""A line on the hub's own pages about runs that failed since their user last looked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from probav_hub.schedules.store import failed_since_visit

LOG = logging.getLogger("jupyterhub")


def failed_runs(file: Path) -> Callable[[Any], str]:
    """Return what the hub calls with the user of a page, for its template; pages stand whatever is wrong."""

    def line(user: Any) -> str:
        name = getattr(user, "name", None)
        if not name or not file.exists():
            return ""
        try:
            found = failed_since_visit(file, str(name))
        except SQLAlchemyError as error:
            LOG.warning("The database of schedules can't be read: %s", error)
            return ""
        return words(found)

    return line


def words(failed: list[tuple[str, str]]) -> str:
    """Return what a user should know of runs that failed, given as schedule and error, the latest first."""
    if not failed:
        return ""
    names = list(dict.fromkeys(name for name, _ in failed))
    if len(failed) == 1:
        return f"A scheduled run of {names[0]} failed."
    shown = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
    return f"{len(failed)} scheduled runs failed ({shown})."
