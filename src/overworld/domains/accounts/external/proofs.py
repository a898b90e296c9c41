"""The accounts elsewhere that memberships ask for: one account of a provider, one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from overworld.domains.accounts.external import store
from overworld.domains.accounts.external.providers.oauth2 import DISCORD, X
from overworld.domains.accounts.external.types import SignInSettings, preset_of
from overworld.platform.postgres import Database

_ISSUERS: Mapping[str, tuple[str, str]] = {"discord": ("discord", DISCORD.issuer), "twitter": ("x", X.issuer)}
"""By what a game's definition calls a proof: the preset that proves it, and who vouches for it."""


class LinkedProofs:
    """Memberships' `Proofs`: the accounts that their owners have linked here."""

    def __init__(self, *, database: Database, settings: SignInSettings) -> None:
        self._database = database
        presets = {preset_of(name, each) for name, each in settings.providers.items()}
        self._issuers = {way: issuer for way, (preset, issuer) in _ISSUERS.items() if preset in presets}

    def can_prove(self, way: str) -> bool:
        """Whether people can link accounts of that kind here."""
        return way in self._issuers

    async def linked(self, account_ids: Sequence[UUID], way: str) -> Sequence[str | None]:
        """What the provider calls the account of each, (n,); None without one. One round trip."""
        async with self._database.read() as tx:
            subjects = await store.subjects(tx, account_ids, self._issuers[way])
        return [subjects.get(account_id) for account_id in account_ids]
