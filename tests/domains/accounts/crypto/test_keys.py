"""Signing keys: what is published, what stays secret, what a wrong secret says."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from overworld.domains.accounts.crypto.keys import KeyRing, SigningKeyLocked, new_ed25519_public_key, new_signing_key
from overworld.domains.accounts.types import KeyState
from overworld.kernel.refusals import Fault


def ring(secret=""):
    unknown: list[str] = []
    return KeyRing(secret=secret, on_unknown=lambda: unknown.append("asked")), unknown


def test_what_is_published_holds_nothing_private(clock, signing_key):
    opened, _ = ring()
    opened.replace([signing_key], now=clock.now())
    [published] = msgspec.to_builtins(opened.jwks)["keys"]
    assert set(published) == {"kty", "n", "e", "kid", "use", "alg"}
    assert (published["kty"], published["use"], published["alg"]) == ("RSA", "sig", "RS256")
    assert published["kid"] == signing_key.kid


def test_a_secret_encrypts_the_private_key_and_no_other_opens_it(clock):
    key = new_signing_key(secret="one", now=clock.now())
    assert key.private_pem is not None
    assert key.private_pem.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    right, _ = ring("one")
    right.replace([key], now=clock.now())
    assert right.signing(clock.now())[0] == key.kid
    for wrong in ("two", ""):
        opened, _ = ring(wrong)
        with pytest.raises(SigningKeyLocked):
            opened.replace([key], now=clock.now())


def test_a_key_kept_before_there_was_a_secret_still_opens(clock, signing_key):
    opened, _ = ring("new")
    opened.replace([signing_key], now=clock.now())
    assert opened.signing(clock.now())[0] == signing_key.kid


def test_a_retiring_key_verifies_until_it_ends(clock, signing_key):
    ends_at = clock.now() + timedelta(seconds=10)
    old = msgspec.structs.replace(signing_key, state=KeyState.RETIRING, private_pem=None, ends_at=ends_at)
    opened, unknown = ring()
    opened.replace([old], now=clock.now())
    assert opened.verifying(old.kid) is not None
    with pytest.raises(Fault):
        opened.signing(clock.now())
    opened.replace([old], now=ends_at)
    assert opened.verifying(old.kid) is None
    assert unknown == ["asked"]


def test_reprs_show_no_private_key(signing_key):
    assert "PRIVATE" not in repr(signing_key)
    assert "PRIVATE" not in repr([signing_key])


def test_every_identity_key_is_new():
    keys = {new_ed25519_public_key() for _ in range(20)}
    assert (len(keys), {len(key) for key in keys}) == (20, {32})
