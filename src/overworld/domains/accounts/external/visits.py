"""Visits to providers and wallets: begun with a secret that only the client holds, and ended once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from hmac import compare_digest
from uuid import UUID

from overworld.domains.accounts.external import rules, store
from overworld.domains.accounts.external.errors import NoSuchProvider, NotProved, RedirectRefused
from overworld.domains.accounts.external.messages import Challenge, Visit
from overworld.domains.accounts.external.ports import Provider
from overworld.domains.accounts.external.types import (
    WALLET,
    WALLET_ISSUER,
    Answer,
    Elsewhere,
    Flow,
    SignInSettings,
)
from overworld.domains.accounts.external.wallet.message import check, parsed
from overworld.domains.accounts.external.wallet.signature import signer
from overworld.domains.accounts.rules import secret_hash
from overworld.kernel.clock import Clock
from overworld.platform.postgres import Database

_SECRET_BYTES = 32
_NONCE_BYTES = 16


class Visits:
    """Begins visits, and gives the account elsewhere that one proved. Each is good for one answer, right or wrong.

    The client hands in the visit's secret with the answer, so that nobody ends a visit that another browser began; the
    account that a visit links for hands it in itself.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        settings: SignInSettings,
        providers: Mapping[str, Provider],
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._providers = providers
        self._random = random

    async def begin(self, name: str, redirect_uri: str | None, *, account_id: UUID | None) -> Visit:
        """A visit to a provider: to sign in, or to link to an account.

        Raises: NoSuchProvider, RedirectRefused, ProviderUnavailable.
        """
        provider = self._provider(name)
        if redirect_uri is None and not provider.takes_id_tokens:
            raise RedirectRefused("This provider gives apps no ID tokens: name the page it sends people back to.")
        if redirect_uri is not None and redirect_uri not in self._settings.redirect_uris:
            raise RedirectRefused
        secret = rules.base64url(self._random(_SECRET_BYTES))
        asked = rules.asked(secret, redirect_uri or "")
        url = None if redirect_uri is None else await provider.url(asked)
        await self._keep(secret, name, redirect_uri=redirect_uri, account_id=account_id)
        return Visit(flow=secret, url=url, state=asked.state, nonce=asked.nonce, expires_in=self._settings.flow_s)

    async def ended(self, name: str, secret: str, answer: Answer, *, account_id: UUID | None) -> Elsewhere:
        """The account elsewhere that a visit proved.

        Raises: NoSuchProvider, BadAnswer, NotProved, ProviderUnavailable.
        """
        provider = self._provider(name)
        rules.check_whole(answer)
        flow = await self._used(secret, name, account_id=account_id)
        if (answer.id_token is None) != (flow.redirect_uri is not None):
            raise NotProved(reason="an answer of another kind than was asked for")
        asked = rules.asked(secret, flow.redirect_uri or "")
        if answer.state is not None and not compare_digest(answer.state.encode(), asked.state.encode()):
            raise NotProved(reason="state")
        subject = await provider.proved(asked, answer)
        return Elsewhere(issuer=provider.issuer, subject=subject, provider=name)

    async def challenge(self, *, account_id: UUID | None) -> Challenge:
        """What a wallet is asked to sign. Raises: NoSuchProvider where no wallet may sign in."""
        self._check_wallets()
        nonce = rules.wallet_nonce(self._random(_NONCE_BYTES))
        await self._keep(nonce, WALLET, redirect_uri=None, account_id=account_id)
        return Challenge(
            nonce=nonce,
            domains=self._settings.wallet_domains,
            chain_ids=self._settings.wallet_chains,
            expires_in=self._settings.flow_s,
        )

    async def signed(self, text: str, signature: str, *, account_id: UUID | None) -> Elsewhere:
        """The wallet that signed a message of ours. Raises: NoSuchProvider, NotProved."""
        self._check_wallets()
        message = parsed(text)
        await self._used(message.nonce, WALLET, account_id=account_id)
        check(
            message,
            domains=self._settings.wallet_domains,
            chains=self._settings.wallet_chains,
            life_s=self._settings.flow_s,
            now=self._clock.now(),
        )
        if signer(text, bytes.fromhex(signature.removeprefix("0x"))) != message.address:
            raise NotProved(reason="message: signed by another")
        return Elsewhere(issuer=WALLET_ISSUER, subject=message.address, provider=WALLET)

    async def forget(self, *, rows_max: int) -> int:
        """Drops visits that ended without an answer, at most `rows_max`; gives how many. One transaction."""
        async with self._database.transaction() as tx:
            return await store.forget_flows(tx, self._clock.now(), rows_max=rows_max)

    def _provider(self, name: str) -> Provider:
        provider = self._providers.get(name)
        if provider is None:
            raise NoSuchProvider
        return provider

    def _check_wallets(self) -> None:
        if not self._settings.wallet_domains:
            raise NoSuchProvider

    async def _keep(self, secret: str, name: str, *, redirect_uri: str | None, account_id: UUID | None) -> None:
        ends_at = self._clock.now() + timedelta(seconds=self._settings.flow_s)
        flow = Flow(provider=name, redirect_uri=redirect_uri, account_id=account_id, ends_at=ends_at)
        async with self._database.transaction() as tx:
            await store.keep_flow(tx, secret_hash(secret), flow)

    async def _used(self, secret: str, name: str, *, account_id: UUID | None) -> Flow:
        """The visit, used up. Raises: NotProved when it is unknown, over, used, or another's."""
        async with self._database.transaction() as tx:
            flow = await store.use_flow(tx, secret_hash(secret))
        if flow is None or self._clock.now() >= flow.ends_at:
            raise NotProved(reason="no such visit any more")
        if flow.provider != name or flow.account_id != account_id:
            raise NotProved(reason="a visit to another provider, or for another account")
        return flow
