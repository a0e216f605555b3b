"""What a scheduled run has to do, as the hub says it in the server's environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

VARIABLE = "PROBAV_SCHEDULED_RUN"


@dataclass(frozen=True)
class Work:
    """One run.

    Attributes
    ----------
    key : str
        Who shows it may ask how the run goes.
    schedule, moment : str
        Which schedule it is of, and for when (ISO 8601, the schedule's own time).
    notebook, output : str
        Paths below the server's root: what is run, and where it goes when it has.
    parameters : dict
        Names and values for the notebook.
    seconds : float
        That it may take.
    megabytes : float
        That its outputs may take.
    """

    key: str
    schedule: str
    moment: str
    notebook: str
    output: str
    parameters: dict[str, Any]
    seconds: float
    megabytes: float

    @classmethod
    def of(cls, text: str) -> Work:
        """Return what the variable says."""
        return cls(**json.loads(text))
