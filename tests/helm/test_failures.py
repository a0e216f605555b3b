"""Executors that fail one after the other are made more slowly, and the server is told why."""

from __future__ import annotations

from probav_hub.kubernetes.failures import SECONDS, Failures, most


def pod(name, server="ada", code=1, phase="Failed", **meta):
    ended = {"terminated": {"exitCode": code, "message": "one\nno module named probav"}}
    state = {"name": "spark-kubernetes-executor", "state": ended if phase == "Failed" else {"running": {}}}
    return {
        "metadata": {"name": name, "labels": {"probav/server": server}, **meta},
        "status": {"phase": phase, "containerStatuses": [state]},
    }


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_each_executor_may_fail_and_once_more():
    failures = Failures(Clock())
    for number in range(most(2)):
        assert failures.refusal("ada", 2) == ""
        failures.see([pod(f"e{number}"), pod("runs", phase="Running")])
        failures.see([pod(f"e{number}")])  # seen again, it is the same
    assert failures.refusal("ada", 2) == (
        "6 of this server's executors failed within 120 seconds. The executor ended with exit code 1; its "
        "last line was: no module named probav. The next is made in 120 seconds; if it fails, too, "
        "interrupt the cell and tell the hub's administrator."
    )
    assert failures.refusal("bob", 2) == ""
    assert failures.refusal("ada", 3) == ""


def test_it_is_forgotten_in_time_and_begins_anew():
    clock = Clock()
    failures = Failures(clock)
    for number in range(6):
        failures.see([pod(f"e{number}")])
        clock.now += 10
    assert "in 60 seconds" in failures.refusal("ada", 2)
    clock.now += 61  # the first one counts no more
    assert failures.refusal("ada", 2) == ""
    failures.see([pod("e6")])
    assert "in 9 seconds" in failures.refusal("ada", 2)
    clock.now += SECONDS + 1
    failures.see([])
    assert failures.refusal("ada", 2) == ""
    assert not failures._seen


def test_those_that_were_told_to_end_are_no_failures():
    failures = Failures(Clock())
    failures.see([pod(f"e{n}", code=143, deletionTimestamp="2026-11-27T00:00:00Z") for n in range(9)])
    assert failures.refusal("ada", 1) == ""
