"""Rolling windows: held to sums over single seconds, which nobody can get wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probav_hub.accounting.intervals import Use, falls_to, used

moments = st.integers(0, 200)
uses = st.builds(
    lambda begin, length, amount: Use(begin, begin + length, amount),
    moments, st.integers(0, 60), st.integers(0, 50),
)  # fmt: skip


def second_by_second(found: list[Use], start: int) -> float:
    total = 0.0
    for use in found:
        if use.begin == use.end:
            total += use.amount if use.end > start else 0
        else:
            seconds = range(int(use.begin), int(use.end))
            total += sum(use.amount / len(seconds) for second in seconds if second >= start)
    return total


@given(st.lists(uses, max_size=12), moments)
def test_use_in_a_window_is_that_of_its_seconds(found, start):
    assert used(found, start) == pytest.approx(second_by_second(found, start))


@given(st.lists(uses, max_size=12), moments, st.integers(0, 100))
def test_a_later_window_holds_no_more(found, start, later):
    assert used(found, start + later) <= used(found, start) + 1e-9


@given(st.lists(uses, max_size=12), moments, st.floats(0, 300))
def test_use_falls_to_what_is_allowed_then_and_not_sooner(found, start, allowed):
    at = falls_to(found, allowed, start)
    assert at >= start
    assert used(found, at) <= allowed + 1e-6
    if at > start:
        assert used(found, at - 1e-3) > allowed - 1e-9


@given(st.lists(uses, min_size=1, max_size=8), moments)
def test_cutting_a_use_in_two_changes_nothing(found, start):
    cut = []
    for use in found:
        middle = (use.begin + use.end) / 2
        half = use.amount / 2
        cut += [use] if use.begin == use.end else [Use(use.begin, middle, half), Use(middle, use.end, half)]
    assert used(cut, start) == pytest.approx(used(found, start))
    assert falls_to(cut, 10, start) == pytest.approx(falls_to(found, 10, start))


def test_a_moment_counts_until_it_is_old():
    assert used([Use(5, 5, 3)], 4.9) == 3
    assert used([Use(5, 5, 3)], 5) == 0
    assert falls_to([Use(5, 5, 3)], 2, 0) == 5


def test_half_of_an_hour_is_half():
    assert used([Use(0, 3600, 2)], 1800) == 1
    assert falls_to([Use(0, 3600, 2)], 0.5, 0) == 2700
