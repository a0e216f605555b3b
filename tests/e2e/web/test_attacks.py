"""What a web page elsewhere, or somebody with a web client, can try on the hub."""

from __future__ import annotations

import json
import socket
from urllib.parse import quote, urljoin, urlsplit

import pytest
import websocket

from probav_hub.processes import local_requests
from probav_hub.settings import Settings

pytestmark = pytest.mark.e2e

ELSEWHERE = (
    "https://evil.example/", "//evil.example/", "///evil.example/", "/\\evil.example/", "\\\\evil.example",
    "http:evil.example", "/%09/evil.example", "javascript:alert(1)", "https:/evil.example",
    "/\t/evil.example", "https://127.0.0.1@evil.example/", "/hub/../..//evil.example",
)  # fmt: skip


@pytest.mark.parametrize("where", ELSEWHERE)
def test_logging_in_leads_nowhere_else(hub, visitor, ada, where):
    new = visitor("bea", is_known=False).log_in(hub.password, where, allow_redirects=False)
    known = ada.get("/hub/login", params={"next": where}, allow_redirects=False)
    for answer in (new, known):
        assert answer.status_code in (302, 400), answer.text
        to = urljoin(hub.url, answer.headers.get("Location", "/"))
        assert urlsplit(to).netloc == urlsplit(hub.url).netloc, to
        assert "evil" not in urlsplit(to).netloc


@pytest.mark.parametrize(
    "path", ["/hub/logout", "/hub/user-redirect//evil.example", "/hub//evil.example", "//evil.example"]
)
def test_no_path_leads_elsewhere(hub, visitor, path):
    answer = visitor("bea").get(path, allow_redirects=False)
    to = urljoin(hub.url, answer.headers.get("Location", "/"))
    assert urlsplit(to).netloc == urlsplit(hub.url).netloc, to


def test_a_form_of_another_site_is_refused(hub, visitor, ada):
    stranger = visitor("bea", is_known=False)
    stranger.get("/hub/login")
    form = {"username": "bea", "password": hub.password}
    assert stranger.post("/hub/login", data=form).status_code == 403
    wrong = {**form, "_xsrf": "2|0|0|0"}
    assert stranger.post("/hub/login", data=wrong).status_code == 403
    taken = {**form, "_xsrf": ada.cookie("_xsrf", "/hub/")}  # another session's token
    assert stranger.post("/hub/login", data=taken).status_code == 403
    assert ada.post("/hub/spawn", data={"profile": "default"}).status_code == 403
    assert ada.get("/hub/spawn/ada", params={"profile": "default"}, allow_redirects=False).status_code in (
        200,
        302,
        403,
    )


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/hub/api/users/ada/server"), ("DELETE", "/hub/api/users/ada/server"),
    ("POST", "/hub/api/users/ada/tokens"), ("POST", "/hub/api/shares/ada/"), ("PATCH", "/hub/api/users/ada"),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_cookies_alone_change_nothing_by_the_api(hub, ada, method, path, kind):
    headers = {"Content-Type": kind, "Origin": "https://evil.example", "Referer": "https://evil.example/"}
    answer = ada.http.request(method, hub.url + path, data="{}", headers=headers, timeout=30)
    assert answer.status_code == 403, answer.text


def test_cookies_alone_change_nothing_in_a_server(hub, at_server):
    for method, path in [("POST", "/api/kernels"), ("PUT", "/api/contents/x.txt"), ("POST", "/api/terminals"),
                         ("DELETE", "/api/contents/quickstart.ipynb")]:  # fmt: skip
        answer = at_server.http.request(method, f"{hub.url}/user/ada{path}", data="{}", timeout=30)
        assert answer.status_code == 403, (path, answer.text)
    cookies = "; ".join(f"{each.name}={each.value}" for each in at_server.http.cookies)
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(
            f"ws{hub.url.removeprefix('http')}/user/ada/api/events/subscribe",
            cookie=cookies, origin="https://evil.example", timeout=30,
        )  # fmt: skip


def test_every_page_keeps_out_of_others_frames_and_says_what_it_is(hub, at_server, visitor):
    stranger = visitor("bea", is_known=False)
    pages = [stranger.get("/hub/login"), stranger.get("/hub/none-such"), stranger.get("/hub/api/users")]
    pages += [at_server.get(path) for path in ("/hub/home", "/hub/token", "/hub/spawn", "/user/ada/lab")]
    pages += [at_server.get("/user/ada/api/contents"), stranger.get("/user/nobody/lab")]
    for page in pages:
        policy = page.headers.get("Content-Security-Policy", "")
        assert "frame-ancestors 'none'" in policy or "frame-ancestors 'self'" in policy, (page.url, policy)
        assert page.headers.get("X-Content-Type-Options") == "nosniff", page.url
        assert "Access-Control-Allow-Origin" not in page.headers, page.url


def test_cookies_are_for_this_site_for_no_script_and_for_one_server(hub, at_server):
    at_server.get("/user/ada/lab")
    set_by = [line for answer in at_server.answers for line in answer.raw.headers.getlist("Set-Cookie")]
    seen = {}
    for line in set_by:
        name, _, rest = line.partition("=")
        if rest.startswith('""'):  # it is taken away
            continue
        flags = [part.strip().lower() for part in rest.split(";")[1:]]
        seen[name] = flags
        if name != "_xsrf":  # pages read that one to send it back, and it lets nobody in
            assert "httponly" in flags, line
            assert "samesite=lax" in flags, line
    assert "path=/hub/" in seen["jupyterhub-hub-login"]
    assert "path=/user/ada/" in seen["jupyterhub-user-ada"]


def test_the_host_that_a_client_names_is_in_no_page(hub, visitor):
    with local_requests() as http:
        for path in ("/", "/hub/login?next=%2Fhub%2Fhome", "/hub/none-such", "/user/ada/lab", "/hub/home"):
            headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
            answer = http.get(hub.url + path, headers=headers, allow_redirects=False, timeout=30)
            assert "evil.example" not in answer.headers.get("Location", "") + answer.text, path


@pytest.mark.parametrize(("method", "path", "body", "codes"), [
    ("GET", "/hub/none-such", None, (404,)), ("POST", "/hub/api/users", "{not json", (403,)),
    ("POST", "/hub/api/users/ada/tokens", "{not json", (400,)),
    ("GET", "/hub/oauth_callback?code=x&state=y", None, (404,)),
    ("GET", "/hub/api/oauth2/authorize?client_id=x&response_type=code", None, (400,)),
    ("GET", "/hub/error/503?url=%3Cscript%3Ealert(1)%3C%2Fscript%3E", None, (200,)),
    ("GET", "/hub/static/../../../../etc/passwd", None, (302, 403, 404)),
    ("GET", "/hub/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", None, (302, 403, 404)),
    ("GET", "/hub/user/%00", None, (302, 400, 404)),
    ("GET", "/hub/login?next=%0d%0aSet-Cookie:%20x=y", None, (200, 302, 400)),
])  # fmt: skip
def test_errors_tell_no_inner_things(hub, ada, method, path, body, codes):
    answer = ada.http.request(
        method, hub.url + path, data=body, headers=ada.xsrf, allow_redirects=False, timeout=30
    )
    assert answer.status_code in codes, answer.text
    for word in ("Traceback", "site-packages", 'File "', "<script>alert", "root:x:"):
        assert word not in answer.text
    assert "x" not in answer.cookies


def test_a_name_that_is_no_folders_is_no_user(hub, visitor):
    for name in ("../ada", "a/b", "..", ".hidden", "a b", "<b>x</b>", "x" * 300):
        answer = visitor(name, is_known=False).log_in(hub.password)
        assert answer.status_code == 403, name
        assert "<b>x</b>" not in answer.text


def test_requests_that_are_too_large_are_refused_before_they_are_read(hub):
    address = (urlsplit(hub.url).hostname, urlsplit(hub.url).port)

    def said(text: str) -> str:
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(text.encode())
            return connection.recv(4096).decode(errors="replace").split("\r\n")[0]

    host = f"Host: {address[0]}\r\n"
    large = f"POST /hub/login HTTP/1.1\r\n{host}Content-Length: 10000000000\r\n\r\n{'x' * 1000}"
    assert said(large).split()[1][0] in "45"
    assert said(f"GET /hub/login HTTP/1.1\r\n{host}X: {'x' * 200_000}\r\n\r\n").split()[1][0] in "45"
    assert said(f"GET /{'x' * 200_000} HTTP/1.1\r\n{host}\r\n").split()[1][0] in "45"


def test_inner_ports_ask_for_a_token(hub):
    settings = Settings.load(hub.data / "probav" / "hub" / "settings.json")
    with local_requests() as http:
        routes = f"http://127.0.0.1:{settings.proxy_port}/api/routes"
        assert http.get(routes, timeout=30).status_code == 403
        assert (
            http.post(routes + "/user/ada", json={"target": "http://127.0.0.1:1"}, timeout=30).status_code
            == 403
        )
        users = f"http://127.0.0.1:{settings.hub_port}/hub/api/users"
        assert http.get(users, timeout=30).status_code == 403


def test_the_log_holds_no_secret(hub, at_server, known_by):
    token = at_server.post("/hub/api/users/ada/tokens", headers=at_server.xsrf).json()["token"]
    with local_requests() as http:  # where careless programs put it
        http.get(f"{hub.url}/hub/api/user?token={quote(token)}", timeout=30)
        http.get(f"{hub.url}/user/ada/api/status?token={quote(token)}", timeout=30)
    secrets = {
        "password": hub.password,
        "token": token,
        "server": known_by("jupyterhub-singleuser", "JUPYTERHUB_API_TOKEN", "ada"),
        "proxy": known_by("configurable-http-proxy", "CONFIGPROXY_AUTH_TOKEN"),
        **{
            f"{each.name} {each.path}": each.value
            for each in at_server.http.cookies
            if each.name not in ("_xsrf", "jupyterhub-session-id")
        },  # which let nobody in
    }
    state = hub.data / "probav" / "hub"
    log = (state / "hub.log").read_text()
    assert "GET /hub/api/user" in log
    assert [name for name, value in secrets.items() if value and value in log] == []
    assert json.loads((state / "settings.json").read_text())["password"] == hub.password
    assert (state / "settings.json").stat().st_mode & 0o077 == 0
