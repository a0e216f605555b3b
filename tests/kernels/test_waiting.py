"""A cell whose Spark waits for executors says why; others say nothing."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from probav_kernels import waiting

POD = {"PROBAV_POD_IP": "10.0.0.9", "PROBAV_POD_NAMESPACE": "lab", "JUPYTERHUB_API_TOKEN": "to-ken"}
WHY = "The hub has 1 executors for all users."


@pytest.fixture
def broker(monkeypatch):
    """Answer as the broker does, with what a test puts into the list; return it and those who asked."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answers[0]).encode())

        def log_message(self, *words):
            pass

    asked, answers = [], [{"running": 0, "refused": WHY}]
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PROBAV_SPARK_MASTER", f"k8s://http://127.0.0.1:{server.server_port}/servers/-")
    monkeypatch.setitem(sys.modules, "pyspark", sys)
    yield asked, answers
    server.shutdown()
    server.server_close()


def test_a_cell_that_waits_is_told_once_why(broker, capsys):
    asked, _ = broker
    watch = waiting.watch(POD)
    watch._seconds = 0.01
    watch.before()
    for thread in threading.enumerate():
        if thread.name.endswith("(_look)"):
            thread.join(10)
    assert capsys.readouterr().err == f"Spark waits for executors. {WHY}\n"
    assert asked == [("/servers/-/api/v1/namespaces/lab/refusal", "Bearer to-ken")]


@pytest.mark.parametrize(
    "answer", [{"running": 1, "refused": WHY}, {"running": 0, "refused": ""}, {}, [], "no"]
)
def test_where_nothing_waits_nothing_is_said(broker, answer):
    asked, answers = broker
    answers[0] = answer
    assert waiting.watch(POD)._why() == ""
    assert len(asked) == 1


def test_a_cell_that_has_ended_is_told_nothing(broker, capsys):
    watch = waiting.watch(POD)
    watch.before()
    looking = [thread for thread in threading.enumerate() if thread.name.endswith("(_look)")]
    watch.after()
    for thread in looking:
        thread.join(10)
    assert capsys.readouterr().err == ""


def test_a_broker_that_gives_no_answer_is_no_error():
    assert waiting.ask("http://127.0.0.1:9/refusal", "to-ken") == ""


@pytest.mark.parametrize(
    ("master", "environment"), [("local[2]", POD), ("k8s://https://cluster:6443", {}), ("yarn", POD)]
)
def test_without_a_broker_nobody_is_asked(monkeypatch, master, environment):
    monkeypatch.setenv("PROBAV_SPARK_MASTER", master)
    assert waiting.watch(environment) is None
