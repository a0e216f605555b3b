"""Tiles of a real notebook server under a prefix, asked for as a browser does."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from jupyter_client import BlockingKernelClient

import probav
from probav.demo import create_demo
from probav_extensions.tiles import template
from probav_extensions.tiles.render import WEB_MERCATOR_TMS
from probav_extensions.tiles.route import ARCHIVE, PREFIX

S10 = "PROBAV_L3_S10_TOC_333M"
BASE = "/user/ann/"


@pytest.fixture(scope="module")
def server(tmp_path_factory, demo_archive, run_jupyter):
    """A server with our extension; gives a function that GETs a path as its user."""
    folder = tmp_path_factory.mktemp("server")
    variables = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PROBAV_ARCHIVE": str(demo_archive),
    }
    extension = "--ServerApp.jpserver_extensions={'probav_extensions.server': True}"
    with run_jupyter(folder, "jupyter_server", extension, base=BASE, environment=variables) as running:
        root = running.url.removesuffix(BASE.rstrip("/"))

        def get(path, token=running.token, json=None, delete=False, **headers):
            if token:
                headers["Authorization"] = f"token {token}"
            method = "DELETE" if delete else "GET" if json is None else "POST"
            return requests.request(method, f"{root}{path}", json=json, headers=headers, timeout=60)

        get.folder = folder
        yield get


@pytest.fixture
def product(server, demo_archive, monkeypatch):
    """A product as a kernel of this server sees it."""
    monkeypatch.setenv(PREFIX, BASE)
    monkeypatch.setenv(ARCHIVE, str(demo_archive))
    monkeypatch.setenv("PROBAV_ARCHIVE", str(demo_archive))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.folder / "runtime"))
    return probav.open_archive()[S10]


def place(product, zoom):
    west, south, east, north = product.extent.bounds
    at = WEB_MERCATOR_TMS.tile((west + east) / 2, (south + north) / 2, zoom)
    return {"z": zoom, "x": at.x, "y": at.y}


def path_of(product, zoom=9, **arguments):
    return template(product, **arguments).format(**place(product, zoom))


def test_a_tile_comes_through_the_prefix_to_the_user_alone(server, product):
    path = path_of(product, mask="clear & landcover == 40")
    assert path.startswith(f"{BASE}probav/tiles/{S10}/NDVI/9/")
    answer = server(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    for token in (None, "false"):
        refused = server(path, token=token)
        assert refused.status_code == 403
        assert b"PNG" not in refused.content
    assert server(path[len(BASE) - 1 :]).status_code == 404  # not without the prefix


def test_what_is_pinned_stays_in_the_browser_and_the_newest_is_asked_for_again(server, product):
    pinned = server(path_of(product))
    assert pinned.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    tag = pinned.headers["Etag"]
    again = server(path_of(product), **{"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    newest = f"{BASE}probav/tiles/{S10}/NDVI/" + "{z}/{x}/{y}.png".format(**place(product, 9))
    answer = server(newest)
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.content == pinned.content
    assert server(newest, **{"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (("/9/", "/25/"), 400, "There are no tiles of zoom 25"),
        (("/NDVI/", "/NDWI/"), 404, "no variable 'NDWI'"),
        ((S10, "NOTHING"), 404, "holds no product 'NOTHING'"),
        (("mask=clear", "mask=claer"), 400, "Did you mean"),
        (("mask=clear", "mask=__import__%28%27os%27%29"), 400, "mask"),
        (("time=2016", "time=1916"), 404, "holds 36 dates"),
        (("mask=clear", "url=/etc"), 400, "Tiles know no 'url'"),
        (("mask=clear", "archive=" + "0" * 24), 404, "draw the map again"),
        (("mask=clear", "mask=" + "a" * 5000), 400, "1000 are the most"),
    ],
)
def test_a_bad_request_is_answered_by_a_sentence(server, product, change, status, words):
    path = path_of(product, mask="clear")
    assert change[0] in path
    answer = server(path.replace(*change))
    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"]
    assert "Traceback" not in answer.text


def test_no_path_leads_out(server):
    for path in ("../../etc/passwd/NDVI/1/1/1.png", "..%2f..%2fetc/NDVI/1/1/1.png", f"{S10}/NDVI/-1/0/0.png"):
        assert server(f"{BASE}probav/tiles/{path}").status_code == 404
    assert server(f"{BASE}probav/tiles/../NDVI/1/1/1.png").status_code == 404


def test_an_archive_of_the_kernels_own(server, product, tmp_path):
    other = tmp_path / "other"
    create_demo(other, progress=False, years=(2015,), size_degrees=0.1)
    own = probav.open_archive(other)[S10]
    path = path_of(own)
    assert "archive=" in path
    assert server(path).content.startswith(b"\x89PNG")
    assert server(path).content != server(path_of(product)).content


def test_a_map_full_of_tiles_at_once(server, product):
    paths = [path_of(product, zoom, mask="clear") for zoom in range(2, 15)] * 4
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(server, paths))
    assert {answer.status_code for answer in answers} == {200}
    by_path: dict[str, set[bytes]] = {}
    for path, answer in zip(paths, answers, strict=True):
        by_path.setdefault(path, set()).add(answer.content)
    assert all(len(contents) == 1 for contents in by_path.values())
    assert server(f"{BASE}api/status").ok


def test_kernels_are_told_where_the_server_is(server, demo_archive):
    started = server(f"{BASE}api/kernels", json={"name": "python3"}).json()
    file = server.folder / "runtime" / f"kernel-{started['id']}.json"
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels(hb=False)  # a busy machine misses beats
    try:
        client.wait_for_ready(timeout=60)
        shown = []
        client.execute_interactive(
            f"import os; print(os.environ[{PREFIX!r}], os.environ[{ARCHIVE!r}])",
            timeout=60, output_hook=shown.append,
        )  # fmt: skip
    finally:
        client.stop_channels()
        server(f"{BASE}api/kernels/{started['id']}", delete=True)
    assert [m["content"]["text"].strip() for m in shown if m["msg_type"] == "stream"] == [
        f"{BASE} {demo_archive}"
    ]
