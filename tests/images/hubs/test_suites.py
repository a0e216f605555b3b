"""The tests of spawners that JupyterHub brings, with servers in containers."""

from __future__ import annotations

import json
import os

import pytest
import suites

from probav_hub.containers import network

NAME = f"probav-test-suite-{os.getpid()}"
NOT_OF_CONTAINERS = {
    "test_spawner": "an address on the loopback",
    "test_single_user_spawner": "a hub on the loopback",
    "test_stop_spawner_sigint_fails": "the signal that ended a process",
    "test_stop_spawner_stop_now": "the signal that ended a process",
    "test_spawner_poll": "the number of a process",
    "test_popen_kwargs": "a setting of processes",
    "test_shell_cmd": "a setting of processes",
    "test_apply_user_options_dict": "a setting of processes",
    "test_spawner_reuse_api_token": "sets what DockerSpawner itself answers",
    "test_predefined_options_from_form[default]": "a form that DockerSpawner has of its own",
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine_socket", ["podman", "docker"], indirect=True, scope="session")
def test_jupyterhubs_tests_of_spawners(engine_socket, engine, image, tmp_path):
    network.gateway(engine.api, NAME)
    settings = {
        "client_kwargs": {"base_url": engine_socket}, "owner": NAME, "image": image("user"),
        "pull_policy": "never", "prefix": NAME, "network_name": NAME, "port": 8888, "use_internal_ip": True,
        "mem_limit": "256M", "cpu_limit": 1, "http_timeout": 120, "start_timeout": 120,
    }  # fmt: skip
    try:
        passed, failed, said = suites.run(
            tmp_path, "spawners", "jupyterhub.tests.test_spawner", PROBAV_SUITE="container",
            PROBAV_SUITE_STATE=str(tmp_path), PROBAV_SUITE_CONTAINER=json.dumps(settings),
        )  # fmt: skip
    finally:
        for container in engine.containers.list(all=True, filters={"name": NAME}):
            container.remove(force=True, v=True)
        for volume in engine.volumes.list(filters={"name": NAME}):
            volume.remove(force=True)
        engine.networks.get(NAME).remove()
    assert failed == set(NOT_OF_CONTAINERS), said
    assert len(passed) >= 29
