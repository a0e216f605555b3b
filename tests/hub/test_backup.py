"""A backup holds what a hub keeps as it was at one moment, is checked, and replaces nothing unasked."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from probav_hub.backup import contents, restore, take
from probav_hub.configuration import Configuration, load
from probav_hub.errors import HubError


@dataclass
class Site:
    """A configuration and the state of a hub that has run."""

    file: Path
    backups: Path

    @property
    def given(self) -> Configuration:
        return load(self.file)

    @property
    def state(self) -> Path:
        assert self.given.state
        return self.given.state

    def backup(self, **options: object) -> Path:
        return take.backup(self.file, self.given, self.state, self.backups, **options)

    def other(self, folder: Path) -> Path:
        """Return the file of a hub elsewhere that is configured alike."""
        folder.mkdir()
        return Path(shutil.copy(self.file, folder))


def table(file: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute("SELECT number FROM counted").fetchall()


@pytest.fixture
def site(tmp_path, monkeypatch) -> Site:
    folder = tmp_path / "site"
    home = folder / "state" / "homes" / "ada"
    (home / ".cache").mkdir(parents=True)
    (home / ".cache" / "large").write_text("can be made again")
    (home / "mine.txt").write_text("months of work")
    (home / "mine.txt").chmod(0o640)
    (home / "link").symlink_to("/etc/hostname")
    state = folder / "state"
    for name in ("cookie_secret", "settings.json", "hub.log", "lock"):
        (state / name).write_text(name)
    (state / "cookie_secret").chmod(0o600)
    for name in ("jupyterhub.sqlite", "accounting.sqlite"):
        with closing(sqlite3.connect(state / name)) as database, database:
            database.execute("CREATE TABLE counted (number INTEGER)")
            database.execute("INSERT INTO counted VALUES (1)")
    (folder / "shared" / "staff").mkdir(parents=True)
    (folder / "shared" / "staff" / "ours.txt").write_text("ours")
    (folder / "password").write_text("a-shared-password")
    (folder / "password").chmod(0o600)
    text = {"state": "state", "shared": "shared", "authentication": {"password_file": "password"}}
    (folder / "probav-hub.yaml").write_text(yaml.safe_dump(text))
    return Site(folder / "probav-hub.yaml", tmp_path / "backups")


def names(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}


def test_what_is_in_it(site):
    made = site.backup()
    assert names(made) == {
        "SHA256SUMS", "manifest.json", "configuration/probav-hub.yaml", "state/jupyterhub.sqlite",
        "configuration/authentication.password_file", "state/accounting.sqlite", "state/cookie_secret",
        "homes/ada.tar.gz", "shared/staff.tar.gz",
    }  # fmt: skip
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert stat.S_IMODE((made / "state" / "cookie_secret").stat().st_mode) == 0o600
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=made)
    assert done.returncode == 0


def test_it_comes_back_elsewhere(site, tmp_path):
    made = site.backup()
    file = site.other(tmp_path / "other")
    list(restore.restore(made, file))
    state = file.parent / "state"
    assert table(state / "accounting.sqlite") == [(1,)]
    assert (state / "cookie_secret").read_text() == "cookie_secret"
    assert stat.S_IMODE((state / "cookie_secret").stat().st_mode) == 0o600
    home = state / "homes" / "ada"
    assert (home / "mine.txt").read_text() == "months of work"
    assert stat.S_IMODE((home / "mine.txt").stat().st_mode) == 0o640
    assert os.readlink(home / "link") == "/etc/hostname"
    assert not (home / ".cache").exists()
    assert (file.parent / "shared" / "staff" / "ours.txt").read_text() == "ours"
    assert (file.parent / "password").read_text() == "a-shared-password"


def test_a_lost_configuration_comes_back_too(site):
    made = site.backup()
    text = site.file.read_text()
    shutil.rmtree(site.file.parent)
    list(restore.restore(made, site.file))
    assert site.file.read_text() == text
    assert table(site.state / "jupyterhub.sqlite") == [(1,)]


def test_nothing_is_replaced_unasked(site):
    made = site.backup()
    (site.state / "homes" / "ada" / "mine.txt").write_text("newer work")
    with pytest.raises(HubError, match=r"holds a hub already .* nothing has been changed"):
        list(restore.restore(made, site.file))
    assert (site.state / "homes" / "ada" / "mine.txt").read_text() == "newer work"
    (site.file.parent / "password").write_text("a-newer-password")
    list(restore.restore(made, site.file, force=True))
    assert (site.state / "homes" / "ada" / "mine.txt").read_text() == "months of work"
    (aside,) = site.state.glob("replaced-*")
    assert (aside / "homes" / "ada" / "mine.txt").read_text() == "newer work"
    (before,) = site.file.parent.glob("password.before-*")
    assert before.read_text() == "a-newer-password"
    assert not any("newer" in name for name in names(site.backup()))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda made: (made / "homes" / "ada.tar.gz").write_bytes(b"x"), "ada.tar.gz is damaged"),
        (lambda made: os.truncate(made / "state" / "jupyterhub.sqlite", 100), "jupyterhub.sqlite is damaged"),
        (lambda made: (made / "state" / "cookie_secret").unlink(), "cookie_secret is missing"),
        (lambda made: (made / "state" / "more").write_text(""), "more is not of the backup"),
        (lambda made: os.truncate(made / "SHA256SUMS", 200), "SHA256SUMS is damaged|is not of the backup"),
        (lambda made: (made / "SHA256SUMS").unlink(), "was not finished"),
        (lambda made: os.truncate(made / "manifest.json", 10), "is no backup of a hub"),
    ],
)
def test_a_damaged_one_is_refused(site, tmp_path, damage, said):
    made = site.backup()
    damage(made)
    file = site.other(tmp_path / "other")
    with pytest.raises(HubError, match=said):
        list(restore.restore(made, file))
    assert not (file.parent / "state").exists()


def test_databases_are_whole_though_they_are_written_to(site):
    """Each transaction adds two rows: a copy that is cut through one has an odd number."""
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(site.state / "accounting.sqlite", timeout=30)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            while not stop.is_set():
                with database:
                    database.execute("INSERT INTO counted VALUES (2)")
                    database.execute("INSERT INTO counted VALUES (2)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            made = site.backup(with_homes=False)
            assert len(table(made / "state" / "accounting.sqlite")) % 2 == 1
            assert not list((made / "state").glob("*-wal"))
            shutil.rmtree(made)
    finally:
        stop.set()
        writer.join()


def test_a_damaged_database_is_told_and_older_backups_stay(site):
    older = site.backup()
    older.rename(site.backups / "2020-01-01T00-00-00Z")
    file = site.state / "jupyterhub.sqlite"
    file.write_bytes(file.read_bytes()[:4096] + b"x" * 4096)
    with pytest.raises(HubError, match=r"jupyterhub.sqlite is damaged: .*runbook"):
        site.backup(keep=1)
    assert [made.name for made in take.all_of(site.backups)] == ["2020-01-01T00-00-00Z"]
    assert not list(site.backups.glob(".partial*"))


def test_a_home_that_has_not_changed_takes_no_room(site):
    (site.state / "homes" / "ben").mkdir()
    first = site.backup()
    first = first.rename(site.backups / "2020-01-01T00-00-00Z")
    (site.state / "homes" / "ben" / "new.txt").write_text("new")
    second = site.backup()
    assert (second / "homes" / "ada.tar.gz").samefile(first / "homes" / "ada.tar.gz")
    assert not (second / "homes" / "ben.tar.gz").samefile(first / "homes" / "ben.tar.gz")
    assert take.verify(second)[0] == len(names(second)) - 1


def test_old_ones_go(site):
    for year in (2020, 2021, 2022):
        site.backup().rename(site.backups / f"{year}-01-01T00-00-00Z")
    newest = site.backup(keep=2)
    assert take.all_of(site.backups) == [site.backups / "2022-01-01T00-00-00Z", newest]


def test_where_it_can_not_be(site):
    with pytest.raises(HubError, match="own state folder"):
        take.backup(site.file, site.given, site.state, site.state / "backups")
    (site.state / "jupyterhub.sqlite").unlink()
    with pytest.raises(HubError, match="holds no hub"):
        site.backup()


def test_a_home_that_is_a_file_system_of_its_own(site):
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("NO IMAGES: only root can mount")
    from probav_hub.sandbox import quota
    from probav_hub.sandbox.accounts import Accounts

    if not quota.has_images():
        pytest.skip(f"NO IMAGES: {quota.missing_tools() or 'no loop devices'}")
    uid = Accounts(site.state).user("eve")
    image = site.state / "disks" / "eve.ext4"
    make = f"""
from pathlib import Path
from probav_hub.sandbox.keeper import private_mounts
from probav_hub.sandbox.quota import Home
private_mounts()
Home(Path({str(site.state / "homes" / "eve")!r}), Path({str(image)!r}), {uid}).open(16 << 20)
Path({str(site.state / "homes" / "eve" / "mine.txt")!r}).write_text("eve's")
"""
    subprocess.run([sys.executable, "-c", make], check=True)
    assert image.exists()
    first = site.backup()
    shown = subprocess.run(["tar", "-tvzf", first / "homes" / "eve.tar.gz"], capture_output=True, text=True)
    assert f"{uid}/{uid}" in shown.stdout
    assert "./mine.txt" in shown.stdout
    first = first.rename(site.backups / "2020-01-01T00-00-00Z")
    second = site.backup()
    assert (second / "homes" / "eve.tar.gz").samefile(first / "homes" / "eve.tar.gz")


def test_every_secret_that_a_configuration_names_is_known(tmp_path):
    given = Configuration.model_validate(
        {
            "tls": {"certificate": "c.pem", "key": "k.pem"},
            "archive": "a", "published": "p", "accounting": {"metrics_token_file": "metrics"},
            "authentication": {
                "method": "oidc", "allowed_users": ["*"],
                "oidc": {"issuer": "i", "client_id": "c", "client_secret_file": "secret"},
            },
        }
    )  # fmt: skip
    assert contents.named(given) == {
        "tls.certificate": Path("c.pem"), "tls.key": Path("k.pem"),
        "authentication.oidc.client_secret_file": Path("secret"),
        "accounting.metrics_token_file": Path("metrics"),
    }  # fmt: skip
