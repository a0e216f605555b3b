"""What a kernel's meter tells the hub's accounting, and what it does with the answer or without one."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from probav_kernels import metering
from probav_kernels.metering import HubMeter, Warnings


@dataclass
class Accounting:
    """A web server that answers as the hub's accounting does."""

    answer: dict = field(default_factory=lambda: {"left": None, "why": "", "warnings": []})
    status: int = 200
    told: list = field(default_factory=list)
    tokens: list = field(default_factory=list)
    url: str = ""

    @property
    def totals(self):
        return [item["total"] for item in self.told]


@pytest.fixture
def accounting():
    state = Accounting()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.tokens.append(self.headers["Authorization"])
            state.told.append(json.loads(body))
            self.send_response(state.status)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()
            self.wfile.write(json.dumps(state.answer).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/services/accounting/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


@pytest.fixture
def meter(accounting):
    return HubMeter(accounting.url, "a-token", str(os.getuid()))


def planned(size):
    return SimpleNamespace(bytes=size)


def test_there_is_no_meter_without_a_hub(monkeypatch):
    for name in (metering.URL, metering.TOKEN):
        monkeypatch.delenv(name, raising=False)
    metering.meter.cache_clear()
    assert metering.meter() is None
    monkeypatch.setenv(metering.URL, "http://127.0.0.1:9/")
    monkeypatch.setenv(metering.TOKEN, "t")
    metering.meter.cache_clear()
    assert metering.meter() is metering.meter() is not None
    metering.meter.cache_clear()


def test_totals_are_told_with_the_servers_own_token(accounting, meter):
    meter.read(300)
    meter.read(200)
    meter.tell()
    meter.tell()
    assert accounting.totals == [500, 500]
    assert accounting.tokens == ["token a-token"] * 2
    assert len({item["session"] for item in accounting.told}) == 1


def test_what_is_read_is_told_without_being_asked(accounting, meter, monkeypatch):
    monkeypatch.setattr(metering, "TELL_SECONDS", 0.05)
    meter.read(300)
    deadline = threading.Event()
    for _ in range(200):
        if accounting.totals:
            break
        deadline.wait(0.05)
    assert accounting.totals == [300]


def test_a_query_larger_than_what_is_left_may_not_begin(accounting, meter):
    accounting.answer |= {"left": 3000, "why": "of the budget b, you used much"}
    assert meter.before(planned(3000)) is None
    assert meter.before(planned(5000)) == (
        "The query would read about 4.9 KiB, and 2.9 KiB are left: of the budget b, you used much. Ask for a "
        "smaller area or a shorter time, or wait."
    )
    assert len(accounting.told) == 1  # the answer is fresh


def test_a_query_is_stopped_at_the_byte(accounting, meter):
    accounting.answer |= {"left": 1000, "why": "of the budget b, you used much"}
    assert meter.before(planned(900)) is None
    assert meter.read(600) is None
    assert meter.read(400) is None
    assert "stopped: of the budget b, you used much" in meter.read(1)
    assert "are left" in meter.before(planned(1))


def test_what_others_read_counts_ahead(accounting, meter):
    accounting.answer |= {"left": 1000, "why": "w"}
    meter.before(planned(10))
    assert meter.read(0, ahead=1000) is None
    assert meter.read(0, ahead=1001) is not None
    assert meter.read(1000) is None


def test_without_an_answer_queries_go_on_and_what_they_read_is_told_later(accounting, meter, monkeypatch):
    accounting.status = 500
    assert meter.before(planned(10**12)) is None
    meter.read(10**9)
    meter.tell()
    assert len(accounting.told) == 1  # it is not asked again at once
    accounting.status = 200
    monkeypatch.setattr(metering, "SILENT_SECONDS", 0)
    meter.tell()
    assert accounting.totals == [0, 10**9]


@pytest.mark.parametrize(
    "answer", [[], {}, {"left": 1, "why": ""}, {"left": "x", "why": 1, "warnings": 3}], ids=str
)
def test_an_answer_that_is_none_limits_nothing(accounting, meter, answer):
    accounting.answer = answer
    assert meter.before(planned(10**12)) is None


def test_nobody_else_is_shown_the_token(accounting):
    meter = HubMeter(accounting.url, "a-token", str(os.getuid() + 1))
    meter.read(5)
    meter.tell()
    assert accounting.tokens == []


def test_the_token_follows_no_redirect(accounting, meter):
    accounting.status = 307
    meter.tell()
    assert len(accounting.tokens) == 1
    assert meter.before(planned(10**12)) is None


def test_a_fork_tells_what_it_reads_itself(accounting, meter):
    meter.read(100)
    child = os.fork()
    if child == 0:
        meter.read(7)
        meter.tell()
        os._exit(0)
    os.waitpid(child, 0)
    meter.tell()
    assert sorted(accounting.totals) == [7, 100]
    assert len({item["session"] for item in accounting.told}) == 2


def test_warnings_are_shown_above_a_cells_output_and_not_at_each(accounting, meter, capsys):
    accounting.answer |= {"warnings": ["Your server will be stopped at noon."]}
    shown = Warnings(meter)
    meter.tell()
    shown.show()
    shown.show()
    assert capsys.readouterr().err == "Your server will be stopped at noon.\n"
