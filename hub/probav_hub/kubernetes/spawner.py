"""A user's server as a pod: KubeSpawner kept to a profile of our table."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from jupyterhub.utils import wait_for_http_server
from kubespawner import KubeSpawner
from traitlets import Float, Unicode

from probav_hub.configuration import Profile
from probav_hub.kubernetes.ended import why
from probav_hub.kubernetes.names import PROFILE, SHARED
from probav_hub.refusal import Refusal

FROM_PROFILE = ("environment", "extra_annotations", "extra_pod_config", "image", "volumes", "volume_mounts")
_FOLDER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class PodSpawner(KubeSpawner):  # type: ignore[misc]  # which has no types
    """Start servers as pods that may do as little as a notebook needs."""

    environment: dict[str, Any]
    extra_annotations: dict[str, Any]
    extra_pod_config: dict[str, Any]
    volumes: dict[str, Any]
    volume_mounts: dict[str, Any]

    guaranteed_cpu = Float(0.25, config=True, help="Part of a profile's cores that is kept for a server.")
    home_size = Unicode("10G", config=True, help="Of a new home whose profile names no disk.")
    shared_claim = Unicode("", config=True, help="Claim with a folder for each group; empty: none.")
    broker = Unicode("", config=True, help="URL of the broker of Spark's executors; empty: none.")

    _configured: dict[str, Any] | None = None

    async def load_user_options(self) -> None:
        """Leave the choice to `take`: KubeSpawner's own list of profiles is not used."""

    def reset(self) -> None:
        """Forget what an earlier profile gave."""
        if self._configured is None:
            self._configured = {name: getattr(self, name) for name in FROM_PROFILE}
        for name, value in self._configured.items():
            setattr(self, name, value)

    def take(self, profile: Profile) -> None:
        """Add to what `profiles.apply` does for all spawners what a pod needs.

        Parameters
        ----------
        profile : Profile
            One that the user may have.
        """
        if profile.image:
            self.image = profile.image
        self.cpu_guarantee = round(profile.cpu * self.guaranteed_cpu, 3)
        self.mem_guarantee = self.mem_limit
        self.storage_capacity = f"{profile.disk or self.home_size}i"
        self.extra_annotations = {**self.extra_annotations, PROFILE: profile.name}
        if profile.hours:
            self.extra_pod_config = {
                **self.extra_pod_config,
                "activeDeadlineSeconds": max(1, round(profile.hours * 3600)),
            }
        if profile.spark_executors and self.broker:
            self.environment = {**self.spark(), **self.environment}
        self._share([group.name for group in self.user.groups])

    def spark(self) -> dict[str, Any]:
        """Return the variables that point the kernels' Spark at the broker."""
        address = {"fieldRef": {"fieldPath": "status.podIP"}}
        return {
            "PROBAV_SPARK_MASTER": f"k8s://{self.broker}/{self.name or '-'}",
            "PROBAV_POD_IP": {"name": "PROBAV_POD_IP", "valueFrom": address},
            "PROBAV_POD_NAMESPACE": self.namespace,
        }

    async def _start(self) -> str:
        """Start the pod and return its URL when the server answers; say why where it ends instead.

        KubeSpawner has a pod whose container dies started anew, and waits for it until its user gives up.
        """
        before = self._uid()
        starting = asyncio.create_task(self._answers())
        try:
            while not starting.done():
                await asyncio.wait([starting], timeout=0.5)
                if starting.done() or self._uid() == before:
                    continue
                if said := why(self._pod(), self.mem_limit):
                    raise Refusal(said, reason="pod")
            return await starting
        finally:
            starting.cancel()

    async def _answers(self) -> str:
        url = str(await super()._start())
        if not self.internal_ssl and self.server:
            path = f"{self.server.base_url.rstrip('/')}/api"
            await wait_for_http_server(f"{url.rstrip('/')}{path}", timeout=self.http_timeout)
        return url

    def _pod(self) -> dict[str, Any] | None:
        reflector = getattr(self, "pod_reflector", None)
        found: dict[str, Any] | None = reflector and reflector.pods.get(f"{self.namespace}/{self.pod_name}")
        return found

    def _uid(self) -> str:
        return str(((self._pod() or {}).get("metadata") or {}).get("uid", ""))

    def _share(self, groups: list[str]) -> None:
        """Mount the folders of the user's groups."""
        own = [group for group in sorted(groups) if _FOLDER.match(group)]
        if not self.shared_claim or not own:
            return
        self.volumes = {
            **self.volumes,
            "shared": {"name": "shared", "persistentVolumeClaim": {"claimName": self.shared_claim}},
        }
        self.volume_mounts = {
            **self.volume_mounts,
            **{
                f"shared-{group}": {"name": "shared", "mountPath": f"{SHARED}/{group}", "subPath": group}
                for group in own
            },
        }
