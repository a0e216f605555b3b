"""A pytest plugin: JupyterHub's tests of spawners, with the one that PROBAV_SUITE names for theirs."""

from __future__ import annotations

import json
import os
import sys

import jupyterhub.spawner
from jupyterhub.tests import mocking, mocksu
from traitlets import default

from probav_hub.containers.spawner import ContainerSpawner
from probav_hub.sandbox.spawner import SandboxSpawner
from probav_hub.simple import SimpleSpawner

STATE = os.environ["PROBAV_SUITE_STATE"]  # a folder
LISTEN = """
import http.server, os
from urllib.parse import urlparse
print("started", flush=True)
where = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
http.server.HTTPServer((where.hostname, where.port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""  # ours wait until a server listens, which their programs never do
STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"


class SandboxOfSuite(SandboxSpawner):
    @default("state_folder")
    def _default_state_folder(self):
        return STATE

    @default("read_only")
    def _default_read_only(self):
        return [os.path.dirname(mocksu.__file__)]

    def __init__(self, **traits):
        super().__init__(**{"first_uid": 250_000, **traits})


class ContainerOfSuite(ContainerSpawner):
    """Runs their programs in an image, which has a Python of its own; each setting is a variable's."""

    def __init__(self, **traits):
        settings = json.loads(os.environ["PROBAV_SUITE_CONTAINER"])
        super().__init__(**{**settings, **traits})

    async def start(self):
        self.cmd = ["python" if word == sys.executable else word for word in self.cmd]
        return await super().start()


ours = {"simple": SimpleSpawner, "sandbox": SandboxOfSuite, "container": ContainerOfSuite}[
    os.environ["PROBAV_SUITE"]
]


class WithTheirServer(ours):
    """Starts their small server, as their MockSpawner does."""

    use_this_api_token = None

    @default("cmd")
    def _default_cmd(self):
        return [sys.executable, "-m", "jupyterhub.tests.mocksu"]

    @default("args")
    def _default_args(self):
        return ["--allow-root"]  # as which CI's tests may run

    async def start(self):
        if self.use_this_api_token:
            self.api_token = self.use_this_api_token
        elif self.will_resume:
            self.use_this_api_token = self.api_token
        return await super().start()


mocking.MockSpawner, jupyterhub.spawner.SimpleLocalProcessSpawner = WithTheirServer, ours
from jupyterhub.tests import test_spawner  # noqa: E402  # takes ours

test_spawner._echo_sleep, test_spawner._uninterruptible = LISTEN, STUBBORN + LISTEN
