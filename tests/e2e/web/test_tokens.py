"""What a user, a server and a service may do with the token or cookie of each, and what they may not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from probav_hub.prepare import free_ports
from probav_hub.processes import local_requests

pytestmark = pytest.mark.e2e
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")


def test_a_servers_token_is_for_its_own_user_only(at_server, visitor, known_by, with_token):
    visitor("bea")
    token = known_by("jupyterhub-singleuser", "JUPYTERHUB_API_TOKEN", "ada")
    assert with_token("GET", "/hub/api/user", token).json()["name"] == "ada"
    refused = [
        ("GET", "/hub/api/users", None), ("GET", "/hub/api/users/bea", None),
        ("GET", "/hub/api/groups", None), ("GET", "/hub/api/services", None),
        ("GET", "/hub/api/proxy", None), ("GET", "/hub/api/info", None),
        ("POST", "/hub/api/users/bea/server", {}), ("DELETE", "/hub/api/users/bea/server", None),
        ("POST", "/hub/api/users/ada/server", {}), ("DELETE", "/hub/api/users/ada/server", None),
        ("POST", "/hub/api/users/ada/tokens", {}), ("POST", "/hub/api/users/bea/tokens", {}),
        ("POST", "/hub/api/users/mallory", {}), ("PATCH", "/hub/api/users/ada", {"admin": True}),
        ("POST", "/hub/api/shutdown", {}), ("POST", "/hub/api/users/bea/activity", {}),
    ]  # fmt: skip
    for method, path, body in refused:
        answer = with_token(method, path, token, json=body)
        assert answer.status_code in (403, 404), (method, path, answer.status_code, answer.text)


def test_a_user_can_have_no_more_rights_than_the_own(ada, visitor, with_token):
    visitor("bea")
    for scopes in (
        ["admin:users"],
        ["list:users"],
        ["access:servers"],
        ["access:servers!user=bea"],
        ["admin-ui"],
    ):
        made = ada.post("/hub/api/users/ada/tokens", json={"scopes": scopes}, headers=ada.xsrf)
        assert made.status_code in (400, 403), (scopes, made.text)
    made = ada.post("/hub/api/users/ada/tokens", json={"roles": ["admin"]}, headers=ada.xsrf)
    assert made.status_code in (400, 403)
    narrow = ada.post(
        "/hub/api/users/ada/tokens", json={"scopes": ["read:users:name!user=ada"]}, headers=ada.xsrf
    ).json()["token"]
    assert with_token("GET", "/hub/api/users/ada", narrow).json()["name"] == "ada"
    assert with_token("POST", "/hub/api/users/ada/server", narrow, json={}).status_code == 403
    assert with_token("GET", "/user/ada/api/contents", narrow, allow_redirects=False).status_code in (
        302,
        403,
    )


def test_another_users_server_is_shut(at_server, visitor, with_token):
    bea = visitor("bea")
    token = bea.post("/hub/api/users/bea/tokens", headers=bea.xsrf).json()["token"]
    for path in ("/user/ada/lab", "/user/ada/api/contents", "/user/ada/api/kernels", "/user/ada/terminals/1"):
        seen = bea.get(path)
        assert seen.status_code in (403, 404), path
        assert "quickstart" not in seen.text
        by_token = with_token("GET", path, token, allow_redirects=False)
        assert by_token.status_code in (302, 403), path
    for method, path in [("POST", "/hub/api/users/ada/server"), ("DELETE", "/hub/api/users/ada/server"),
                         ("GET", "/hub/api/users/ada"), ("POST", "/hub/api/users/ada/tokens")]:  # fmt: skip
        answer = bea.http.request(method, bea.url + path, headers=bea.xsrf, timeout=30)
        assert answer.status_code in (403, 404), (method, path)
    taken = {"jupyterhub-user-ada": at_server.cookie("jupyterhub-user-ada", "/user/ada/")}
    assert bea.get("/hub/home", cookies=taken).status_code == 200
    assert "ada" not in bea.get("/hub/api/user", cookies=taken).json()["name"]


def test_logging_out_ends_the_session(hub, visitor):
    cleo = visitor("cleo")
    assert cleo.get("/hub/home", allow_redirects=False).status_code == 200
    cleo.get("/hub/logout")
    assert cleo.get("/hub/home", allow_redirects=False).status_code == 302
    assert not [each.name for each in cleo.http.cookies if "login" in each.name or "session" in each.name]


@pytest.mark.load
def test_a_services_token_is_for_its_work_only(start_hub, tmp_path, demo_archive):
    """Of every service that a hub starts: none makes users or admins, or has tokens as somebody else."""
    file = tmp_path / "probav-hub.yaml"
    file.write_text(yaml.safe_dump({"port": free_ports(1)[0], "archive": str(demo_archive)}))
    hub = start_hub(command=[PROBAV_HUB, "up", "--config", str(file)])
    hub.log_in()
    services = {
        environment["JUPYTERHUB_SERVICE_NAME"]: environment["JUPYTERHUB_API_TOKEN"]
        for environment in (each.environ() for each in hub.processes())
        if "JUPYTERHUB_SERVICE_NAME" in environment
    }
    assert "culler" in services
    user = f"/hub/api/users/{hub.user}"
    for name, token in services.items():
        for method, path, body in [
            ("POST", "/hub/api/users/mallory", {}), ("PATCH", user, {"admin": True}), ("DELETE", user, None),
            ("POST", f"{user}/tokens", {}), ("POST", "/hub/api/shutdown", {}),
            ("GET", "/hub/api/proxy", None), ("POST", "/hub/api/groups/staff", {}),
        ]:  # fmt: skip
            headers = {"Authorization": f"token {token}"}
            answer = local_requests().request(method, hub.url + path, json=body, headers=headers, timeout=30)
            assert answer.status_code in (403, 404), (name, method, path, answer.text)
