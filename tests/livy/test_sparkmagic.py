"""sparkmagic, set up by us, against a real server: `%%spark` in our kernel, and its two kernels."""

import os
import stat
import sys
from importlib.util import find_spec
from pathlib import Path
from queue import Empty

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        find_spec("sparkmagic") is None, reason="sparkmagic is not installed (make test-livy)"
    ),
]
LOOK = """
import os
print(os.environ["SPARKMAGIC_CONF_DIR"])
"""


@pytest.fixture
def home(livy, tmp_path, monkeypatch):
    """An empty home of the hub's user bob, to whom the server is configured."""
    for name in [name for name in os.environ if name.startswith(("PROBAV_SPARK_", "SPARK", "JUPYTER"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "prefix" / "share" / "jupyter"))
    monkeypatch.setenv("PROBAV_SPARK_LIVY_URL", livy.url)
    monkeypatch.setenv("JUPYTERHUB_USER", "bob")
    return home


class Kernel:
    def __init__(self, name: str, **options) -> None:
        self.manager = KernelManager(kernel_name=name, **options)
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code: str, seconds: float = 120) -> str:
        """Return all that a cell shows; fail if it fails."""
        shown = []

        def take(message) -> None:
            content = message["content"]
            shown.append(str(content.get("text") or content.get("data") or content.get("traceback") or ""))

        try:
            reply = self.client.execute_interactive(code, timeout=seconds, output_hook=take)
        except (Empty, TimeoutError):
            pytest.fail(f"no answer within {seconds:.0f} s to {code!r}; so far: {shown}")
        assert reply["content"]["status"] == "ok", shown
        return "".join(shown)

    def stop(self) -> None:
        if not self.client.channels_running:
            return
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture
def start():
    started = []

    def start(name, **options):
        started.append(Kernel(name, **options))
        return started[-1]

    yield start
    for kernel in started:
        kernel.stop()


def test_spark_cells_run_on_the_cluster_as_the_hub_user(home, livy, start):
    before = {session["id"] for session in livy.sessions()}
    kernel = start("python3")
    kernel.run("%load_ext probav_kernels.livy")
    assert {session["id"] for session in livy.sessions()} == before, "loading must start nothing"
    assert "45 local[2,4]" in kernel.run("%%spark\nprint(sum(range(10)), sc.master)")
    assert "55" in kernel.run("%%spark -s scala\nprintln(sc.parallelize(1 to 10).sum.toInt)")
    kernel.run("%%spark -c sql -o frame -q\nSELECT id * id AS square FROM range(4)")
    assert kernel.run("print(list(frame.square))").strip() == "[0, 1, 4, 9]"
    ours = [session for session in livy.sessions() if session["id"] not in before]
    assert {(session["kind"], session["proxyUser"]) for session in ours} == {
        ("pyspark", "bob"),
        ("spark", "bob"),
    }
    folder = Path(kernel.run(LOOK).strip())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
    kernel.run("%spark cleanup")
    assert {session["id"] for session in livy.sessions()} == before
    kernel.stop()
    assert not folder.exists()
    assert list(home.iterdir()) == [], "the home holds what nobody asked for"


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("pyspark", "print(spark.range(5).count(), sc.master)", "5 local[2,4]"),
        ("spark", "println(spark.range(5).map(_ * 2).collect.sum)", "20"),
    ],
)
def test_kernels_run_a_cell(home, livy, start, tmp_path, monkeypatch, name, code, expected):
    from probav_kernels import livy as ours

    with monkeypatch.context() as patch:  # `install` prepares this process
        patch.setenv("SPARKMAGIC_CONF_DIR", "")
        ours.install(tmp_path / "prefix")
    assert KernelSpecManager().get_kernel_spec(f"probav-livy-{name}").display_name == ours.KERNELS[name][0]
    before = {session["id"] for session in livy.sessions()}
    kernel = start(f"probav-livy-{name}")
    assert expected in kernel.run(code)
    (session,) = [session for session in livy.sessions() if session["id"] not in before]
    assert session["proxyUser"] == "bob"
    kernel.stop()
    assert {session["id"] for session in livy.sessions()} == before, "the kernel's end leaves its session"
    assert list(home.iterdir()) == []
    assert (
        sys.executable
        in (tmp_path / "prefix/share/jupyter/kernels" / f"probav-livy-{name}/kernel.json").read_text()
    )
