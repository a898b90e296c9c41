"""What the operators of a game give players, beside what players earn."""

from __future__ import annotations

from functools import partial

from overworld.domains.gameplay.carry.errors import BadGrant, NoSuchPlayer
from overworld.domains.gameplay.carry.messages import GrantBody, GrantItems, GrantReply
from overworld.domains.gameplay.carry.types import Reward
from overworld.domains.gameplay.ports import Directory
from overworld.domains.gameplay.rewards import Grant, Rewards
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Answer
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox
from overworld.kernel.refusals import Busy, Refusal
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import Keyed, KeyTaken, keyed, recall, remember

_RUNS_MAX = 4


class Granting:
    """Gives one player at a time what the staff says: items, tools, badges. Value it does not make."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        audit: AuditTrail,
        directory: Directory,
        rewards: Rewards,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._audit = audit
        self._directory = directory
        self._rewards = rewards

    async def grant(self, command: GrantItems) -> Answer[GrantReply]:
        """Gives all of it, or nothing; or the answer of an earlier try under the same key.

        Raises: KeyReused; BadGrant, NoSuchPlayer, SoldOut, StackFull; Busy.
        """
        use = keyed(command.granted_by, command.key, operation="gameplay.grant", body=command.body)
        self._check(command.body)
        [player_id] = await self._directory.found([command.body.to])
        if player_id is None:
            raise NoSuchPlayer
        grant = Grant(player_id=player_id, reward=_reward(command.body), reference=self._ids(), reason="staff")
        for _ in range(_RUNS_MAX):
            try:
                answer = await run_again(partial(self._grant_once, grant, use, command.staff))
            except KeyTaken:
                continue
            if isinstance(answer, Refusal):
                raise answer
            return answer
        raise Busy("others grant under the same key")

    async def _grant_once(self, grant: Grant, use: Keyed, staff: Staff) -> Answer[GrantReply] | Refusal:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            [earlier] = await recall(tx, [use], answer=GrantReply)
            if earlier is not None:
                return earlier if isinstance(earlier, Refusal) else Answer(earlier, replayed=True)
            given = await self._rewards.grant(tx, [grant], at=at)
            [outcome] = given.outcomes
            reply = outcome if isinstance(outcome, Refusal) else GrantReply(player_id=grant.player_id, obtained=outcome)
            if isinstance(reply, GrantReply):
                await self._audit.record(tx, [staff.did("gameplay.grant", grant.player_id, after=reply)])
            await remember(tx, [(use, reply)], at=at)
            await self._outbox.append(tx, given.events, at=at)
        return reply if isinstance(reply, Refusal) else Answer(reply)

    def _check(self, body: GrantBody) -> None:
        kit = self._rewards.kit
        if not (body.items or body.tools or body.badges):
            raise BadGrant("There is nothing to give.", field="items")
        for field, named, known in (
            ("items", body.items, kit.items),
            ("tools", body.tools, kit.tools),
            ("badges", body.badges, kit.badges),
        ):
            for name in named:
                if name not in known:
                    raise BadGrant("The game has no such thing.", field=field)


def _reward(body: GrantBody) -> Reward:
    return Reward(items=body.items, tools=body.tools, badges=body.badges)
