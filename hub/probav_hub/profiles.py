"""Profiles: sizes of servers, chosen in words on the spawn page and kept to by what starts the servers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from probav_hub.configuration import Profile
from probav_hub.errors import near

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class ProfileError(ValueError):
    """A profile that a user can't have; says why."""


def size(text: str) -> int:
    """Return the bytes of a size such as 1.5G."""
    return int(float(text[:-1]) * _UNITS[text[-1]])


def of_user(profiles: Sequence[Profile], groups: Iterable[str]) -> list[Profile]:
    """Return the profiles that a member of some groups may choose."""
    own = set(groups)
    return [profile for profile in profiles if not profile.groups or own & set(profile.groups)]


def choose(profiles: Sequence[Profile], groups: Iterable[str], name: str | None) -> Profile:
    """Return the profile of a name, the first that a user may have where none is named.

    Raises
    ------
    ProfileError
        If there is none of that name for this user.
    """
    own = of_user(profiles, groups)
    if not own:
        raise ProfileError("No profile is for you: ask the hub's administrator to add you to a group.")
    if name is None:
        return own[0]
    for profile in own:
        if profile.name == name:
            return profile
    raise ProfileError(f"There is no profile {name!r} for you.{near(name, [each.name for each in own])}")


def words(profile: Profile) -> str:
    """Return what a profile gives, in words."""
    cores = "1 core" if profile.cpu == 1 else f"{profile.cpu:g} cores"
    parts = [cores, f"{profile.memory}B of memory"]
    if profile.disk:
        parts.append(f"{profile.disk}B of disk")
    if profile.spark_executors:
        count = profile.spark_executors
        parts.append(
            f"Spark with up to {count} executor{'' if count == 1 else 's'} of "
            f"{profile.executor_cores} core{'' if profile.executor_cores == 1 else 's'} and "
            f"{profile.executor_memory}B"
        )
    if profile.hours:
        parts.append(f"for {profile.hours:g} h at most")
    return ", ".join(parts)


def form(
    profiles: Sequence[Profile],
    refused: Mapping[str, str] | None = None,
    budgets: Sequence[str] = (),
    page: str = "",
) -> str:
    """Return the spawn page's form: a choice of the profiles that the user may have.

    Parameters
    ----------
    profiles : sequence of Profile
    refused : mapping of str, optional
        Why a profile, by its name, can't start now.
    budgets : sequence of str
        What is left of each of the user's budgets.
    page : str, optional
        Address of the page that tells more of them.
    """
    refused = refused or {}
    first = next((profile.name for profile in profiles if profile.name not in refused), None)
    rows = []
    for profile in profiles:
        state = " disabled" if profile.name in refused else " checked" if profile.name == first else ""
        lines = [words(profile), profile.description]
        text = "".join(f"<br><small>{escape(line)}</small>" for line in lines if line)
        why = ""
        if profile.name in refused:
            state += f' aria-describedby="refused-{profile.name}"'
            why = f'<div id="refused-{profile.name}"><small>{escape(refused[profile.name])}</small></div>'
        rows.append(
            f'<div class="form-check mb-3"><input class="form-check-input" type="radio" name="profile" '
            f'id="profile-{profile.name}" value="{profile.name}" required{state}>'
            f'<label class="form-check-label" for="profile-{profile.name}">'
            f"<strong>{escape(profile.title)}</strong>{text}</label>{why}</div>"
        )
    left = "".join(f"<li>{escape(line)}</li>" for line in budgets)
    shown = f'<h2 class="fs-5">What is left of your budgets</h2><ul>{left}</ul>' if left else ""
    if left and page:
        shown += f'<p><a href="{escape(page)}">What you used</a></p>'
    choice = f'<fieldset><legend class="fs-5">Size of the server</legend>{"".join(rows)}</fieldset>'
    return f"{choice}{shown}"


def apply(spawner: Any, profile: Profile) -> None:
    """Give a spawner the limits of a profile, and tell its kernels of time, disk and the size of Spark."""
    spawner.cpu_limit = profile.cpu
    spawner.mem_limit = size(profile.memory)
    told = {}
    if profile.hours:
        told["PROBAV_SERVER_ENDS"] = str(time.time() + profile.hours * 3600)
    if profile.disk:
        told["PROBAV_HOME_LIMIT"] = str(size(profile.disk))
    if profile.spark_executors:
        told["PROBAV_SPARK_EXECUTORS"] = str(profile.spark_executors)
        told["PROBAV_SPARK_EXECUTOR_CORES"] = str(profile.executor_cores)
        told["PROBAV_SPARK_EXECUTOR_MEMORY"] = profile.executor_memory.lower()
    # a spawner is used again: what an earlier profile has told is not of this one
    before = spawner.__dict__.setdefault("environment_before_profiles", dict(spawner.environment))
    spawner.environment = {**before, **told}
