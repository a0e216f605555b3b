"""PROBA-V kernels in plain Jupyter, without the hub."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect


def connection(server, name: str = "probav-python") -> dict[str, object]:
    client = server.start_kernel(name)
    return json.loads(Path(client.connection_file).read_text())


async def over_websocket(server, kernel: str, code: str) -> list[dict[str, object]]:
    """Run a cell as JupyterLab does."""
    url = server.url.replace("http", "ws", 1) + f"api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
    headers = {"Authorization": server.session.headers["Authorization"]}
    socket = await websocket_connect(HTTPRequest(url, headers=headers))
    request = uuid.uuid4().hex
    header = {
        "msg_id": request,
        "msg_type": "execute_request",
        "username": "",
        "session": "",
        "version": "5.3",
    }
    content = {"code": code, "silent": False}
    message = {
        "header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"
    }  # fmt: skip
    await socket.write_message(json.dumps(message))
    found: list[dict[str, object]] = []
    while True:
        answer = json.loads(await asyncio.wait_for(socket.read_message(), timeout=120))
        if answer["parent_header"].get("msg_id") != request:
            continue
        found.append(answer)
        if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
            socket.close()
            return found


def test_the_magics_answer_in_a_plain_server_over_a_websocket(start_server, demo_archive):
    server = start_server(PROBAV_ARCHIVE=str(demo_archive))
    answer = server.session.post(
        f"{server.url}api/kernels", json={"name": "probav-python"}, timeout=60
    ).json()
    messages = asyncio.run(over_websocket(server, answer["id"], "%probav"))
    kinds = [message["msg_type"] for message in messages]
    assert "error" not in kinds, messages
    assert {"stream", "display_data", "execute_result"} & set(kinds)
    listed = server.get("api/kernelspecs").json()["kernelspecs"]
    assert listed["probav-python"]["spec"]["display_name"] == "PROBA-V (Python)"


def test_messages_are_encrypted_where_the_client_can(start_server):
    server = start_server()
    file = connection(server)
    assert file["curve_publickey"]
    assert file["curve_secretkey"]
    assert server.run("print(6 * 7)").text.strip() == "42"


def test_a_server_told_not_to_encrypt_does_not(start_server, tmp_path):
    (tmp_path / "config").mkdir()
    told = {"MappingKernelManager": {"transport_encryption": "disabled"}}
    (tmp_path / "config" / "jupyter_server_config.json").write_text(json.dumps(told))
    assert "curve_publickey" not in connection(start_server())


def test_a_manager_that_cannot_encrypt_works_too(start_kernel):
    kernel = start_kernel(transport_encryption="disabled")
    assert "curve_publickey" not in json.loads(Path(kernel.manager.connection_file).read_text())
    assert kernel.run("print(6 * 7)").text.strip() == "42"


def test_extensions_of_a_users_profile_are_loaded_too(start_kernel, tmp_path, demo_archive):
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (tmp_path / "mine.py").write_text("def load_ipython_extension(shell): shell.user_ns['mine'] = 'loaded'\n")
    (profile / "ipython_config.py").write_text("c.InteractiveShellApp.extensions = ['mine']\n")
    kernel = start_kernel(PYTHONPATH=str(tmp_path), PROBAV_ARCHIVE=str(demo_archive))
    assert kernel.run("print(mine, spark.describe()[:11])").text.strip() == "loaded not started"
    assert not kernel.run("%probav").traceback


def test_an_ordinary_python_kernel_is_left_as_it_is(start_server):
    server = start_server()
    server.start_kernel("python3")
    assert server.run("print('spark' in globals())").text.strip() == "False"
