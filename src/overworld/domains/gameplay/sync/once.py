"""Acts whose answers nobody keeps, done once all the same."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from overworld.domains.gameplay.messages import AsOf
from overworld.domains.gameplay.sync.messages import OfflineAction
from overworld.domains.gameplay.sync.ports import Act
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Answer, Principal
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database
from overworld.platform.postgres.idempotency import Keyed, KeyTaken, keyed, recall, remember


class Once:
    """Keeps what an act answers, a refusal included, under its `request_id`, after it was done.

    For acts that do no harm when a server dies in between and they are done again. Two round trips more.
    """

    def __init__(self, act: Act, *, answer: type[Struct], database: Database, clock: Clock) -> None:
        self._act = act
        self._answer = answer
        self._database = database
        self._clock = clock

    async def __call__(self, principal: Principal, action: OfflineAction, as_of: AsOf) -> Answer[Any]:
        """The act's answer, or that of the first time. Raises: its refusals."""
        use = keyed(principal.account_id, f"acted\n{action.request_id}", operation=action.action, body=action.target)
        outcome = await self._known(use) or await self._done(use, principal, action, as_of)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    async def _known(self, use: Keyed) -> Answer[Any] | Refusal | None:
        async with self._database.read() as tx:
            [kept] = await recall(tx, [use], answer=self._answer)
        return kept if kept is None or isinstance(kept, Refusal) else Answer(kept, replayed=True)

    async def _done(
        self, use: Keyed, principal: Principal, action: OfflineAction, as_of: AsOf
    ) -> Answer[Any] | Refusal:
        outcome: Answer[Any] | Refusal
        try:
            outcome = await self._act(principal, action, as_of)
        except Refusal as refusal:
            outcome = refusal
        try:
            async with self._database.transaction() as tx:
                told = outcome if isinstance(outcome, Refusal) else outcome.value
                await remember(tx, [(use, told)], at=self._clock.now())
        except KeyTaken:
            return await self._known(use) or outcome
        return outcome
