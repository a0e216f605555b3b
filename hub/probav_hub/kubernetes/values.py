"""What the chart's own values (`global.probav`) may say, as models that check them and give their schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from probav_hub.configuration import Configuration, Size
from probav_hub.kubernetes.names import ARCHIVE

# settings of probav-hub.yaml that the chart gives itself, and what runs beside a hub on one machine only
NOT_HERE = (
    "address", "archive", "base_url", "docker", "keep_servers", "notebooks", "port", "published", "shared",
    "spawner", "state", "tls",
)  # fmt: skip
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
Rule = dict[str, Any]  # of a NetworkPolicy, as Kubernetes writes it


class Part(BaseModel):
    """A part of the values, in the letters of charts; a name that it does not know is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_alias=True, validate_by_name=True
    )


class Homes(Part):
    """A volume for the home of each user, which outlives the user's servers."""

    size: Size = Field("10G", description="Of a new home whose profile names no disk.")
    storage_class: str | None = Field(None, description="The cluster's default where none is named.")
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = Field(
        "ReadWriteOnce",
        description="ReadWriteMany where a user's named servers may be on several nodes at a time.",
    )


class Archive(Part):
    """Where the archive is, read-only for users and executors; without it each user has the demo archive."""

    claim: ObjectName | None = Field(None, description="A PersistentVolumeClaim that holds it.")
    url: str | None = Field(None, description="Of an object store: s3://bucket/prefix.")
    secret: ObjectName | None = Field(
        None,
        description="A Secret with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the like, for reading only: "
        "users can read it.",
    )

    @property
    def place(self) -> str | None:
        """Return the archive as servers and executors find it."""
        return ARCHIVE if self.claim else self.url

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.claim and self.url:
            raise ValueError("the archive is in a claim or at a URL: name one of them")
        return self


class Image(Part):
    """An image and its version."""

    name: str
    tag: str
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"


class Spark(Part):
    """Executors of users' Spark sessions: pods that a broker makes for them."""

    enabled: bool = Field(True, description="false: Spark is local to each server, and there is no broker.")
    image: Image = Image(name="probav-executor", tag="0.1.0")
    pull_secrets: tuple[ObjectName, ...] = ()
    max_executors: int = Field(
        50, ge=0, description="Of all users together; who asks for more is told so in the notebook."
    )
    scratch: Size = Field("10G", description="Disk of an executor, for shuffle files.")
    node_selector: dict[str, str] = Field({}, description="Nodes for executors.")
    tolerations: tuple[dict[str, Any], ...] = ()
    admission_policy: bool = Field(
        True,
        description="The API server itself refuses the broker all but executors. It is an object of the "
        "whole cluster: false where the installer may not make one.",
    )
    api_server: tuple[str, ...] = Field(
        ("0.0.0.0/0",), description="Addresses of the API server, which the broker may reach."
    )


class Network(Part):
    """Who may reach whom; what is not named here or in docs/kubernetes.md is refused."""

    enabled: bool = True
    dns: tuple[Rule, ...] = Field(
        (
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
            {"ipBlock": {"cidr": "169.254.20.10/32"}},
        ),
        description="Where name servers are: pods of kube-system, and the cache of a node.",
    )
    archive: tuple[Rule, ...] = Field(
        (), description="Rules of egress to the object store, for users and executors."
    )
    internet: bool = Field(False, description="Users' servers reach public addresses.")
    users: tuple[Rule, ...] = Field((), description="More rules of egress for users' servers.")


class Values(Part):
    """The chart's own values."""

    hub: dict[str, Any] = Field({}, description="Settings of probav-hub.yaml: see docs/operator.md.")
    generated_password: bool = Field(
        True, description="Make the password of `shared-password`, in the Secret probav-login."
    )
    homes: Homes = Homes()
    archive: Archive = Archive()
    published_claim: ObjectName | None = Field(None, description="A claim that all users read at /published.")
    shared_claim: ObjectName | None = Field(
        None, description="A claim (ReadWriteMany) with a folder a group, its members' own, below /shared."
    )
    guaranteed_cpu: float = Field(
        0.25,
        gt=0,
        le=1,
        description="Part of a profile's cores that is kept for a server; of memory all.",
    )
    spark: Spark = Spark()
    network: Network = Network()

    @property
    def configuration(self) -> Configuration:
        """Return what probav-hub.yaml would say."""
        return Configuration.model_validate({**self.hub, "spawner": "kubernetes"})

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if wrong := sorted(set(self.hub) & set(NOT_HERE)):
            raise ValueError(
                f"hub.{wrong[0]} is no setting here: docs/kubernetes.md says what takes its place"
            )
        given = self.configuration
        for profile in given.profiles:
            if profile.spark_executors and not self.spark.enabled and "master" not in given.spark:
                raise ValueError(
                    f"profile {profile.name} has spark_executors, and spark.enabled is false: "
                    "switch Spark on, or leave them out"
                )
        return self


def schema() -> dict[str, Any]:
    """Return the JSON schema of the chart's values: ours strictly, JupyterHub's chart has its own."""
    own = Values.model_json_schema(by_alias=True)
    hub = Configuration.model_json_schema()
    hub["properties"] = {name: item for name, item in hub["properties"].items() if name not in NOT_HERE}
    definitions = {**own.pop("$defs"), **hub.pop("$defs")}
    own["properties"]["hub"] = {**hub, "description": own["properties"]["hub"]["description"]}
    used = _referred({"own": own}, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {name: item for name, item in sorted(definitions.items()) if name in used},
        "type": "object",
        "additionalProperties": False,
        "required": ["global"],
        "properties": {
            "global": {"type": "object", "required": ["probav"], "properties": {"probav": own}},
            "jupyterhub": {"type": "object", "description": "Values of the chart of JupyterHub."},
        },
    }


def _referred(part: Any, definitions: dict[str, Any]) -> set[str]:
    """Return the definitions that a schema uses, and those that these use."""
    if isinstance(part, list):
        return {name for item in part for name in _referred(item, definitions)}
    if not isinstance(part, dict):
        return set()
    found = {name for item in part.values() for name in _referred(item, definitions)}
    if isinstance(part.get("$ref"), str):
        name = part["$ref"].removeprefix("#/$defs/")
        found |= {name} | _referred(definitions[name], definitions)
    return found
