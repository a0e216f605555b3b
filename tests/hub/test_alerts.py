"""The rules for Prometheus ask for figures that the hub and its accounting really have."""

from __future__ import annotations

import re
from importlib.resources import files

import jupyterhub.metrics
import yaml
from prometheus_client import REGISTRY

RULES = yaml.safe_load((files("probav_hub.service") / "alerts.yaml").read_text())


def rules() -> list[dict]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def asked(whose: str) -> set[str]:
    return {name for rule in rules() for name in re.findall(rf"\b({whose}_\w+)", rule["expr"])}


def test_the_hubs_figures_are_the_hubs():
    assert asked("jupyterhub")
    assert asked("jupyterhub") <= REGISTRY._names_to_collectors.keys()
    (spawn,) = [rule["expr"] for rule in rules() if rule["alert"] == "ServersDoNotStart"]
    assert jupyterhub.metrics.ServerSpawnStatus.failure.name in spawn


def test_the_accountings_are_the_accountings():
    from probav_hub.accounting import metrics

    source = files("probav_hub.accounting") / "metrics.py"
    assert asked("probav")
    for name in asked("probav"):
        assert name.removeprefix(metrics.PREFIX) in source.read_text()


def test_each_says_what_to_do():
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "look", "tell")
        assert len(rule["annotations"]["summary"]) > 20
        assert rule["expr"].count("(") == rule["expr"].count(")")
