"""The whole chart on a real node: users log in, work, compute on executors, and are kept apart by packets.

One story in order: each test goes on where the one before has stopped.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from websocket import WebSocketException

from helm.node.process import wait_for
from probav_hub.demo import result
from probav_hub.errors import HubError
from probav_hub.homes import read

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
SAMPLES = Path(__file__).parents[4] / "sample_notebooks"
WHERE = "print(set(spark.sparkContext.parallelize(range(8), 8).map(lambda n: __import__('os').environ"
SPARK = f"{WHERE}['SPARK_EXECUTOR_POD_NAME']).collect()))"
BUSY = 200  # seconds: longer than an idle server is left
HOG = "hog = [bytearray(b'1' * 2**26) for _ in range(200)]"


@pytest.fixture(scope="module")
def ada(lab):
    http = lab.log_in("ada")
    assert lab.spawn(http, "ada", "spark") == ""
    return http


@pytest.fixture(scope="module")
def bob(lab):
    http = lab.log_in("bob")
    assert lab.spawn(http, "bob", "spark") == ""
    return http


@pytest.fixture(scope="module")
def kernels(lab, ada, bob):
    with lab.kernel(ada, "ada") as first, lab.kernel(bob, "bob") as second:
        yield first, second


def executors(lab, user):
    words = ("pods", "-l", f"component=spark-executor,hub.jupyter.org/username={user}")
    return lab.field(".items[*].metadata.name", *words).split()


def test_a_user_works_in_a_pod_that_may_do_nothing_else(lab, ada, kernels, run):
    assert "/archive" in run(kernels[0], "%probav status")
    pod = lab.kubectl("exec", "jupyter-ada", "--", "sh", "-c", "id -u; ls -d /var/run/secrets/kub* 2>&1; env")
    assert pod.startswith("1000\n")
    assert "No such file" in pod
    assert "PROBAV_SPARK_SERVICE" not in pod  # but of the API server Kubernetes tells everybody
    run(kernels[0], "open('kept.txt', 'w').write('kept')")
    assert "Read-only file system" in run(
        kernels[0], "try: open('/archive/x', 'w')\nexcept OSError as error: print(error)"
    )


def test_spark_works_on_executor_pods_of_ones_own(lab, kernels, run):
    printed = run(kernels[0], SPARK)
    assert "{'spark-ada" in printed
    assert all(name.startswith("spark-ada") for name in executors(lab, "ada"))


def test_who_comes_last_is_told_why_he_waits_and_gets_his_turn(lab, kernels, run):
    first, second = kernels
    run(first, "spark.sparkContext.parallelize([1]).count()")  # keeps an executor for a minute more
    said = run(second, SPARK)
    assert "Spark waits for executors. The hub has 1 executors for all users (spark.maxExecutors)" in said
    assert "Spark ERROR" not in said
    assert "{'spark-bob" in said
    run(second, "spark.stop()")
    wait_for(lambda: executors(lab, "bob") == [], 60)


def test_packets_go_where_the_page_says_and_nowhere_else(lab, kernels, run):
    first, _ = kernels
    run(first, "spark.sparkContext.parallelize([1]).count()")
    (executor,) = executors(lab, "ada")[:1]
    ada, bob, worker = (lab.address(pod) for pod in ("jupyter-ada", "jupyter-bob", executor))
    driver = int(run(first, "print(spark.conf.get('spark.driver.port'))"))
    hub = lab.field(".items[0].status.podIP", "pods", "-l", "component=hub")
    proxy = lab.field(".items[0].status.podIP", "pods", "-l", "component=proxy")
    node, machine = "10.243.0.2", "10.243.0.1"
    allowed = [
        ("jupyter-ada", "hub", 8081), ("jupyter-ada", "probav-spark", 8080), ("jupyter-ada", worker, 7200),
        (executor, ada, driver),
    ]  # fmt: skip
    denied = [
        ("jupyter-bob", ada, 8888), ("jupyter-ada", bob, 8888), ("jupyter-bob", ada, driver),
        ("jupyter-bob", worker, 7200), ("jupyter-ada", hub, 8000), ("jupyter-ada", proxy, 8001),
        ("jupyter-ada", "10.96.0.1", 443), ("jupyter-ada", machine, 6443), ("jupyter-ada", node, 10250),
        (executor, "hub", 8081), (executor, "probav-spark", 8080), (executor, bob, 8888),
        (executor, ada, 8888), (executor, "10.96.0.1", 443),
    ]  # fmt: skip
    for source, host, port in allowed:
        assert lab.reaches(source, host, port) == "yes", (source, host, port)
    assert [each for each in denied if lab.reaches(*each) == "yes"] == []


def test_the_quickstart_runs(lab, ada):
    notebook = read(SAMPLES / "quickstart.py")
    with lab.kernel(ada, "ada") as kernel:
        kernel.run(notebook, lambda number, count: None)
    assert result(notebook)


def test_too_much_memory_ends_the_kernel_and_not_the_server(lab, ada, kernels, run):
    with lab.kernel(ada, "ada") as kernel:
        with pytest.raises(HubError, match="died"):
            run(kernel, HOG)
    assert ada.get(f"{lab.url}/user/ada/api", timeout=60).ok
    assert lab.field(".status.containerStatuses[0].restartCount", "pod", "jupyter-ada") == "0"


def test_a_server_that_dies_while_it_starts_says_why_at_once(lab):
    http = lab.log_in("tim")
    said = lab.spawn(http, "tim", "tiny")
    assert "memory" in said
    assert "The limit is 64 MiB" in said


def test_an_upgrade_leaves_servers_and_kernels_alone(lab, ada, kernels, run):
    first, _ = kernels
    number = run(first, "import os; print(os.getpid())")
    lab.install("--set", "global.probav.spark.maxExecutors=2")

    def again():  # the proxy was started anew, too, and the hub tells it its routes
        with contextlib.suppress(HubError, requests.RequestException, WebSocketException, ValueError):
            first.connect()
            return run(first, "print(os.getpid())") == number

    wait_for(again, 120)
    assert ada.get(f"{lab.url}/hub/api/users/ada", timeout=60).json()["servers"][""]["ready"]


def test_a_server_that_stops_takes_its_executors_and_leaves_the_home(lab, ada, bob, kernels, run):
    run(kernels[0], "spark.sparkContext.parallelize([1]).count()")
    assert executors(lab, "ada")
    with contextlib.suppress(HubError):
        assert ada.delete(f"{lab.url}/hub/api/users/ada/server", timeout=120).ok
    wait_for(lambda: "jupyter-ada" not in lab.kubectl("get", "pods"), 90)
    wait_for(lambda: executors(lab, "ada") == [], 90)
    assert lab.spawn(ada, "ada", "small") == ""
    with lab.kernel(ada, "ada") as kernel:
        assert run(kernel, "print(open('kept.txt').read())").strip() == "kept"


def test_an_idle_server_is_culled_and_one_that_computes_is_not(lab, ada, run):
    """The culler looks each minute for servers without a minute's activity."""
    lab.install('--set-json=global.probav.hub.culling={"minutes": 1, "every_minutes": 1}')
    zoe = lab.log_in("zoe")  # a server that starts now is told how often to report
    assert lab.spawn(zoe, "zoe", "small") == ""
    code = f"import time; open('began', 'w'); time.sleep({BUSY}); open('done', 'w')"
    with lab.kernel(zoe, "zoe") as kernel, ThreadPoolExecutor(1) as beside:
        running = beside.submit(run, kernel, code)
        wait_for(lambda: "began" in lab.kubectl("exec", "jupyter-zoe", "--", "ls").split(), 60)
        kernel.disconnect()  # as a browser does that is closed
        assert isinstance(running.exception(60), HubError)
        wait_for(lambda: "jupyter-ada" not in lab.kubectl("get", "pods"), BUSY)
        wait_for(lambda: "done" in lab.kubectl("exec", "jupyter-zoe", "--", "ls").split(), BUSY)


def test_a_deleted_user_leaves_no_pod_and_the_home_for_the_operator(lab):
    eve = lab.log_in("eve")
    assert lab.spawn(eve, "eve", "small") == ""
    assert lab.delete("eve") == 204
    wait_for(lambda: "jupyter-eve" not in lab.kubectl("get", "pods"), 90)
    assert lab.field(".status.phase", "pvc", "home-eve") == "Bound"
    assert eve.get(f"{lab.url}/hub/api/user", timeout=60).status_code == 403  # and the token is none
