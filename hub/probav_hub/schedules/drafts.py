"""A schedule as its user writes it, by form or API, and what must be right of it."""

from __future__ import annotations

import json
import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from probav_hub.configuration import Schedules
from probav_hub.errors import near
from probav_hub.schedules import moments

_PARAMETER_BYTES = 8192
_PATH_LETTERS = 400
NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"


class DraftError(ValueError):
    """What is wrong with a schedule, field by field.

    Attributes
    ----------
    errors : dict
        Name of the field (empty for the whole) and what is wrong with it.
    """

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {what}" if name else what for name, what in errors.items()))
        self.errors = errors


class Draft(BaseModel):
    """A schedule that is to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=NAME)]
    notebook: Annotated[str, Field(max_length=_PATH_LETTERS)]
    cron: Annotated[str, Field(max_length=100)]
    timezone: Annotated[str, Field(max_length=60)]
    parameters: dict[str, Any] = {}
    profile: Annotated[str, Field(max_length=32)] | None = None
    minutes: Annotated[int, Field(ge=1)]
    mail: Literal["failure", "always", "never"] = "failure"
    enabled: bool = True

    @field_validator("notebook")
    @classmethod
    def _notebook(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not path.endswith(".ipynb") or path != str(PurePosixPath(path)) or not path.isprintable():
            raise ValueError("expected the path of a notebook in your home, such as maps/trend.ipynb")
        if path.startswith("/") or ".." in parts or any(part.startswith(".") for part in parts):
            raise ValueError("expected a path below your home, without .. and hidden folders")
        return path

    @field_validator("parameters")
    @classmethod
    def _parameters(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in given:
            if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
                raise ValueError(f"{name!r} is no name that a variable can have")
        try:
            text = json.dumps(given, allow_nan=False)
        except (ValueError, RecursionError):
            raise ValueError(
                "expected numbers, texts, true, false, null, lists and objects of them"
            ) from None
        if len(text) > _PARAMETER_BYTES or "\\u0000" in text:
            raise ValueError(f"they take more than {_PARAMETER_BYTES} bytes, or hold a zero byte")
        return given

    @property
    def next(self) -> datetime | None:
        """Return the next moment from now on."""
        return moments.following(self.cron, moments.zone(self.timezone), datetime.now(UTC))


@dataclass(frozen=True)
class Rules:
    """What this hub allows a user: its settings, and the names of the user's profiles."""

    given: Schedules
    profiles: Sequence[str]

    def draft(self, fields: dict[str, Any]) -> Draft:
        """Return a schedule of some fields.

        Raises
        ------
        DraftError
            With all that is wrong.
        """
        given = {"timezone": self.given.timezone, "minutes": self.given.longest_minutes, **fields}
        try:
            made = Draft.model_validate(given)
        except ValidationError as error:
            raise DraftError({
                ".".join(map(str, found["loc"][:1])): _words(found) for found in error.errors()
            }) from None  # fmt: skip
        errors = self._errors(made)
        if errors:
            raise DraftError(errors)
        return made

    def _errors(self, draft: Draft) -> dict[str, str]:
        errors = {}
        if draft.minutes > self.given.longest_minutes:
            errors["minutes"] = f"runs may take {self.given.longest_minutes} minutes on this hub"
        if draft.profile is not None and draft.profile not in self.profiles:
            errors["profile"] = (
                f"there is none {draft.profile!r} for you.{near(draft.profile, self.profiles)}"
            )
        try:
            zone = moments.zone(draft.timezone)
        except moments.ScheduleError as error:
            return {**errors, "timezone": str(error)}
        try:
            now = datetime.now(UTC)
            if moments.following(draft.cron, zone, now) is None:
                errors["cron"] = "there is no such time in the next 50 years"
            least = timedelta(minutes=self.given.least_minutes)
            shortest = moments.shortest(draft.cron, zone, now)
            if shortest is not None and shortest < least:
                errors["cron"] = (
                    f"it would run every {shortest.total_seconds() / 60:g} min; this hub allows every "
                    f"{self.given.least_minutes} min and less often"
                )
        except moments.ScheduleError as error:
            errors["cron"] = str(error)
        return errors


def parameters(text: str) -> dict[str, Any]:
    """Return parameters that are written as JSON.

    Raises
    ------
    DraftError
        If it is none.
    """
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else "it can't be read"
        raise DraftError({"parameters": f'expected JSON such as {{"year": 2016}}: {why.lower()}'}) from None
    if not isinstance(found, dict):
        raise DraftError({"parameters": 'expected names and values, such as {"year": 2016}'})
    return found


def _words(found: Any) -> str:
    kind, message = found["type"], str(found["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "string_pattern_mismatch":
        return "expected small letters, digits and hyphens, 40 at most, such as daily-ndvi"
    return message[0].lower() + message[1:]
