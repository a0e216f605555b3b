"""The broker of Spark's executors: the part of Kubernetes' API that a driver needs, for the user's own alone.

A driver in a server's pod speaks to it as to an API server (`k8s://http://probav-spark:8080/servers/NAME`)
with the server's own token. Whose it is says the hub; what the user may have says the profile of that server,
which the hub wrote on its pod. Nothing that a user sends becomes part of a pod but labels of Spark's and
variables.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from http import HTTPStatus
from typing import Any, ClassVar

from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from probav_hub.configuration import Profile
from probav_hub.kubernetes.cluster import Cluster, Refusal
from probav_hub.kubernetes.executors import COMPONENT, Refused, executor, policies
from probav_hub.kubernetes.failures import Failures
from probav_hub.kubernetes.names import PROFILE, SERVER
from probav_hub.kubernetes.values import Values

MOST_BYTES = 2**18  # of a request
REMEMBERED = 30.0  # seconds that the hub's word about a token holds
TOLD = 20.0  # seconds that a refusal is told for: Spark asks again and again as long as it wants more
FULL = 2.0  # seconds for which nobody's executors are counted again, once there were too many
FINISHED = ("Succeeded", "Failed")
_SELECTOR = re.compile(r"^[A-Za-z0-9 ,=!()._/-]{0,1000}$")


class Hub:
    """What the hub says about tokens; the broker has none of its own."""

    def __init__(self, api: str) -> None:
        self._api, self._known = api.rstrip("/"), dict[str, tuple[float, dict[str, Any]]]()

    async def user(self, token: str) -> dict[str, Any] | None:
        """Return the user of a token and its scopes, None where it is no token.

        Raises
        ------
        web.HTTPError
            If the hub gives no answer.
        """
        now = time.monotonic()
        self._known = {key: found for key, found in self._known.items() if found[0] > now}
        if token in self._known:
            return self._known[token][1]
        request = HTTPRequest(f"{self._api}/user", headers={"Authorization": f"token {token}"})
        try:
            answer = await AsyncHTTPClient().fetch(request)
        except HTTPClientError as error:
            if error.code in (401, 403):
                return None
            raise web.HTTPError(503, f"The hub gives no answer about a token: {error}") from None
        except OSError as error:
            raise web.HTTPError(503, f"The hub can't be reached: {error}") from None
        found: dict[str, Any] = json.loads(answer.body or b"{}")
        self._known[token] = (now + REMEMBERED, found)
        return found


def may(model: dict[str, Any], server: str) -> bool:
    """Whether a token is that of a server, or one with all rights on it; others start no code there."""
    name = model.get("name")
    wanted = {"access:servers", f"access:servers!user={name}", f"access:servers!server={name}/{server}"}
    return model.get("kind") == "user" and bool(wanted & set(model.get("scopes", ())))


class Handler(web.RequestHandler):
    """A request of a driver, on behalf of one server of its user."""

    cluster: Cluster
    hub: Hub
    values: Values
    counting: ClassVar[asyncio.Lock] = asyncio.Lock()
    refused: ClassVar[dict[str, tuple[float, str]]] = {}  # by label: until when it is told, and what
    failures: ClassVar[Failures] = Failures()
    full: ClassVar[float] = 0.0

    def initialize(self, cluster: Cluster, hub: Hub, values: Values) -> None:
        """Take what all requests share."""
        self.cluster, self.hub, self.values = cluster, hub, values

    async def prepare(self) -> None:
        """Find the pod of the server whose token this is, or refuse."""
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        model = await self.hub.user(token.strip()) if kind.lower() in ("bearer", "token") else None
        if model is None:
            raise web.HTTPError(401, "This is no token of the hub's.")
        server = "" if self.path_args[0] == "-" else str(self.path_args[0])
        if not may(model, server):
            raise web.HTTPError(403, f"This token is not that of server {server or 'default'!r}.")
        if self.path_args[1] != self.cluster.namespace:
            raise web.HTTPError(403, f"Executors are in the namespace {self.cluster.namespace}.")
        owner = await self.cluster.server(str(model["name"]), server)
        if owner is None:
            raise web.HTTPError(403, f"No server {server or 'default'!r} of {model['name']} runs.")
        self.owner = owner
        self.label: str = owner["metadata"]["labels"][SERVER]

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what is wrong as Kubernetes does."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = HTTPStatus(status_code).phrase
        if isinstance(error, web.HTTPError) and error.log_message:
            message = error.log_message % error.args if error.args else error.log_message
        self.finish(status(status_code, message))

    async def own(self, name: str) -> dict[str, Any]:
        """Return an executor of this server.

        Raises
        ------
        web.HTTPError
            If there is none of that name; whether others have one is not told.
        """
        pod = await self.cluster.pod(name)
        labels = (pod or {}).get("metadata", {}).get("labels") or {}
        if pod is None or labels.get(SERVER) != self.label or labels.get("component") != COMPONENT:
            raise web.HTTPError(404, f'pods "{name}" not found')
        self.failures.see([pod])
        return pod

    async def listed(self) -> dict[str, Any]:
        """Return the executors of this server that the request selects."""
        asked, field = (
            self.get_query_argument("labelSelector", ""),
            self.get_query_argument("fieldSelector", ""),
        )
        if not _SELECTOR.match(asked) or not _SELECTOR.match(field):
            raise web.HTTPError(400, "This selector can't be read.")
        own = f"component={COMPONENT},{SERVER}={self.label}"
        found = await self.cluster.pods(f"{own},{asked}" if asked else own, field)
        self.failures.see(found["items"])
        return found

    def refuse(self, message: str) -> web.HTTPError:
        """Return the refusal of one more executor, which the server's notebooks are told."""
        now = time.monotonic()
        kept = {label: found for label, found in self.refused.items() if found[0] > now}
        Handler.refused = {**kept, self.label: (now + TOLD, message)}
        return web.HTTPError(403, "%s", message)


class Pods(Handler):
    """All executors of a server."""

    async def get(self, server: str, namespace: str) -> None:
        """List them."""
        if self.get_query_argument("watch", "false") in ("true", "1"):
            raise web.HTTPError(
                403, "Executors are asked for, not watched: spark.kubernetes.executor.enableApiWatcher."
            )
        self.finish(await self.listed())

    async def post(self, server: str, namespace: str) -> None:
        """Make one, if the profile allows one more."""
        profiles = {profile.name: profile for profile in self.values.configuration.profiles}
        profile = profiles.get((self.owner["metadata"].get("annotations") or {}).get(PROFILE, ""))
        if profile is None or not profile.spark_executors:
            raise web.HTTPError(403, "The profile of this server has no Spark executors.")
        try:
            asked = json.loads(self.request.body)
            made = executor(asked, self.owner, profile, self.values)
        except ValueError:
            raise web.HTTPError(400, "This is no JSON.") from None
        except Refused as error:
            raise web.HTTPError(403, str(error)) from None
        async with self.counting:
            await self._count(profile)
            try:
                for policy in policies(self.owner) if self.values.network.enabled else ():
                    await self.cluster.allow(policy)
                pod = await self.cluster.make(made)
            except Refusal as error:  # a quota of the namespace, say
                message = str(error.log_message) % error.args
                raise self.refuse(f"The cluster makes no executor: {message}") from None
            Handler.refused = {label: told for label, told in self.refused.items() if label != self.label}
        self.set_status(201)
        self.finish(pod)

    async def _count(self, profile: Profile) -> None:
        """Refuse one more than the server, or all servers together, may have."""
        most = self.values.spark.max_executors
        taken = (
            f"The hub has {most} executors for all users (spark.maxExecutors), and that many run: "
            "yours begin when others have ended."
        )
        if self.full > time.monotonic():
            raise self.refuse(taken)
        there = (await self.cluster.pods(f"component={COMPONENT}"))["items"]
        self.failures.see(there)
        running = [pod for pod in there if (pod.get("status") or {}).get("phase") not in FINISHED]
        mine, own = (
            [pod for pod in pods if pod["metadata"]["labels"].get(SERVER) == self.label]
            for pods in (there, running)
        )
        if len(own) >= profile.spark_executors:
            raise self.refuse(
                f"Profile {profile.name} has {profile.spark_executors} executors, and that many run."
            )
        if failed := self.failures.refusal(self.label, profile.spark_executors):
            raise self.refuse(failed)
        if len(mine) >= 4 * profile.spark_executors:
            raise self.refuse(f"{len(mine)} executors of this server have ended and are not deleted yet.")
        if len(running) >= most:
            Handler.full = time.monotonic() + FULL
            raise self.refuse(taken)

    async def delete(self, server: str, namespace: str) -> None:
        """Delete those that are selected."""
        found = await self.listed()
        for pod in found["items"]:
            await self.cluster.delete(pod)
        self.finish(found)


class Pod(Handler):
    """One executor of a server."""

    async def get(self, server: str, namespace: str, name: str) -> None:
        """Show it."""
        self.finish(await self.own(name))

    async def delete(self, server: str, namespace: str, name: str) -> None:
        """Delete it."""
        pod = await self.own(name)
        await self.cluster.delete(pod)
        self.finish(pod)


class Why(Handler):
    """Why a server has no more executors."""

    async def get(self, server: str, namespace: str) -> None:
        """Say it, and how many the server has."""
        pods = (await self.cluster.pods(f"component={COMPONENT},{SERVER}={self.label}"))["items"]
        running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
        until, message = self.refused.get(self.label, (0.0, ""))
        self.finish({"running": len(running), "refused": message if until > time.monotonic() else ""})


class Nothing(Handler):
    """Services, settings and volumes of executors: there are none, and Spark asks to have them deleted."""

    async def get(self, server: str, namespace: str, kind: str) -> None:
        """Say that there are none."""
        self.finish({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "0"}, "items": []})

    async def delete(self, server: str, namespace: str, kind: str) -> None:
        """Say that they are gone."""
        self.finish({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})


class Healthy(web.RequestHandler):
    """Whether the broker answers."""

    def get(self) -> None:
        """Say so."""
        self.finish({"status": "ok"})


class Unknown(web.RequestHandler):
    """All else of Kubernetes' API."""

    def prepare(self) -> None:
        """Refuse it."""
        self.set_status(403)
        self.finish(status(403, "The broker knows pods of Spark's executors, and nothing else."))


def status(code: int, message: str) -> dict[str, Any]:
    """Return what an API server answers where something is wrong."""
    reasons = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 400: "BadRequest"}
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reasons.get(code, "InternalError"), "code": code,
    }  # fmt: skip


def application(cluster: Cluster, hub: Hub, values: Values) -> web.Application:
    """Return the broker."""
    shared = {"cluster": cluster, "hub": hub, "values": values}
    root = r"/servers/([a-z0-9-]{1,64})/api/v1/namespaces/([a-z0-9-]{1,63})"
    return web.Application([
        ("/healthz", Healthy),
        (f"{root}/pods", Pods, shared),
        (f"{root}/pods/([a-z0-9.-]{{1,253}})", Pod, shared),
        (f"{root}/refusal", Why, shared),
        (f"{root}/(services|configmaps|persistentvolumeclaims)", Nothing, shared),
        (".*", Unknown),
    ])  # fmt: skip
