"""A hub takes up the database that JupyterHub 5.5 has left."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import requests

from probav_hub import prepare
from probav_hub.processes import Hub, local_requests

pytestmark = pytest.mark.load
ROOT = Path(__file__).parents[3]
UV = [sys.executable, ROOT / "bootstrap.py", "uv"]


@pytest.fixture
def database_of_5_5(tmp_path):
    """Return a function that makes one and returns a token that it knows."""
    made = tmp_path / "old"
    python = made / "bin" / "python"
    for command in (
        ["venv", "--quiet", made],
        ["pip", "install", "--quiet", "--python", python, "jupyterhub==5.5.*"],
    ):
        done = subprocess.run([*UV, *command], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"NO JUPYTERHUB 5.5: {done.stderr.strip()[-200:]}")

    def make(file: Path) -> str:
        done = subprocess.run(
            [python, Path(__file__).with_name("made_by_5_5.py"), file],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return make


def revision(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        return database.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_users_groups_and_tokens_are_kept_and_a_copy_is_made(database_of_5_5, tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    database = state / "jupyterhub.sqlite"
    token = database_of_5_5(database)
    before = revision(database)
    settings = prepare.settings(state=state, port=None, archive=str(tmp_path), notebooks=None, token="t" * 32)
    with Hub(settings) as hub, local_requests() as http:
        hub.wait_until_ready()

        def ask(path: str, token: str) -> requests.Response:
            headers = {"Authorization": f"token {token}"}
            return http.get(f"{settings.url}/hub/api{path}", headers=headers, timeout=30)

        user = ask("/user", token).json()
        assert (user["name"], user["groups"], user["servers"]) == ("ada", ["staff"], {})
        assert [each["name"] for each in ask("/users", settings.token).json()] == ["ada"]
    (copy,) = state.glob("jupyterhub.sqlite.*")
    assert revision(copy) == before
    assert revision(database) != before
    with closing(sqlite3.connect(database)) as upgraded:
        assert upgraded.execute("SELECT properties FROM groups WHERE name = 'staff'").fetchone() == (
            '{"room": "12"}',
        )
