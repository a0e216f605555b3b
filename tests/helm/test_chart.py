"""What the chart makes, and which values it takes."""

from __future__ import annotations

import json
import textwrap

import kubernetes_validate
import pytest
import yaml

from helm import tool
from probav_hub.kubernetes.values import Values

NEWEST = sorted({*kubernetes_validate.utils.all_versions()}, key=lambda text: [*map(int, text.split("."))])[
    -3:
]


@pytest.mark.parametrize("version", NEWEST)
def test_all_objects_are_as_kubernetes_says(objects, version):
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", NEWEST)
def test_all_objects_with_jupyterhub_are_as_kubernetes_says(whole, version):
    for each in whole:
        kubernetes_validate.validate(each, version, strict=True)


def test_a_seeded_mistake_is_found(objects, find):
    wrong = json.loads(json.dumps(find(objects, "Deployment", "probav-spark")))
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, NEWEST[-1], strict=True)


def test_lint_finds_nothing(helm, parent):
    with tool.chart(parent) as folder:
        assert "0 chart(s) failed" in tool.run("lint", "--strict", folder)


def test_schema_and_page_are_of_todays_models():
    remedy = "run `.venv/bin/python -m helm.tool schema` and commit what it changes"
    assert tool.SCHEMA.read_text() == tool.written_schema(), remedy
    assert tool.with_table(tool.PAGE.read_text()) == tool.PAGE.read_text(), remedy


def test_the_values_are_the_models_defaults():
    given = yaml.safe_load((tool.CHART / "values.yaml").read_text())["global"]["probav"]
    assert given == json.loads(Values().model_dump_json(by_alias=True))


def test_images_are_of_this_version_and_pulled_before_they_are_needed():
    import probav_hub.kubernetes.values as values

    given = yaml.safe_load((tool.CHART / "values.yaml").read_text())
    chart = yaml.safe_load((tool.CHART / "Chart.yaml").read_text())
    executor = given["global"]["probav"]["spark"]["image"]
    pulled = given["jupyterhub"]["prePuller"]["extraImages"]["executor"]
    assert (pulled["name"], pulled["tag"]) == (executor["name"], executor["tag"])
    images = [given["jupyterhub"][part]["image"] for part in ("hub", "singleuser")]
    assert {chart["version"], chart["appVersion"], *(each["tag"] for each in [*images, executor])} == {
        values.Spark().image.tag
    }


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"homes": {"sise": "10G"}}, "sise"),
        ({"homes": {"size": "10 GB"}}, "does not match pattern"),
        ({"hub": {"profils": []}}, "profils"),
        ({"hub": {"port": 8000}}, "port"),
        ({"hub": {"profiles": [{"name": "a", "title": "A", "cpus": 2}]}}, "cpus"),
        ({"spark": {"image": {"name": "x"}}, "network": {"enabled": "yes"}}, "boolean"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_made(render, own, said):
    with pytest.raises(tool.ToolError, match=said):
        render(own)


def test_without_spark_there_is_no_broker_and_nothing_of_the_whole_cluster(render):
    made = render({"spark": {"enabled": False}})
    assert {each["metadata"]["name"] for each in made} == {"probav-users", "probav-login"}


def test_the_policy_of_the_whole_cluster_can_be_left_out(render):
    made = render({"spark": {"admissionPolicy": False}})
    assert [each for each in made if each["kind"].startswith("Validating")] == []


def test_a_password_is_made_only_where_it_is_used(render, find):
    assert len(find(render({}), "Secret", "probav-login")["data"]["password"]) >= 20
    own = {"hub": {"authentication": {"method": "sign-up"}}}
    assert "Secret" not in {each["kind"] for each in render(own)}


def test_the_brokers_settings_hold_no_more_of_the_hub_than_it_needs(render, find):
    made = render({"hub": {"jupyterhub": {"GenericOAuthenticator": {"client_secret": "se-cret"}}}})
    assert "se-cret" not in json.dumps(made)
    held = yaml.safe_load(find(made, "ConfigMap", "probav-spark")["data"]["values.yaml"])
    Values.model_validate(held)
    assert set(held) == {"hub", "spark", "archive", "network"}
    assert set(held["hub"]) <= {"profiles"}


def test_the_hub_gets_our_values_and_starts_anew_when_they_change(render, find):
    import base64

    def secret(own):
        return find(render(own, whole=True), "Secret", "hub")["data"]["values.yaml"]

    small = {"hub": {"servers_per_user": 2}}
    held = yaml.safe_load(base64.b64decode(secret(small)))
    assert held["global"]["probav"]["hub"] == small["hub"]
    deployment = find(render(small, whole=True), "Deployment", "hub")
    assert "checksum/secret" in deployment["spec"]["template"]["metadata"]["annotations"]


def test_nothing_listens_beyond_the_cluster(whole):
    kinds = {each["spec"].get("type", "ClusterIP") for each in whole if each["kind"] == "Service"}
    assert kinds == {"ClusterIP"}


def test_the_example_of_the_page_is_taken(helm, parent):
    page = tool.PAGE.read_text().partition("`lab.yaml`:\n\n")[2].partition("\n\nand\n")[0]
    given = yaml.safe_load(textwrap.dedent(page))
    assert {each["kind"] for each in tool.render(given, parent)} >= {"NetworkPolicy", "Deployment"}
    Values.model_validate(given["global"]["probav"])
