"""Players who send each other what they collected, whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from random import Random
from time import monotonic
from uuid import UUID, uuid4

from msgspec import Struct

from overworld.app.link import Link
from overworld.client import Refused, Unreachable

_CURRENCY = "coin"
_AMOUNTS = ("1", "2", "5")
_AGAIN_S = 0.05
_REST_S = 0.02
_UNAVAILABLE = 500


class Sent(Struct, frozen=True):
    """The answer to a gift."""

    id: UUID
    to: UUID
    currency: str
    amount: str
    balance: str
    at: datetime


class Given(Struct, frozen=True):
    """A gift that was acknowledged."""

    from_id: UUID
    sent: Sent


class Gifts:
    """Sends gifts between players until `stopping`, each again under its key until it is answered."""

    def __init__(self, random: Random, *, patience_s: float) -> None:
        self.stopping = False
        self.given: list[Given] = []
        self.refused: Counter[str] = Counter()
        self.sent_again = 0
        self.faults: list[str] = []
        self._random = random
        self._patience_s = patience_s

    async def run(self, players: Sequence[Link]) -> None:
        """Any two of the players, who may become more meanwhile, one gift after another. Raises: TimeoutError."""
        while not self.stopping:
            await asyncio.sleep(_REST_S)
            if len(players) > 1:
                payer, payee = self._random.sample(players, 2)
                await self._give(payer, payee)

    async def _give(self, payer: Link, payee: Link) -> None:
        """A gift, and one time in four the same again, which must be answered alike."""
        key, amount = str(uuid4()), self._random.choice(_AMOUNTS)
        body = {"to": payee.api.session.user.id, "currency": _CURRENCY, "amount": amount}
        answer = await self._answer(payer, body, key)
        if isinstance(answer, str):
            self.refused[answer] += 1
        else:
            self.given.append(Given(UUID(payer.api.session.user.id), answer))
        if self._random.random() < 1 / 4:
            again = await self._answer(payer, body, key)
            self.faults += [f"gift {key}: answered {answer}, then {again}"] * (again != answer)

    async def _answer(self, payer: Link, body: Mapping[str, str], key: str) -> Sent | str:
        """What the game answers in the end: the gift, or the code of its refusal."""
        until_s = monotonic() + self._patience_s
        while True:
            try:
                return await payer.api.call("POST", "/v1/tokens/transfer", reply=Sent, body=body, idempotency_key=key)
            except Refused as refused:
                if refused.status < _UNAVAILABLE:
                    return refused.code
            except Unreachable:
                self.sent_again += 1
            if monotonic() > until_s:
                raise TimeoutError(f"gift {key} was not answered in {self._patience_s} s")
            await asyncio.sleep(_AGAIN_S)

    def moved(self, player_id: UUID) -> dict[str, Decimal]:
        """What gifts have brought a player in all, less what was given away, by currency."""
        total: dict[str, Decimal] = {}
        for one in self.given:
            amount = Decimal(one.sent.amount) * ((one.sent.to == player_id) - (one.from_id == player_id))
            total[one.sent.currency] = total.get(one.sent.currency, Decimal(0)) + amount
        return total
