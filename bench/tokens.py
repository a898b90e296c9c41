"""What access tokens cost inside this process: making one, verifying a new one, verifying one seen before."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from datetime import timedelta
from os import urandom
from statistics import median
from time import thread_time_ns
from typing import cast
from uuid import UUID

from bench.prove.outcome import percentile
from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.crypto.keys import KeyRing, new_signing_key
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.crypto.tokens import TokenSigner, Verifier
from overworld.domains.accounts.types import Account, AccountsSettings, Role
from overworld.kernel.clock import SystemClock
from overworld.kernel.ids import IdSource
from overworld.platform.postgres import Database

TOKENS = 2_000
_AGAIN = 20
_RATES = ("verify_uncached_per_s", "verify_cached_per_s")


def measure_tokens(rounds: int) -> dict[str, float]:
    """Medians over the rounds, in processor time, so that what others do on the machine is not in them.

    Each token names another account and session, as in a crowd.
    """
    clock, settings = SystemClock(), AccountsSettings()
    ids = IdSource(clock.now_us, urandom)
    ring = KeyRing(secret="", on_unknown=lambda: None)
    ring.replace([new_signing_key(secret="", now=clock.now() - timedelta(minutes=1))], now=clock.now())
    signer = TokenSigner(ring=ring, clock=clock, ids=ids, settings=settings)
    told: dict[str, list[float]] = {name: [] for name in ("mint_p50_ms", "mint_p99_ms", *_RATES)}
    gc.freeze()
    gc.disable()  # as in the server, which collects when it is idle
    for _ in range(rounds):
        tokens, took_ms = _minted(signer, [_account(ids(), clock) for _ in range(TOKENS)], ids)
        told["mint_p50_ms"].append(percentile(took_ms, 0.50))
        told["mint_p99_ms"].append(percentile(took_ms, 0.99))
        verifier = Verifier(
            ring=ring,
            book=KeyBook(database=cast("Database", None), clock=clock),  # none of the tokens is a key
            revocations=Revocations(clock=clock, keep_s=1_860),
            clock=clock,
            settings=settings,
        )
        told["verify_uncached_per_s"].append(_per_s(verifier, tokens))
        told["verify_cached_per_s"].append(_per_s(verifier, tokens * _AGAIN))
    gc.enable()
    gc.unfreeze()
    return {name: round(median(values), 3 if name.endswith("_ms") else 0) for name, values in told.items()}


def _account(id: UUID, clock: SystemClock) -> Account:
    return Account(
        id=id, username="bench", email=None, role=Role.PLAYER, did="", wallet_address=None, settings={},
        security_version=0, created_at=clock.now(),
    )  # fmt: skip


def _minted(signer: TokenSigner, accounts: Sequence[Account], ids: IdSource) -> tuple[list[str], list[float]]:
    """A token for each account, and how long each took in milliseconds, the least first."""
    tokens: list[str] = []
    took_ms: list[float] = []
    for account in accounts:
        session_id, begun_ns = ids(), thread_time_ns()
        tokens.append(signer.sign(account, session_id))
        took_ms.append((thread_time_ns() - begun_ns) / 1e6)
    return tokens, sorted(took_ms)


def _per_s(verifier: Verifier, tokens: Sequence[str]) -> float:
    begun_ns = thread_time_ns()
    for token in tokens:
        verifier.verify(token)
    return len(tokens) * 1e9 / (thread_time_ns() - begun_ns)
