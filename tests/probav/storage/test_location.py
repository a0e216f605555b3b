from pathlib import Path

import pytest

from probav import storage
from probav.errors import ArchiveError
from probav.storage.location import anonymous, icechunk_storage


def test_the_default_is_the_environments_else_the_demo_of_this_user(monkeypatch, tmp_path):
    monkeypatch.setenv("PROBAV_ARCHIVE", "s3://bucket/archive")
    assert storage.default_url() == "s3://bucket/archive"
    monkeypatch.delenv("PROBAV_ARCHIVE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert storage.default_url() == str(storage.demo_path())
    assert storage.demo_path().parts[-2:] == ("probav", "demo-archive")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/data/archive", "/data/archive"),
        ("file:///data/archive", "/data/archive"),
        ("file:///data/my%20archive", "/data/my archive"),
        ("s3://bucket/archive", None),
        ("~/archive", str(Path.home() / "archive")),
        ("archive", str(Path.cwd() / "archive")),
    ],
)
def test_a_url_is_a_folder_or_an_object_store(url, path):
    found = storage.local_path(url)
    assert (None if found is None else str(found)) == path


@pytest.fixture
def no_aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_NO_SIGN_REQUEST", "AWS_ALLOW_HTTP",
                 "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "unsigned"),
    [
        ({}, True),
        ({"AWS_ACCESS_KEY_ID": "a"}, False),
        ({"AWS_PROFILE": "a"}, False),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_NO_SIGN_REQUEST": "true"}, True),
        ({"AWS_NO_SIGN_REQUEST": "false"}, False),
    ],
)
def test_requests_are_signed_where_there_are_credentials(no_aws, monkeypatch, environment, unsigned):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert anonymous() is unsigned


def test_an_object_store_is_named_whole_and_spoken_to_in_secret(no_aws, monkeypatch):
    with pytest.raises(ArchiveError, match="names no bucket; expected s3://BUCKET/PREFIX"):
        icechunk_storage("s3:///archive")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.example:9000")
    with pytest.raises(ArchiveError, match=r"store\.example:9000 is not encrypted\. Use https"):
        storage.exists("s3://bucket/archive")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    icechunk_storage("s3://bucket/archive")
