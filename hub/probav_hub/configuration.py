"""The operator's file `probav-hub.yaml`: what it may say, as models that check it and give its schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from probav_hub.errors import HubError, near

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SIZE = r"^[1-9][0-9]*(\.[0-9]+)?[KMGT]$"
Size = Annotated[str, Field(pattern=_SIZE, examples=["4G"])]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class Model(BaseModel):
    """A part of the file; a name that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(Model):
    """Certificate and key, in files."""

    certificate: Path
    key: Path
    redirect_from: int | None = Field(
        None, ge=1, le=65535, description="Port, such as 80, where plain HTTP is sent on to HTTPS."
    )


class Oidc(Model):
    """An OpenID Connect provider, known by its issuer."""

    issuer: str = Field(description="Its URL; /.well-known/openid-configuration below it tells the rest.")
    client_id: str
    client_secret_file: Path = Field(description="File with the client's secret, for the hub's user only.")
    callback_url: str | None = Field(None, description="This hub's /hub/oauth_callback, as browsers see it.")
    username_claim: str = "preferred_username"
    groups_claim: str | None = Field(None, description="Claim with the names of a user's groups.")
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    login_service: str = Field("your institute", description="The word on the log-in button.")


class Authentication(Model):
    """Who may log in, and how."""

    method: Literal["shared-password", "first-use", "sign-up", "oidc"] = Field(
        "shared-password",
        description="One generated password for all (demos); a password of one's own at the first log-in; "
        "sign-up that an admin approves; or an institute's OpenID Connect provider.",
    )
    password_file: Path | None = Field(
        None, description="The shared password; without it one is generated at each start and printed."
    )
    admin_password_file: Path | None = Field(
        None, description="Where users share a password: that of admins, 32 characters or more."
    )
    admins: tuple[str, ...] = ()
    allowed_users: tuple[str, ...] = Field(
        (), description="Who may log in; nobody else. Required for first-use."
    )
    allowed_groups: tuple[str, ...] = Field((), description="Groups (of OIDC's claim) that may log in.")
    admin_groups: tuple[str, ...] = ()
    oidc: Oidc | None = None

    @model_validator(mode="after")
    def _complete(self) -> Authentication:
        if (self.method == "oidc") != (self.oidc is not None):
            raise ValueError("method: oidc and the part oidc go together")
        if self.method == "first-use" and not self.allowed_users:
            raise ValueError(
                "first-use lets whoever comes first choose a user's password: name the users in allowed_users"
            )
        if self.method == "oidc" and not (self.allowed_users or self.allowed_groups or self.admins):
            raise ValueError(
                "nobody could log in: name allowed_users or allowed_groups (everybody whom the provider "
                'knows is allowed_users: ["*"])'
            )
        return self


class Profile(Model):
    """A size of server that a user can choose; the same table whatever starts the servers."""

    name: Name
    title: str = Field(description="What the user reads.")
    description: str = ""
    cpu: float = Field(1, gt=0, le=1024, description="Cores at most.")
    memory: Size = "2G"
    disk: Size | None = Field(None, description="Of the home, at most.")
    processes: int = Field(512, ge=64, description="Processes and threads at most.")
    image: str | None = Field(None, description="Of its container, where it is not the one for all.")
    spark_executors: int = Field(0, ge=0, description="0: Spark is local to the server.")
    executor_cores: int = Field(1, ge=1)
    executor_memory: Size = "2G"
    groups: tuple[str, ...] = Field((), description="Who may choose it; everybody if none is named.")
    hours: float | None = Field(None, gt=0, description="After so long the server is stopped.")


DEFAULT_PROFILES = (Profile(name="default", title="Notebook", cpu=2, memory="4G"),)


class Docker(Model):
    """The engine of containers, docker or podman, that `spawner: docker` runs servers with."""

    image: str = Field("localhost/probav-user:latest", description="Of servers; a profile may name another.")
    socket: str | None = Field(
        None, description="The engine's, as unix:///run/docker.sock; else $DOCKER_HOST, docker's or podman's."
    )
    network: Name = Field("probav", description="Of users' containers; made where there is none.")
    name: Name = Field("probav", description="Begins names of containers and volumes; another for each hub.")
    pull: Literal["never", "missing", "always"] = Field("missing", description="When to ask for the image.")
    homes: Path | None = Field(None, description="Folder of homes; without it each is a volume.")
    hub_host: str | None = Field(
        None, description="The hub's own name on the network, where it runs in a container itself."
    )


class Culling(Model):
    """Servers that nobody uses are stopped; a running cell or Spark job is use."""

    minutes: int = Field(60, ge=1, description="Without any activity.")
    every_minutes: int = Field(5, ge=1)


class Accounting(Model):
    """What servers and queries use is measured, and held to the budgets."""

    every_seconds: int = Field(60, ge=1, le=3600, description="Between two looks at the running servers.")
    warn_minutes: float = Field(15, ge=0, description="Before a budget is spent, its users are warned.")
    grace_minutes: float = Field(5, ge=0, description="A server stops no sooner after its user was warned.")
    metrics_token_file: Path | None = Field(
        None, description="File with the token (32 characters or more) that Prometheus shows to read metrics."
    )


class Budget(Model):
    """What users may use in the last so many days."""

    name: Name
    groups: tuple[str, ...] = Field((), description="Whose members it is for.")
    users: tuple[str, ...] = Field((), description="Whom it is for; everybody if no group or user is named.")
    shared: bool = Field(False, description="One for all of them together; else each has it alone.")
    days: float = Field(30, gt=0, le=366, description="Looking back from now.")
    core_hours: float | None = Field(None, gt=0, description="Cores of running servers, times hours.")
    memory_hours: float | None = Field(None, gt=0, description="GiB of running servers, times hours.")
    executor_hours: float | None = Field(None, gt=0, description="Spark executors of servers, times hours.")
    bytes_read: Size | None = Field(None, description="Stored bytes that queries read from archives.")

    @model_validator(mode="after")
    def _limits(self) -> Budget:
        if all(limit is None for limit in (self.core_hours, self.memory_hours, self.executor_hours)):
            if self.bytes_read is None:
                raise ValueError(
                    "it limits nothing: give core_hours, memory_hours, executor_hours or bytes_read"
                )
        return self


class Mail(Model):
    """A mail server that sends what users ask for."""

    host: str
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="none: on this machine.")
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", examples=["hub@example.org"])
    user: str | None = Field(None, description="Who logs in to the mail server.")
    password_file: Path | None = Field(None, description="File with that user's password.")
    address: str = Field(
        "{username}", pattern=r"^[^\s]*\{username\}[^\s]*$", examples=["{username}@example.org"],
        description="A user's address; those that are none without @ get no mail.",
    )  # fmt: skip


class Schedules(Model):
    """Notebooks run on a schedule, in servers of their own."""

    at_once: int = Field(2, ge=1, le=1000, description="Runs at the same time; others wait.")
    per_user: int = Field(20, ge=1, le=1000, description="Schedules of a user at most.")
    least_minutes: int = Field(15, ge=1, le=1440, description="Between two moments of a schedule.")
    longest_minutes: int = Field(120, ge=1, le=10080, description="That a run may take.")
    history: int = Field(50, ge=1, le=10000, description="Ended runs of a schedule that are kept.")
    catch_up_hours: float = Field(
        24, ge=0, le=744, description="A moment missed not longer ago is caught up with once; 0: never."
    )
    pause_after: int = Field(10, ge=0, description="Runs that fail one after the other; 0: go on.")
    output_megabytes: float = Field(20, gt=0, le=1000, description="Outputs of an executed notebook.")
    timezone: str = Field("UTC", description="Of new schedules, if their user names none.")
    mail: Mail | None = None


class Configuration(Model):
    """One hub: all of `probav-hub.yaml`."""

    address: str = Field("127.0.0.1", description="Where it listens; others than loopback need tls.")
    port: int = Field(8000, ge=1, le=65535)
    base_url: str = Field("/", pattern=r"^/([A-Za-z0-9._~-]+/)*$")
    tls: Tls | None = None
    tls_elsewhere: bool = Field(False, description="A proxy of yours in front of the hub speaks TLS.")
    state: Path | None = Field(None, description="Database, secrets, log, homes; default: data folder.")
    archive: str | None = Field(None, description="Path or URL; the demo archive where none is named.")
    notebooks: Path | None = Field(None, description="Sample notebooks for the homes.")
    published: Path | None = Field(None, description="Folder that every user can read and none write.")
    shared: Path | None = Field(None, description="Folder with a folder for each group, its members' own.")
    authentication: Authentication = Authentication()
    spawner: Literal["simple", "sandbox", "docker", "kubernetes"] = Field(
        "simple",
        description="simple: processes of the hub's own user, for one's own machine. sandbox: processes of "
        "users that see their home only, within limits. docker: a container each. "
        "kubernetes: pods; the chart in helm/ says so itself.",
    )
    docker: Docker = Docker()
    profiles: tuple[Profile, ...] = Field(DEFAULT_PROFILES, min_length=1)
    spark: dict[str, Any] = Field({}, description="Settings of spark.toml, for all servers.")
    culling: Culling | None = Culling()
    keep_servers: bool = Field(False, description="Users' servers outlive the hub; the next finds them.")
    accounting: Accounting | None = Field(Accounting(), description="null: nothing is measured.")
    budgets: tuple[Budget, ...] = ()
    schedules: Schedules | None = Field(None, description="`{}`: users may schedule notebooks.")
    servers_per_user: int = Field(1, ge=1, le=20, description="Above 1: named servers.")
    jupyterhub: dict[str, dict[str, Any]] = Field(
        {}, description="Any of JupyterHub's own settings, class by class; they have the last word."
    )

    @field_validator("profiles")
    @classmethod
    def _unlike(cls, profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
        names = [profile.name for profile in profiles]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"several profiles are called {', '.join(twice)}")
        return profiles

    @model_validator(mode="after")
    def _budgets(self) -> Configuration:
        names = [budget.name for budget in self.budgets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"several budgets are called {', '.join(twice)}")
        if names and self.accounting is None:
            raise ValueError("budgets need accounting: leave `accounting: null` out")
        return self

    @property
    def is_open(self) -> bool:
        """Whether others than this machine's users reach it."""
        return self.address not in LOOPBACK


def load(file: Path) -> Configuration:
    """Read a configuration file.

    Raises
    ------
    HubError
        With all that is wrong in it, a line each.
    """
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise HubError(f"{file} can't be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise HubError(f"{file} is no YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(given, dict | None):
        raise HubError(f"{file} holds a {type(given).__name__}; expected `name: value` lines.")
    try:
        return _relative_to(Configuration.model_validate(given or {}), file.resolve().parent)
    except ValidationError as error:
        # a list that lacks its faulty items is not too short
        errors = [found for found in error.errors() if found["type"] != "too_short" or not found["input"]]
        lines = [_line(found) for found in errors]
        raise HubError(f"{file} is not right:\n  " + "\n  ".join(lines)) from None


def schema() -> dict[str, Any]:
    """Return the JSON schema of the file."""
    return Configuration.model_json_schema()


def _relative_to(found: Configuration, folder: Path) -> Configuration:
    """Make relative paths those below the file's folder."""

    def absolute(model: Any) -> Any:
        changes: dict[str, Any] = {}
        for name in type(model).model_fields:
            value = getattr(model, name)
            if isinstance(value, Path):
                changes[name] = folder / value.expanduser()
            elif isinstance(value, BaseModel):
                changes[name] = absolute(value)
        return model.model_copy(update=changes)

    made: Configuration = absolute(found)
    if made.archive and "://" not in made.archive:
        made = made.model_copy(update={"archive": str(folder / Path(made.archive).expanduser())})
    return made


def _line(found: Any) -> str:
    """Return one of pydantic's errors as a sentence: where, what was found, what was expected."""
    where = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        model: Any = Configuration
        for part in found["loc"][:-1]:
            model = _inner(model, part)
        names = list(model.model_fields) if model is not None else []
        return f"{where}: there is no such setting.{near(str(found['loc'][-1]), names)}"
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "missing":
        return f"{where}: is missing."
    if found["type"] == "value_error":
        return f"{where or 'the file'}: {message}."
    if found["type"] == "string_pattern_mismatch" and found["ctx"]["pattern"] == _SIZE:
        message = "expected a number with K, M, G or T, as in 4G"
    return f"{where}: found {found['input']!r}; {message[0].lower()}{message[1:]}."


def _inner(model: Any, part: Any) -> Any:
    """Return the model of a part of a model, None where it has none."""
    if model is None or isinstance(part, int) or part not in getattr(model, "model_fields", {}):
        return model if isinstance(part, int) else None
    for kind in _kinds(model.model_fields[part].annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _kinds(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(found for each in inner for found in _kinds(each))]
