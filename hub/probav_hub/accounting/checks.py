"""What in a configuration of budgets can't be meant: each as its setting, what is wrong, and the remedy."""

from __future__ import annotations

from collections.abc import Iterator

from probav_hub.accounting.database import NAME, open_database
from probav_hub.accounting.standing import HOURS, LEAST_MINUTES, limits, reserved
from probav_hub.authentication import secret
from probav_hub.configuration import Budget, Configuration, Profile
from probav_hub.errors import HubError, near
from probav_hub.settings import data_folder

LEAST_LETTERS = 32  # of a token; JupyterHub asks for 8
Found = tuple[str, str, str]


def problems(given: Configuration) -> Iterator[Found]:
    """Yield what is wrong with budgets and accounting."""
    for budget in given.budgets:
        for profile in given.profiles:
            yield from _too_large(budget, profile)
        yield from _unknown_users(budget, given)
    file = (given.state or data_folder() / "hub") / NAME
    if given.accounting and file.is_file():
        try:
            open_database(file.parent).dispose()
        except HubError as error:
            yield "accounting", str(error), "A backup has it; without it, counting begins anew."
    if given.accounting and given.accounting.metrics_token_file:
        where = "accounting.metrics_token_file"
        try:
            if len(secret(given.accounting.metrics_token_file)) < LEAST_LETTERS:
                yield (
                    where,
                    "the token is short.",
                    f"Take {LEAST_LETTERS} characters: `openssl rand -hex 32`.",
                )
        except HubError as error:
            yield where, str(error), "It holds one line, which Prometheus shows as its token."


def _too_large(budget: Budget, profile: Profile) -> Iterator[Found]:
    """Yield a budget that never has room for a profile of those it is for."""
    is_for_some = not budget.groups or not profile.groups or set(budget.groups) & set(profile.groups)
    if not is_for_some and not budget.users:
        return
    rates, most = reserved(profile), limits(budget)
    for resource in HOURS:
        needed = rates[resource.name] * LEAST_MINUTES / 60
        if resource.name in most and needed > most[resource.name]:
            yield (
                f"budgets.{budget.name}.{resource.name}",
                f"the profile {profile.name} never starts: {LEAST_MINUTES:g} minutes of it, the least that "
                f"must be left, are {resource.full(needed)}, and the budget allows "
                f"{resource.text(most[resource.name])}.",
                "Allow more, make the profile smaller, or keep it to groups that the budget isn't for.",
            )


def _unknown_users(budget: Budget, given: Configuration) -> Iterator[Found]:
    """Yield users who can't log in, where all who can are named."""
    login = given.authentication
    if login.method != "first-use" or "*" in login.allowed_users:
        return
    known = {*login.allowed_users, *login.admins}
    for user in budget.users:
        if user not in known:
            yield (
                f"budgets.{budget.name}.users",
                f"nobody called {user} may log in.{near(user, known)}",
                "Name who is in authentication.allowed_users or admins.",
            )
