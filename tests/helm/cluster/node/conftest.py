"""A real node: a kubelet, containerd, a network with policies, and the images of `make images`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helm.node import Cluster, Unavailable, cluster


@pytest.fixture(scope="session")
def node(helm, tmp_path_factory) -> Iterator[Cluster]:
    made = cluster(tmp_path_factory.mktemp("node"))
    try:
        running = made.__enter__()
    except Unavailable as error:
        pytest.skip(f"no node of Kubernetes: {error}")
    try:
        yield running
    finally:
        made.__exit__(None, None, None)
