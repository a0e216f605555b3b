from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from probav_hub.configuration import Configuration, load, schema
from probav_hub.errors import HubError


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        file = tmp_path / "probav-hub.yaml"
        file.write_text(text)
        return file

    return write


def test_an_empty_file_is_a_safe_hub(written):
    made = load(written("# nothing\n"))
    assert made == Configuration()
    assert not made.is_open
    assert made.authentication.method == "shared-password"
    assert made.culling.minutes == 60


def test_paths_are_relative_to_the_file(written, tmp_path):
    made = load(written("archive: a\nauthentication: {password_file: pw}\nstate: ~/hub\n"))
    assert made.archive == str(tmp_path / "a")
    assert made.authentication.password_file == tmp_path / "pw"
    assert made.state == Path("~/hub").expanduser()
    assert load(written("archive: s3://bucket/a\n")).archive == "s3://bucket/a"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("adress: x", "adress: there is no such setting. Did you mean 'address'?"),
        ("profiles: [{name: a, title: A, cpus: 1}]", "0.cpus: there is no such setting. Did you mean 'cpu'?"),
        ("authentication: {methd: oidc}", ".methd: there is no such setting. Did you mean 'method'?"),
        ("port: 99999", "port: found 99999; input should be less than or equal to 65535."),
        ("profiles: [{name: a, title: A, memory: 4GB}]", "'4GB'; expected a number with K, M, G or T"),
        ("profiles: [{name: a, title: A}, {name: a, title: B}]", "several profiles are called a."),
        ("profiles: []", "profiles: found []"),
        ("authentication: {method: first-use}", "name the users in allowed_users."),
        ("authentication: {method: oidc}", "method: oidc and the part oidc go together."),
        ("- a", "holds a list; expected `name: value` lines."),
        ("a: [", "is no YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(written, text, said):
    with pytest.raises(HubError) as caught:
        load(written(text))
    assert said in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_all_faults_are_told_at_once(written):
    with pytest.raises(HubError) as caught:
        load(written("port: 0\nspawner: podman\nbase_url: x\n"))
    assert len(str(caught.value).splitlines()) == 4


def test_a_missing_file(tmp_path):
    with pytest.raises(HubError, match="can't be read: No such file"):
        load(tmp_path / "none.yaml")


def test_the_schema_has_every_setting_described_or_told_by_its_name():
    assert set(schema()["properties"]) == set(Configuration.model_fields)
    assert schema()["additionalProperties"] is False


NAMES = ["port", "profiles", "authentication", "oidc", "name", "jupyterhub", "x"]
CONTENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)


@given(CONTENT)
def test_whatever_is_written_is_taken_or_told(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("hub") / "probav-hub.yaml"
    file.write_text(yaml.safe_dump(content))
    try:
        made = load(file)
    except HubError as error:
        told = str(error)
    else:
        told = ""
        assert Configuration.model_validate(made.model_dump(mode="json")) == made
    assert not told or str(file) in told


def test_the_guide_tells_every_setting():
    guide = (Path(__file__).parents[2] / "docs" / "operator.md").read_text()
    table = guide.partition("| setting | what it says |")[2]
    assert [name for name in Configuration.model_fields if f"`{name}`" not in table] == []
