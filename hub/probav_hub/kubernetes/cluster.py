"""What the broker does in the cluster: pods of servers and executors in one namespace, and their policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kubernetes_asyncio.client import ApiClient, ApiException, CoreV1Api, NetworkingV1Api
from kubespawner.slugs import is_valid_label, safe_slug
from tornado.web import HTTPError

_USER, _SERVER = "hub.jupyter.org/username", "hub.jupyter.org/servername"
_SECONDS = 30


class Cluster:
    """A namespace, through Kubernetes' API."""

    def __init__(self, api: ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._api, self._core, self._network = api, CoreV1Api(api), NetworkingV1Api(api)

    async def server(self, user: str, name: str) -> dict[str, Any] | None:
        """Return the pod of a user's server that runs."""
        label = safe_slug(user, is_valid=is_valid_label)
        for pod in (await self.pods(f"component=singleuser-server,{_USER}={label}"))["items"]:
            meta, phase = pod["metadata"], (pod.get("status") or {}).get("phase")
            notes = meta.get("annotations") or {}
            is_it = notes.get(_USER) == user and notes.get(_SERVER, "") == name
            if is_it and phase in ("Pending", "Running") and not meta.get("deletionTimestamp"):
                return dict(pod)
        return None

    async def pods(self, labels: str, fields: str = "") -> dict[str, Any]:
        """Return the pods that labels and fields select, as Kubernetes lists them."""
        chosen = {"label_selector": labels, **({"field_selector": fields} if fields else {})}
        return await self._answer(self._core.list_namespaced_pod, **chosen)

    async def pod(self, name: str) -> dict[str, Any] | None:
        """Return a pod, None where there is none of that name."""
        try:
            return await self._answer(self._core.read_namespaced_pod, name=name)
        except Refusal as error:
            if error.status_code == 404:
                return None
            raise

    async def make(self, pod: dict[str, Any]) -> dict[str, Any]:
        """Make a pod and return it."""
        return await self._answer(self._core.create_namespaced_pod, body=pod)

    async def delete(self, pod: dict[str, Any]) -> None:
        """Delete a pod, and no later one of its name."""
        name, body = pod["metadata"]["name"], {"preconditions": {"uid": pod["metadata"]["uid"]}}
        try:
            await self._answer(self._core.delete_namespaced_pod, name=name, body=body)
        except Refusal as error:
            if error.status_code not in (404, 409):  # it is gone already
                raise

    async def allow(self, policy: dict[str, Any]) -> None:
        """Make a network policy, unless it is there."""
        try:
            await self._answer(self._network.create_namespaced_network_policy, body=policy)
        except Refusal as error:
            if error.status_code != 409:
                raise

    async def _answer(self, call: Callable[..., Any], **given: Any) -> dict[str, Any]:
        try:
            found = await call(namespace=self.namespace, _request_timeout=_SECONDS, **given)
        except ApiException as error:
            raise Refusal(error.status or 502, "%s", _message(error)) from None
        except (OSError, TimeoutError) as error:
            raise Refusal(503, "Kubernetes' API gives no answer: %s", str(error)) from None
        plain: dict[str, Any] = self._api.sanitize_for_serialization(found)
        return plain


class Refusal(HTTPError):
    """What the API server answers where it does not do something."""


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body or b"")["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
