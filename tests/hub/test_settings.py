from __future__ import annotations

import stat

import pytest

from probav_hub.errors import HubError
from probav_hub.settings import VARIABLE, Settings, writable


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(
        state=str(tmp_path), port=8000, hub_port=1, proxy_port=2, password="pass-word", archive="file:///a",
        notebooks=None, proxy=["node", "proxy"], token="to-ken",
    )  # fmt: skip


def test_settings_reach_the_hub_through_a_file_of_the_user_alone(settings, monkeypatch):
    settings.save()
    assert stat.S_IMODE(settings.file.stat().st_mode) == 0o600
    monkeypatch.setenv(VARIABLE, str(settings.file))
    assert Settings.load() == settings


def test_secrets_are_not_shown(settings):
    assert "pass-word" not in repr(settings)
    assert "to-ken" not in repr(settings)


def test_a_new_folder_is_private(tmp_path):
    assert stat.S_IMODE(writable(tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        HubError, match=r"Cannot write to .*file/folder: Not a directory; allow it, or set XDG_DATA_HOME"
    ):
        writable(tmp_path / "file" / "folder")
