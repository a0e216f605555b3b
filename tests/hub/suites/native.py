"""A pytest plugin: NativeAuthenticator's own tests, with our class in its place."""

from __future__ import annotations

from nativeauthenticator.tests import test_authenticator

from probav_hub.sign_up import SignUpAuthenticator

test_authenticator.NativeAuthenticator = SignUpAuthenticator
