"""Why a server's pod ended, in words that its user reads."""

from __future__ import annotations

import pytest

from probav_hub.kubernetes.ended import why


def pod(state, last=None):
    status = {"name": "notebook", "state": state, "lastState": last or {}}
    return {"status": {"containerStatuses": [{"name": "other", "state": {"terminated": {}}}, status]}}


def over(code, **more):
    return {"terminated": {"exitCode": code, **more}}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (pod(over(137, reason="OOMKilled")),
         "Its processes were killed for their memory. The limit is 96 MiB."),
        (pod(over(137, reason="Error")),
         "The server was killed, most likely for its memory. The limit is 96 MiB."),
        # Kubernetes has started it anew already
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}, over(137, reason="OOMKilled")),
         "Its processes were killed for their memory. The limit is 96 MiB."),
        (pod(over(1, reason="Error", message="one\ntoken is not valid\n")),
         "The server ended with exit code 1; its last line was: token is not valid"),
        (pod(over(0)), "The server ended with exit code 0"),
        (pod({"running": {}}), ""), (pod({"waiting": {"reason": "ContainerCreating"}}), ""),
        (None, ""), ({"status": {"phase": "Pending"}}, ""), ({}, ""),
    ],
)  # fmt: skip
def test_it_is_said_what_ended_a_server_and_nothing_while_it_runs(found, said):
    assert why(found, 96 * 2**20) == said
