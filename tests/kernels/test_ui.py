from __future__ import annotations

import base64
import json
import os
import re
import socket
import stat
import subprocess
import sys

import pytest
import requests
from waiting import wait_for

from probav_kernels import ui
from probav_kernels.server import listener

SHOW = """
import json
from probav_kernels import ui
session = spark.session()
session.range(1).count()
file = ui.read(__import__("os").getpid())
shown = {"address": ui.address(session), "loopback": session.sparkContext.uiWebUrl, "token": file.token}
print(json.dumps(shown))
"""


@pytest.fixture(autouse=True)
def own_runtime_folder(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    monkeypatch.delenv(ui.PREFIX, raising=False)


def test_without_a_server_there_are_no_pages():
    assert ui.settings({}) == {"spark.ui.enabled": "false"}


def test_each_kernel_has_a_key_of_its_own():
    one, two = (ui.settings({ui.PREFIX: "/user/ann/"}) for _ in range(2))
    name = "spark.org.apache.spark.ui.JWSFilter.param.secretKey"
    assert one[name] != two[name]
    assert len(base64.urlsafe_b64decode(one[name])) == 32
    assert one["spark.ui.port"] == "0"
    assert one["spark.ui.killEnabled"] == "false"


def announced(**changes) -> ui.Announcement:
    import psutil

    values = {
        "pid": os.getpid(), "started": psutil.Process().create_time(), "port": 1, "token": "t", **changes
    }  # fmt: skip
    path = ui._file(values["pid"])
    path.write_text(json.dumps(values))
    return ui.Announcement(**values)


def test_what_a_living_kernel_announced_is_read():
    assert ui.read(os.getpid()) is None
    assert ui.read(announced().pid) == announced()
    ui.withdraw()
    assert ui.read(os.getpid()) is None


def test_what_a_dead_kernel_left_is_removed():
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for left in (announced(pid=dead.pid), announced(started=1.0)):
        assert ui.read(left.pid) is None
        assert not ui._file(left.pid).exists()


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', "\0"])
def test_a_file_that_is_no_announcement_is_none(text):
    ui._file(os.getpid()).write_text(text)
    assert ui.read(os.getpid()) is None


@pytest.mark.parametrize(
    ("family", "bound", "address"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"), (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET6, "::1", "[::1]"),
    ],
)  # fmt: skip
def test_who_listens_is_looked_up(family, bound, address):
    try:
        listening = socket.create_server((bound, 0), family=family)
    except OSError as error:
        pytest.skip(f"this machine has no {bound}: {error}")
    with listening:
        port = listening.getsockname()[1]
        assert listener(port) == address
    assert listener(port) is None


def test_another_users_listener_is_none_of_ours():
    if os.getuid() != 0:
        pytest.skip("only root can start a process of another user")
    program = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        ["/usr/bin/env", "python3", "-c", program],
        user=65534, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with other:
        port = other.stdout.readline()
        assert port, "the other user's listener did not start"
        assert listener(int(port)) is None
        other.stdin.close()


@pytest.mark.spark
def test_pages_come_through_the_server_and_no_other_way(start_server):
    server = start_server()
    shown = json.loads(server.run(SHOW).text.splitlines()[-1])
    pid = re.fullmatch(rf"{server.base}probav/spark/(\d+)/", shown["address"])[1]
    assert shown["loopback"].startswith("http://127.0.0.1:")
    file = server.runtime / f"probav-spark-{pid}.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    # past the server: refused, without a token and with a false one
    for path in ("/jobs/", "/api/v1/applications", "/static/webui.css"):
        assert requests.get(shown["loopback"] + path, timeout=30).status_code == 403
    false = {"Authorization": f"Bearer {shown['token'][:-2]}AA"}
    assert requests.get(f"{shown['loopback']}/jobs/", headers=false, timeout=30).status_code == 403

    # through the server, as another user
    for token in (None, "false"):
        page = server.get(f"{shown['address']}jobs/", token=token)
        assert page.status_code in (302, 403)
        assert "Spark Jobs" not in page.text
    # and as its own
    assert server.get(shown["address"].rstrip("/")).headers["Location"] == shown["address"]
    first = server.get(shown["address"])
    assert first.status_code == 302
    assert first.headers["Location"] == f"{shown['address']}jobs/"
    jobs = server.get(first.headers["Location"])
    assert jobs.status_code == 200
    assert "Spark Jobs" in jobs.text
    assert "kill-link" not in jobs.text
    links = {link for link in re.findall(r'(?:href|src)="(/[^"]*)"', jobs.text)}
    assert links
    assert {link for link in links if not link.startswith(shown["address"])} == set()
    for link in sorted(links):
        answer = server.get(link)
        assert answer.status_code == (302 if link == shown["address"] else 200), link
        if link.endswith((".css", ".js")):
            assert answer.headers["Content-Type"].split(";")[0] in ("text/css", "text/javascript"), link
    applications = server.get(f"{shown['address']}api/v1/applications").json()
    executors = f"{shown['address']}api/v1/applications/{applications[0]['id']}/allexecutors"
    assert server.get(executors).json()[0]["id"] == "driver"
    environment = server.get(f"{executors.removesuffix('allexecutors')}environment").json()
    hidden = dict(environment["sparkProperties"])["spark.org.apache.spark.ui.JWSFilter.param.secretKey"]
    assert "redacted" in hidden

    lines = subprocess.check_output(["ps", "axww", "-o", "args"], text=True)
    assert "java" in lines
    assert shown["token"] not in lines
    assert "secretKey" not in lines

    # nothing is changed by way of it
    assert server.session.post(server.url + f"{shown['address'][1:]}jobs/", timeout=30).status_code in (
        403,
        405,
    )
    # ended
    server.run("spark.stop()")
    assert not file.exists()
    assert server.get(f"{shown['address']}jobs/").status_code == 404


@pytest.mark.spark
def test_a_kernel_killed_leaves_nothing_to_be_shown(start_server):
    server = start_server()
    address = json.loads(server.run(SHOW).text.splitlines()[-1])["address"]
    pid = int(address.rstrip("/").rsplit("/", 1)[1])
    assert server.get(f"{address}jobs/").status_code == 200
    os.kill(pid, 9)
    wait_for(lambda: server.get(f"{address}jobs/").status_code == 404, seconds=30)
    assert not (server.runtime / f"probav-spark-{pid}.json").exists()
    assert server.get("/a/prefix/probav/spark/1/").status_code == 404
