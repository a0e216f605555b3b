"""The audit of dependencies finds what is known, and does not take silence for an answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[1] / ".ci" / "audit.py"
KNOWN = {
    "id": "TEST-1", "modified": "2026-01-01T00:00:00Z", "summary": "for this test",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "tornado"},
                  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}],
}  # fmt: skip


class Osv(BaseHTTPRequestHandler):
    """As much of OSV's interface as uv asks: it knows of one vulnerability, in one package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        short = {"vulns": [{name: KNOWN[name] for name in ("id", "modified")}]}
        self.answer({"results": [short if each["package"]["name"] == "tornado" else {} for each in asked]})

    def do_GET(self) -> None:
        self.answer(KNOWN)

    def answer(self, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *given: object) -> None:
        pass


@pytest.fixture
def service():
    with HTTPServer(("127.0.0.1", 0), Osv) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def audit(service: str) -> subprocess.CompletedProcess[str]:
    changes = {
        "UV_AUDIT_SERVICE": service,
        "UV_HTTP_RETRIES": "0",
        "PATH": os.path.dirname(sys.executable),
    }  # no npm, but PyPI's
    return subprocess.run(
        [sys.executable, AUDIT], env={**os.environ, **changes}, capture_output=True, text=True, timeout=300
    )


def test_a_known_vulnerability_fails_the_audit(service):
    done = audit(service)
    assert "TEST-1: for this test" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1


def test_silence_is_said_aloud():
    done = audit("http://127.0.0.1:9/")
    assert "NOT AUDITED: Python: " in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
