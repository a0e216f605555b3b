"""The root of the hub's errors."""


class HubError(Exception):
    """What failed, on what, and what to do about it, in one sentence."""
