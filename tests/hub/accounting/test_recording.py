"""What is counted of servers is how long they ran: whatever restarts, misses a look or sets the clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select
from sqlalchemy.pool import StaticPool

from probav_hub.accounting.database import METADATA, METERS, PIECES
from probav_hub.accounting.intervals import HOUR
from probav_hub.accounting.recording import MOST_BYTES, MOST_METERS, Recorder, ReportError, Running, read
from probav_hub.accounting.totals import totals


def in_memory():
    made = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    METADATA.create_all(made)
    return made


def seconds(engine, start=-1e12) -> float:
    users, _ = totals(engine, start)
    return sum(user.amounts["core_hours"] for user in users) * HOUR


steps = st.lists(
    st.tuples(
        st.sampled_from(["look", "miss", "restart", "set clock", "other group"]),
        st.floats(0.5, 900),
        st.floats(-4000, 4000),
    ),
    max_size=12,
)


@settings(max_examples=50, deadline=None)
@given(steps)
def test_a_server_is_counted_for_as_long_as_it_ran_and_was_seen(made):
    """The service is restarted, misses looks, groups change and the clock is set: to its seconds."""
    engine, true, shift, group = in_memory(), 0.0, 0.0, ("a",)
    recorder, seen = Recorder(engine, "b"), 0.0
    start = 1_000_000.0
    for what, elapsed, jump in [*made, ("look", 1.0, 0.0)]:
        true += elapsed
        if what == "restart":
            recorder = Recorder(engine, "b")
            recorder.see([Running("ann", "", start, "p", group, 1, 2, 0)], start + true + shift, true)
            seen = true
        elif what == "set clock":
            if abs(jump) <= 6:
                continue
            recorder.see([Running("ann", "", start, "p", group, 1, 2, 0)], start + true + shift, true)
            shift += jump
            seen = true
        elif what == "other group":
            group = ("b",) if group == ("a",) else ("a",)
        elif what == "look":
            recorder.see([Running("ann", "", start, "p", group, 1, 2, 0)], start + true + shift, true)
            seen = true
    assert seconds(engine) == pytest.approx(seen, abs=1e-3)
    engine.dispose()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=8
    ),
    st.integers(1, 7),
)
def test_servers_that_overlap_are_each_counted_once(runs, every):
    """Looking at all of them each so many seconds counts each from its start to when it was last seen."""
    engine = in_memory()
    recorder, last = Recorder(engine, "b"), {}
    for now in range(0, 120, every):
        running = [
            Running(user, str(number), float(begin), "p", (), 1, 2, 0)
            for number, (user, begin, length) in enumerate(runs)
            if begin <= now <= begin + length
        ]
        recorder.see(running, now, now)
        last |= {server.server: now - server.started for server in running}
    assert seconds(engine) == pytest.approx(sum(last.values()), abs=1e-6)
    engine.dispose()


def test_looking_twice_counts_once(engine, server):
    recorder = Recorder(engine, "b")
    for now in (1060.0, 1060.0, 1120.0):
        recorder.see([server()], now, now)
    Recorder(engine, "b").see([server()], 1120.0, 1120.0)
    assert seconds(engine) == pytest.approx(120)


def test_a_gap_of_the_service_is_counted_once_the_same_server_is_seen(engine, server):
    Recorder(engine, "b").see([server()], 1060.0, 1.0)
    Recorder(engine, "b").see([server()], 5000.0, 3941.0)
    assert seconds(engine) == pytest.approx(4000)


def test_what_stopped_unseen_is_counted_to_when_it_was_last_seen(engine, server):
    Recorder(engine, "b").see([server()], 1060.0, 1.0)
    Recorder(engine, "b").see([server(started=4000.0)], 4010.0, 2951.0)
    assert seconds(engine) == pytest.approx(70)


def test_a_machine_that_was_off_counts_by_the_clock(engine, server):
    Recorder(engine, "b").see([server()], 1060.0, 9000.0)
    Recorder(engine, "c").see([server()], 2000.0, 5.0)  # kept by its container's engine, say
    assert seconds(engine) == pytest.approx(1000)


def test_a_machine_that_slept_is_not_counted(engine, server):
    recorder = Recorder(engine, "b")
    recorder.see([server()], 1060.0, 10.0)
    recorder.see([server()], 9000.0, 70.0)  # Linux's steady clock stands still meanwhile
    assert seconds(engine) == pytest.approx(120)


def test_a_server_that_began_before_the_clock_was_set_back(engine, server):
    Recorder(engine, "b").see([server(started=9000.0)], 1000.0, 1.0)
    assert seconds(engine) == 0


def test_use_is_kept_with_the_groups_of_its_time(engine, server):
    recorder = Recorder(engine, "b")
    recorder.see([server(groups=("staff",))], 1100.0, 100.0)
    recorder.see([server(groups=("guests",))], 1300.0, 300.0)
    recorder.see([server(groups=("guests",))], 1350.0, 350.0)
    _, groups = totals(engine, 0)
    found = {group.name: group.amounts["core_hours"] * HOUR for group in groups}
    assert found == pytest.approx({"staff": 300, "guests": 50})


# --- what processes tell -----------------------------------------------------------------------------------


def told(total, session="0123-4567"):
    return {"session": session, "total": total}


def bytes_of(engine):
    return {user.name: user.amounts["bytes_read"] for user in totals(engine, 0)[0]}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["s-0000001", "s-0000002"]), st.integers(0, 10**6)), max_size=20))
def test_telling_a_total_again_counts_nothing_twice(messages):
    """In whatever order totals of processes come, and however often, the highest of each counts."""
    engine, most = in_memory(), {}
    for session, total in messages:
        read(engine, "ann", (), told(total, session), 1000.0)
        most[session] = max(most.get(session, 0), total)
    assert bytes_of(engine).get("ann", 0) == sum(most.values())
    engine.dispose()


def test_users_are_told_apart(engine):
    read(engine, "ann", ("staff",), told(7), 1000.0)
    read(engine, "bob", (), told(9), 1000.0)
    assert bytes_of(engine) == {"ann": 7, "bob": 9}


@pytest.mark.parametrize(
    "wrong",
    [
        None, 3, [], {}, {"session": "0123-4567"}, told(-1), told(MOST_BYTES + 1), told(1.5), told(True),
        told("7"), told(float("inf")), told(1, "short"), told(1, "x" * 65), told(1, "../../etc"), told(1, 7),
        {**told(1), "user": "bob"},
    ],
)  # fmt: skip
def test_what_no_process_can_say_is_refused(engine, wrong):
    with pytest.raises(ReportError, match="expected"):
        read(engine, "ann", (), wrong, 1000.0)
    assert bytes_of(engine) == {}


def test_processes_without_end_take_no_room_without_end(engine):
    for number in range(MOST_METERS + 20):
        read(engine, "ann", (), told(1, f"session-{number}"), 1000.0 + number)
    with engine.connect() as connection:
        kept = {row.session for row in connection.execute(select(METERS))}
    assert len(kept) == MOST_METERS
    assert f"session-{MOST_METERS + 19}" in kept
    assert bytes_of(engine) == {"ann": MOST_METERS + 20}


def test_pieces_do_not_pile_up(engine, server):
    recorder = Recorder(engine, "b")
    for minute in range(300):
        recorder.see([server()], 1000.0 + 60 * minute, 60.0 * minute)
    with engine.connect() as connection:
        assert len(connection.execute(select(PIECES)).all()) == 1
