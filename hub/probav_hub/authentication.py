"""Who may log in: the configuration's way of logging in, as JupyterHub's authenticators take it."""

from __future__ import annotations

import os
import secrets
from importlib.resources import files
from pathlib import Path
from typing import Any

import requests

from probav_hub.configuration import Authentication, Oidc
from probav_hub.errors import HubError

USERNAME = r"^[a-z0-9][a-z0-9._@-]{0,63}$"  # a name is a folder's too: no slash, and it begins with no dot
LEAST_LETTERS = 10  # of a password that users choose
_SECONDS = 15


def authentication(c: Any, given: Authentication, state: Path, password: str) -> None:
    """Fill JupyterHub's configuration object `c`.

    Parameters
    ----------
    c
        traitlets' configuration.
    given : Authentication
    state : Path
        Folder of what the hub keeps.
    password : str
        The shared one.

    Raises
    ------
    HubError
        If a secret can't be read, or the provider can't be reached.
    """
    c.Authenticator.username_pattern = USERNAME
    c.Authenticator.admin_users = set(given.admins)
    everybody = given.method in ("shared-password", "sign-up") and not given.allowed_users
    if everybody or "*" in given.allowed_users:
        c.Authenticator.allow_all = True
    else:
        c.Authenticator.allowed_users = {*given.allowed_users, *given.admins}
    {"shared-password": _shared, "first-use": _first_use, "sign-up": _sign_up, "oidc": _oidc}[given.method](
        c, given, state, password
    )


def _shared(c: Any, given: Authentication, state: Path, password: str) -> None:
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = password
    if given.admin_password_file:
        c.SharedPasswordAuthenticator.admin_password = secret(given.admin_password_file)


def _first_use(c: Any, given: Authentication, state: Path, password: str) -> None:
    c.JupyterHub.authenticator_class = "firstuseauthenticator.FirstUseAuthenticator"
    c.FirstUseAuthenticator.create_users = False  # but for those who are named
    c.FirstUseAuthenticator.dbm_path = str(state / "passwords.dbm")
    c.FirstUseAuthenticator.min_password_length = LEAST_LETTERS


def _sign_up(c: Any, given: Authentication, state: Path, password: str) -> None:
    c.JupyterHub.authenticator_class = "probav_hub.sign_up.SignUpAuthenticator"
    c.JupyterHub.template_paths = [str(files("nativeauthenticator") / "templates")]
    c.NativeAuthenticator.open_signup = False  # an admin approves
    c.NativeAuthenticator.enable_signup = True
    c.NativeAuthenticator.minimum_password_length = LEAST_LETTERS
    c.NativeAuthenticator.check_common_password = True
    c.NativeAuthenticator.allowed_failed_logins = 5
    c.NativeAuthenticator.seconds_before_next_try = 600


def _oidc(c: Any, given: Authentication, state: Path, password: str) -> None:
    assert given.oidc is not None
    provider, found = given.oidc, discover(given.oidc)
    c.JupyterHub.authenticator_class = "oauthenticator.generic.GenericOAuthenticator"
    own = c.GenericOAuthenticator
    own.authorize_url = found["authorization_endpoint"]
    own.token_url = found["token_endpoint"]
    own.userdata_url = found["userinfo_endpoint"]
    own.client_id, own.client_secret = provider.client_id, secret(provider.client_secret_file)
    own.scope, own.username_claim = list(provider.scopes), provider.username_claim
    own.login_service = provider.login_service
    own.enable_pkce = True
    if provider.callback_url:
        own.oauth_callback_url = provider.callback_url
    if "end_session_endpoint" in found:
        own.logout_redirect_url = found["end_session_endpoint"]
    if provider.groups_claim:
        own.manage_groups = True
        own.auth_state_groups_key = f"oauth_user.{provider.groups_claim}"
        own.allowed_groups, own.admin_groups = set(given.allowed_groups), set(given.admin_groups)
        # groups are read from what the provider said at the log-in, which the hub keeps encrypted
        c.Authenticator.enable_auth_state = True
        if not c.CryptKeeper.get("keys"):  # the chart of JupyterHub brings its own
            c.CryptKeeper.keys = [bytes.fromhex(kept(state / "crypt_key"))]


def discover(provider: Oidc) -> dict[str, Any]:
    """Return what a provider says of itself.

    Raises
    ------
    HubError
        If it can't be asked, is another one, or lacks what a log-in needs.
    """
    url = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = requests.get(url, timeout=_SECONDS, allow_redirects=False)
        answer.raise_for_status()
        found = dict(answer.json())
    except (requests.RequestException, ValueError) as error:
        raise HubError(f"authentication.oidc.issuer: {url} can't be read: {error}.") from None
    if str(found.get("issuer", "")).rstrip("/") != provider.issuer.rstrip("/"):
        raise HubError(
            f"authentication.oidc.issuer is {provider.issuer}, but the provider there calls itself "
            f"{found.get('issuer')}: name that one, if you trust it."
        )
    names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
    missing = [name for name in names if not found.get(name)]
    if missing:
        raise HubError(f"authentication.oidc: {provider.issuer} names no {', '.join(missing)}.")
    return found


def kept(file: Path) -> str:
    """Return the random secret (32 bytes, hexadecimal) of a private file, made the first time."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return secret(file)
    with open(descriptor, "w", encoding="utf-8") as made:
        made.write(secrets.token_hex(32))
    return secret(file)


def secret(file: Path) -> str:
    """Return the secret that a private file holds.

    Raises
    ------
    HubError
        If it can't be read, others can read it, or it is empty.
    """
    try:
        found, text = file.stat(), file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise HubError(f"The secret in {file} can't be read: {error.strerror}.") from None
    from_root = found.st_uid == 0 and not found.st_mode & 0o037  # as Kubernetes hands out secrets
    if found.st_mode & 0o077 and not from_root:
        raise HubError(f"{file} holds a secret that others can read: run `chmod 600 {file}`.")
    if not text:
        raise HubError(f"{file} is empty; expected a secret on one line.")
    return text
