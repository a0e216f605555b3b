"""Run the broker of Spark's executors: `python -m probav_hub.kubernetes`, in a pod of its own."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient
from tornado.httpserver import HTTPServer

from probav_hub.kubernetes.broker import FINISHED, MOST_BYTES, Hub, application
from probav_hub.kubernetes.cluster import Cluster, Refusal
from probav_hub.kubernetes.executors import COMPONENT
from probav_hub.kubernetes.values import Values

KEPT = timedelta(minutes=10)  # so long what is left of an executor can be looked at
EVERY = 60.0

log = logging.getLogger("probav.broker")


async def serve() -> None:
    """Answer drivers, and delete executors that have ended, until told to stop."""
    values = Values.model_validate(yaml.safe_load(Path(os.environ["PROBAV_VALUES"]).read_text("utf-8")) or {})
    if os.environ.get("KUBECONFIG"):
        await config.load_kube_config()
    else:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    async with ApiClient() as api:
        cluster = Cluster(api, os.environ["POD_NAMESPACE"])
        broker = application(cluster, Hub(os.environ["JUPYTERHUB_API_URL"]), values)
        server = HTTPServer(broker, max_body_size=MOST_BYTES, max_header_size=2**14)
        server.listen(int(os.environ.get("PROBAV_PORT", "8080")), os.environ.get("PROBAV_ADDRESS", ""))
        log.info("The broker of Spark's executors listens.")
        while True:
            with suppress(Refusal):
                await sweep(cluster)
            await asyncio.sleep(EVERY)


async def sweep(cluster: Cluster, kept: timedelta = KEPT) -> int:
    """Delete executors that ended a while ago, as killed drivers leave them; return how many."""
    gone = [
        pod
        for pod in (await cluster.pods(f"component={COMPONENT}"))["items"]
        if (pod.get("status") or {}).get("phase") in FINISHED and _age(pod) > kept
    ]
    for pod in gone:
        await cluster.delete(pod)
    return len(gone)


def _age(pod: dict[str, Any]) -> timedelta:
    ends = [
        (each.get("state") or {}).get("terminated", {}).get("finishedAt")
        for each in (pod["status"].get("containerStatuses") or [])
    ]
    text = max((str(end) for end in ends if end), default=str(pod["metadata"]["creationTimestamp"]))
    return datetime.now(UTC) - datetime.fromisoformat(text)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(serve())
