from __future__ import annotations

import pytest

from probav_hub.accounting.database import open_database
from probav_hub.accounting.recording import Running


@pytest.fixture
def engine(tmp_path):
    made = open_database(tmp_path)
    yield made
    made.dispose()


@pytest.fixture
def server():
    """Make a running server; one core, 2 GiB, no Spark."""

    def make(user="ann", started=1000.0, server="", groups=(), cores=1.0, memory=2.0, executors=0.0):
        return Running(user, server, started, "small", tuple(groups), cores, memory, executors)

    return make
