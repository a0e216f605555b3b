"""The hub's errors."""


class HubError(Exception):
    """What failed, on what, and what to do about it, in one sentence."""


class EngineError(HubError):
    """A `probav` command failed and has said why on the terminal itself."""
