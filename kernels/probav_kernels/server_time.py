"""The end of the server's time, as its profile has it, told above a cell's output before it comes."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

ENDS = "PROBAV_SERVER_ENDS"  # seconds since 1970; the hub sets it
WARN_MINUTES = (30, 10, 3)


class TimeLeft:
    """Says once at each of some moments how long the server still runs.

    Parameters
    ----------
    ends : float
        Seconds since 1970.
    """

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self._told = float("inf")  # minutes of the last warning

    def show(self, *_: Any) -> None:
        """Warn if it is time to (IPython's `pre_run_cell` event)."""
        minutes = (self.ends - time.time()) / 60
        due = [each for each in WARN_MINUTES if minutes <= each]
        if due and due[-1] < self._told:
            self._told = due[-1]
            at = time.strftime("%H:%M %Z", time.localtime(self.ends))
            sys.stderr.write(
                f"The time of this server's profile is over in {max(0, round(minutes))} minutes, at {at}: "
                "it is stopped then, with its kernels. Files stay; what only variables hold is lost.\n"
            )


def time_left() -> TimeLeft | None:
    """Return what warns of the end, None where the server has none."""
    try:
        return TimeLeft(float(os.environ[ENDS]))
    except (KeyError, ValueError):
        return None
