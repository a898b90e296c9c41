"""Sends the mails that are due, and makes the tokens in them."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

from overworld.domains.accounts import rules as account_rules
from overworld.domains.accounts.mail import rules, store
from overworld.domains.accounts.mail.letters import Letters
from overworld.domains.accounts.mail.types import Addressee, Kind, NewToken, Purpose, Waiting
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.clock import Clock
from overworld.kernel.mail import Carried, Mail, MailCarrier
from overworld.platform.postgres import Database

COUNT_MAX = 16
_LOOK_EVERY_S = 1.0
_LEASE = timedelta(minutes=5)
_TOKEN_BYTES = 32

_log = logging.getLogger(__name__)


class Sender:
    """Takes mails from the queue and hands them to the carrier. Any number of servers may run one.

    A token is made when its mail is sent, and only its hash is kept: none ever lies in the database. A crash between
    the carrier's answer and the commit that keeps it sends the mail again, under the same id, when the lease is over.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        carrier: MailCarrier,
        letters: Letters,
        settings: AccountsSettings,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._clock = clock
        self._carrier = carrier
        self._letters = letters
        self._life_s = {
            Purpose.CONFIRM_EMAIL: settings.confirm_token_s,
            Purpose.RESET_PASSWORD: settings.reset_token_s,
        }
        self._random = random
        self.sent = 0
        self.failed = 0
        self.given_up = 0
        self.behind_s = 0.0

    async def run(self) -> NoReturn:
        """Sends for ever; a loop. Raises: Fault when the database does not answer."""
        wake = asyncio.Event()
        async with self._database.listen(store.CHANNEL, lambda _notice: wake.set()):
            while True:
                wake.clear()
                while await _whole(self.turn()) == COUNT_MAX:
                    pass
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await wake.wait()

    async def turn(self) -> int:
        """Sends what is due, at most `COUNT_MAX`; how many were. One small query when there is nothing."""
        now = self._clock.now()
        async with self._database.read() as tx:
            oldest_at = await store.oldest_due(tx)
            self.behind_s = max(0.0, (now - oldest_at).total_seconds()) if oldest_at else 0.0
            if oldest_at is None or oldest_at > now:
                return 0
            taken = await store.take(tx, at=now, leased_until=now + _LEASE, count_max=COUNT_MAX)
            owners = await store.owners(tx, [one.email for one in taken])
        to_send: list[tuple[Waiting, Addressee]] = []
        for mail, owner in zip(taken, owners, strict=True):
            if to := rules.addressee(mail, owner):
                to_send.append((mail, to))
        letters = await self._written(to_send)
        carried = await self._carrier.carry([letter for _, letter in letters]) if letters else []
        await self._keep(taken, {mail.id: one for (mail, _), one in zip(letters, carried, strict=True)})
        return len(taken)

    async def _written(self, to_send: Sequence[tuple[Waiting, Addressee]]) -> list[tuple[Waiting, Mail]]:
        """The mails, with new tokens that are kept already; those taken back meanwhile are left out."""
        tokens: dict[bytes, str] = {}
        new: dict[Any, NewToken] = {}
        for mail, to in to_send:
            purpose = rules.purpose_of(mail.kind)
            if purpose is not None and to.account_id is not None:
                token = base64.urlsafe_b64encode(self._random(_TOKEN_BYTES)).rstrip(b"=").decode()
                made = NewToken(
                    mail_id=mail.id,
                    hash=account_rules.secret_hash(token),
                    purpose=purpose,
                    account_id=to.account_id,
                    email=to.email,
                    ends_at=self._clock.now() + timedelta(seconds=self._life_s[purpose]),
                )
                tokens[made.hash], new[mail.id] = token, made
        kept: set[bytes] = set()
        if new:
            async with self._database.transaction() as tx:
                kept = await store.add_tokens(tx, list(new.values()))
        written = []
        for mail, to in to_send:
            own = new.get(mail.id)
            if own is None:
                written.append((mail, self._letters.write(mail, to)))
            elif own.hash in kept:
                life_s = self._life_s[own.purpose]
                written.append((mail, self._letters.write(mail, to, token=tokens[own.hash], life_s=life_s)))
        return written

    async def _keep(self, taken: Sequence[Waiting], carried: dict[Any, Carried]) -> None:
        """Keeps what came of mails; those that nobody was to get are done with."""
        later, done, at = {}, [], self._clock.now()
        for mail in taken:
            what = carried.get(mail.id)
            next_at = rules.next_try(mail, at=at) if what is not None and what.again else None
            if next_at is None:
                done.append(mail.id)
            else:
                later[mail.id] = next_at
            if what is not None:
                self._count(mail, what, is_last=next_at is None)
        async with self._database.transaction() as tx:
            await store.remove(tx, done)
            if later:
                await store.postpone(tx, list(later), list(later.values()))

    def _count(self, mail: Waiting, carried: Carried, *, is_last: bool) -> None:
        if carried.taken:
            self.sent += 1
            return
        self.failed += 1
        self.given_up += is_last
        what = "is given up" if is_last else "is tried again"
        _log.warning("mail %s (%s) %s: %s", mail.id, Kind(mail.kind).value, what, carried.error)


async def _whole(turn: Coroutine[Any, Any, int]) -> int:
    """A turn that is not cut off: what it took would be nobody's until its lease is over."""
    task = asyncio.ensure_future(turn)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
