"""Access tokens: what they say, and every way to forge one."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from hashlib import sha256
from typing import cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey

from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.crypto.keys import KeyRing, new_signing_key
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.crypto.tokens import TokenSigner, Verifier
from overworld.domains.accounts.errors import BadToken, TokenExpired, TokenRevoked
from overworld.domains.accounts.types import Account, AccountsSettings, Revocation, Role
from overworld.kernel.clock import to_us
from overworld.platform.postgres import Database

SETTINGS = AccountsSettings(verified_tokens_max=100)
SESSION = UUID(int=5)


class Bench:
    """A signer and a verifier on one key ring."""

    def __init__(self, clock, ids, signing_key, issued=SETTINGS):
        self.clock = clock
        self.unknown_keys = 0
        self.key = RSAKey.import_key(signing_key.private_pem)
        self.kid = signing_key.kid
        self.ring = KeyRing(secret="", on_unknown=self.note_unknown)
        self.ring.replace([signing_key], now=clock.now())
        self.revocations = Revocations(clock=clock, keep_s=1_860)
        self.signer = TokenSigner(ring=self.ring, clock=clock, ids=ids, settings=issued)
        self.verifier = Verifier(
            ring=self.ring,
            book=KeyBook(database=cast("Database", None), clock=clock),
            revocations=self.revocations,
            clock=clock,
            settings=SETTINGS,
        )

    def note_unknown(self):
        self.unknown_keys += 1

    def token(self, account_id=1, session_id=SESSION):
        account = Account(
            id=UUID(int=account_id),
            username="Ann",
            email=None,
            role=Role.PLAYER,
            did="",
            wallet_address=None,
            settings={},
            security_version=1,
            created_at=self.clock.now(),
        )
        return self.signer.sign(account, session_id)

    def claims(self):
        return json.loads(jws.extract_compact(self.token().encode()).payload)

    def forged(self, claims, *, key=None, **header):
        head = {"alg": "RS256", "kid": self.kid, "typ": "JWT"} | header
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        return jws.serialize_compact(head, payload, key or self.key, algorithms=["RS256"])

    def refuses(self, token, refusal=BadToken):
        with pytest.raises(refusal):
            self.verifier.verify(token)


@pytest.fixture
def bench(clock, ids, signing_key):
    return Bench(clock, ids, signing_key)


def private(key):
    assert key.private_pem is not None
    return RSAKey.import_key(key.private_pem)


def b64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_a_token_says_who_may_do_what_and_until_when(bench, clock):
    claims = bench.claims()
    now_s = to_us(clock.now()) // 1_000_000
    assert set(claims) == {"sub", "role", "scope", "memberships", "sid", "sv", "iat", "exp", "jti", "iss", "aud"}
    assert (claims["sub"], claims["sid"], claims["sv"]) == (str(UUID(int=1)), str(SESSION), 1)
    assert (claims["iat"], claims["exp"] - now_s, claims["memberships"]) == (now_s, 900, [])
    principal = bench.verifier.verify(bench.token())
    assert (principal.account_id, principal.sid, principal.role) == (UUID(int=1), SESSION, "player")
    assert principal.scopes == set(claims["scope"].split())
    assert principal.expires_us == claims["exp"] * 1_000_000


def test_a_token_ends_to_the_microsecond_also_when_it_was_seen_before(bench, clock):
    token = bench.token()
    clock.advance(timedelta(seconds=900, microseconds=-1))
    bench.verifier.verify(token)
    clock.advance(timedelta(microseconds=1))
    bench.refuses(token, TokenExpired)


@pytest.mark.parametrize("is_seen", [True, False])
def test_revocations_concern_tokens_seen_and_unseen(bench, clock, is_seen):
    hers, other = bench.token(), bench.token(session_id=UUID(int=6))
    if is_seen:
        bench.verifier.verify(hers)
    bench.revocations.add(Revocation(account_id=UUID(int=1), session_id=SESSION, version=0, at=clock.now()))
    bench.refuses(hers, TokenRevoked)
    bench.verifier.verify(other)
    bench.revocations.add(Revocation(account_id=UUID(int=1), session_id=None, version=2, at=clock.now()))
    bench.refuses(other, TokenRevoked)


def test_a_key_that_was_withdrawn_takes_its_tokens_along(bench, clock):
    token = bench.token()
    bench.verifier.verify(token)
    bench.ring.replace([new_signing_key(secret="", now=clock.now())], now=clock.now())
    bench.refuses(token, TokenRevoked)


def test_a_token_of_an_unknown_key_asks_for_the_keys(bench, clock):
    stranger = new_signing_key(secret="", now=clock.now())
    key = private(stranger)
    bench.refuses(bench.forged(bench.claims(), key=key, kid=stranger.kid))
    assert bench.unknown_keys == 1


def test_another_keys_signature_under_our_kid_is_refused(bench, clock):
    stranger = private(new_signing_key(secret="", now=clock.now()))
    bench.refuses(bench.forged(bench.claims(), key=stranger))


def test_alg_none_is_refused(bench):
    payload = bench.token().split(".")[1]
    for alg in ("none", "None", "NONE"):
        head = b64(json.dumps({"alg": alg, "kid": bench.kid, "typ": "JWT"}).encode())
        bench.refuses(f"{head}.{payload}.")


def test_our_public_key_as_an_hmac_secret_is_refused(bench):
    """The classic confusion: HS256 with what everybody can read as the shared secret."""
    payload = bench.token().split(".")[1]
    head = b64(json.dumps({"alg": "HS256", "kid": bench.kid, "typ": "JWT"}).encode())
    for secret in (bench.key.as_pem(private=False), bench.key.as_der(private=False)):
        mac = hmac.digest(secret, f"{head}.{payload}".encode(), sha256)
        bench.refuses(f"{head}.{payload}.{b64(mac)}")


@pytest.mark.parametrize(
    "header", [{"crit": ["b64"], "b64": False}, {"jku": "https://x"}, {"jwk": {}}, {"typ": "JOSE"}, {"kid": "x" * 65}]
)
def test_a_header_that_says_more_or_else_is_refused(bench, header):
    head = b64(json.dumps({"alg": "RS256", "kid": bench.kid, "typ": "JWT"} | header).encode())
    _, payload, signature = bench.token().split(".")
    bench.refuses(f"{head}.{payload}.{signature}")


@pytest.mark.parametrize("claim", ["sub", "role", "scope", "sid", "sv", "iat", "exp", "jti", "iss", "aud"])
def test_a_signed_token_without_a_claim_is_refused(bench, claim):
    claims = bench.claims()
    del claims[claim]
    bench.refuses(bench.forged(claims))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", "ann"),
        ("exp", "9999999999"),
        ("exp", None),
        ("exp", 1e99),
        ("iss", "other"),
        ("aud", "other"),
        ("aud", []),
        ("nbf", 9_999_999_999),
        ("nbf", "0"),
    ],
)
def test_a_signed_token_with_a_wrong_claim_is_refused(bench, claim, value):
    bench.refuses(bench.forged(bench.claims() | {claim: value}))


def test_a_payload_that_is_no_object_is_refused(bench):
    for payload in (b"", b"[]", b"null", b"\xff", b"{" * 2000):
        bench.refuses(bench.forged(payload))


def test_a_changed_byte_is_refused(bench):
    token = bench.token()
    for place in range(0, len(token), 29):
        other = "A" if token[place] != "A" else "B"
        bench.refuses(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", "\ud800", "ü.a.b", "x" * 4096, "=.=.=", "e30.e30.e30"]
)
def test_nonsense_is_refused(bench, token):
    bench.refuses(token)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_any_text_is_refused_in_the_same_way(bench, text):
    bench.refuses(text)


def test_only_so_many_tokens_are_remembered_the_least_used_goes_first(bench, monkeypatch):
    first = bench.token(account_id=1000)
    bench.verifier.verify(first)
    for account_id in range(150):
        bench.verifier.verify(bench.token(account_id=account_id))
        bench.verifier.verify(first)
    assert bench.verifier.remembered == 100
    monkeypatch.setattr(jws, "deserialize_compact", None)
    bench.verifier.verify(first)


def test_a_remembered_token_costs_no_signature_check(bench, monkeypatch):
    token = bench.token()
    first = bench.verifier.verify(token)
    monkeypatch.setattr(jws, "deserialize_compact", None)
    assert bench.verifier.verify(token) is first


def test_a_refused_token_is_not_remembered(bench):
    bench.refuses(bench.forged(msgspec.json.encode({"sub": 1})))
    assert bench.verifier.remembered == 0
