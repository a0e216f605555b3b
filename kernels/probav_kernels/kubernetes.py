"""Settings of a driver in a pod of probav's hub, whose executors a broker makes.

The hub's chart names the broker as the master and says the pod's address in $PROBAV_POD_IP. Without that
variable nothing is set: a cluster of somebody's own is set up by `[conf]`, as Spark's documentation says.
"""

from __future__ import annotations

from collections.abc import Mapping

DRIVER_PORT, BLOCK_PORT, MORE_PORTS = 7078, 7200, 31  # those that the network lets through, for 32 kernels
LOG = "PROBAV_ALLOCATOR_LOG"  # of log4j2.properties: a refusal is said by `waiting`, in one line
_IMAGE = "the-broker-chooses"
_FOR_EVER = 2**31 - 1


def settings(master: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what Spark needs to have executors of the broker's, and nobody else's.

    Parameters
    ----------
    master : str
    environment : mapping
        The variables of the notebook server's pod.
    """
    address = environment.get("PROBAV_POD_IP")
    if not master.startswith("k8s://") or not address:
        return {}
    return {
        "spark.driver.host": address,
        "spark.driver.bindAddress": address,
        "spark.driver.port": str(DRIVER_PORT),
        "spark.blockManager.port": str(BLOCK_PORT),
        "spark.port.maxRetries": str(MORE_PORTS),
        "spark.authenticate": "true",
        "spark.network.crypto.enabled": "true",
        "spark.kubernetes.namespace": environment.get("PROBAV_POD_NAMESPACE", "default"),
        "spark.kubernetes.container.image": _IMAGE,
        "spark.kubernetes.executor.disableConfigMap": "true",
        "spark.kubernetes.executor.enableApiWatcher": "false",
        "spark.kubernetes.executor.apiPollingInterval": "5s",
        # a refused executor counts as a failed one, and Spark would end after three
        "spark.executor.maxNumFailures": str(_FOR_EVER),
        "spark.kubernetes.authenticate.oauthToken": environment.get("JUPYTERHUB_API_TOKEN", ""),
    }
