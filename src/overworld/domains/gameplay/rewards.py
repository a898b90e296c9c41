"""What players are given: tokens, experience, items, tools and badges, in the transaction of whoever gives it.

`Reward` is how a reward is written in game.toml (put it into the Structs of your section, and let
`app.carry_checks.check_reward` check it). To give some, inside a transaction of your own:

    given = await rewards.grant(tx, [Grant(player_id=..., reward=..., reference=assignment_id, reason="quest")], at=at)
    ...write rows of your own for those whose outcome is no Refusal...
    rewards.require_posted(await ledger.post(tx, [*given.transfers, *mine], at=at))
    await outbox.append(tx, [*mine_told, *given.events], at=at)

`grant` locks the players (in id order; take that lock first yourself if you read players before), then the supplies it
needs, then the accounts; everything but the transfers and the events is written when it returns. The ledger is to be
called once, and last, so `given.transfers` go with the caller's own. Who charges players in the same transaction locks
all accounts at once: `Purse(await ledger.locked(tx, [*rewards.accounts(grants), *own]))`, after the players are locked,
and gives that purse to `grant`.

`reference` names what is given for, once for a player: the ids of its transfers follow from both, so what is given
twice under one reference is refused by the ledger and the transaction ends. The experience of players is written by
`grant`: do not write a player back that was read before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.carry import store
from overworld.domains.gameplay.carry.errors import BadGrant
from overworld.domains.gameplay.carry.messages import Obtained
from overworld.domains.gameplay.carry.pack import Pack, sides_of
from overworld.domains.gameplay.carry.types import Kit, Prize, Reward
from overworld.domains.gameplay.purse import Purse
from overworld.domains.gameplay.types import WHOLE_BP
from overworld.kernel.events import Event
from overworld.kernel.ids import IdSource
from overworld.kernel.money import AccountRef, Transfer, TransferResult, TransferStatus
from overworld.kernel.ports import Ledger, Tx
from overworld.kernel.refusals import Refusal

__all__ = ["Given", "Grant", "Reward", "Rewards", "require_posted"]


class Grant(Struct, frozen=True, kw_only=True):
    """A reward for a player. `reference` names what it is for; `reason` says so in a word, for the events.

    Of its tokens `share_bp` parts of 10,000 are given.
    """

    player_id: UUID
    reward: Reward
    reference: UUID
    reason: str
    share_bp: int = WHOLE_BP


class Given(Struct, frozen=True, kw_only=True):
    """What became of grants: an outcome for each, (n,), and what the caller has still to post and to tell."""

    outcomes: list[Obtained | Refusal]
    transfers: list[Transfer]
    events: list[Event]


class Rewards:
    """Gives players what they have earned."""

    def __init__(self, *, kit: Kit, ledger: Ledger, ids: IdSource) -> None:
        self.kit = kit
        self._ledger = ledger
        self._ids = ids

    def accounts(self, grants: Iterable[Grant]) -> list[AccountRef]:
        """Every account that grants may post to."""
        prizes = [(grant.player_id, _prize(grant.reward, self.kit)) for grant in grants]
        return accounts_of((player_id, prize) for player_id, prize in prizes if isinstance(prize, Prize))

    async def grant(self, tx: Tx, grants: Sequence[Grant], *, at: datetime, purse: Purse | None = None) -> Given:
        """Gives each player all of their reward or, refusing it, nothing; in the order given.

        Refusals of one: BadGrant, where the game has something of it no more; SoldOut, StackFull, WalletFrozen,
        WalletFull. Badges that a player has are passed over. At most ten round trips, however many there are.
        """
        kit = self.kit
        prizes = [(grant.player_id, _prize(grant.reward, kit)) for grant in grants]
        known = [(player_id, prize) for player_id, prize in prizes if isinstance(prize, Prize)]
        bearers = await store.lock_bearers(tx, {grant.player_id for grant in grants})
        loaded = await store.load(tx, wanted_for(known, kit), bearers)
        if purse is None:
            accounts = accounts_of(known)
            purse = Purse(await self._ledger.locked(tx, accounts) if accounts else {})
        pack = Pack(kit, loaded, purse=purse, ids=self._ids, at=at)
        outcomes = [
            pack.give(player_id, prize, reference=grant.reference, reason=grant.reason, share_bp=grant.share_bp)
            if isinstance(prize, Prize)
            else prize
            for grant, (player_id, prize) in zip(grants, prizes, strict=True)
        ]
        await store.save(tx, pack)
        return Given(outcomes=outcomes, transfers=pack.transfers, events=pack.events)


def _prize(reward: Reward, kit: Kit) -> Prize | Refusal:
    """A reward worked out. It may be of a definition before this one."""
    try:
        return kit.prize(reward)
    except KeyError as error:
        return BadGrant(f"The game has no {error.args[0]} any more.")
    except ValueError as error:
        return BadGrant(str(error))


def accounts_of(prizes: Iterable[tuple[UUID, Prize]]) -> list[AccountRef]:
    """The accounts that prizes of players are paid from and into, each once."""
    sides = (side for player_id, prize in prizes for code, _ in prize.tokens for side in sides_of(player_id, code))
    return list(dict.fromkeys(sides))


def wanted_for(prizes: Sequence[tuple[UUID, Prize]], kit: Kit) -> store.Wanted:
    """What giving prizes to players may touch."""
    given = [(player_id, kit.items[name]) for player_id, prize in prizes for name, _ in prize.items]
    return store.Wanted(
        player_ids={player_id for player_id, _ in prizes},
        stacks={(player_id, kind.type) for player_id, kind in given if not kind.unique},
        badges={name for _, prize in prizes for name in prize.badges},
        supplies={kind.type for _, kind in given if kind.supply is not None},
    )


def require_posted(results: Sequence[TransferResult]) -> None:
    """Raises: RuntimeError when the ledger did not make all that a purse has judged; nothing may then stay."""
    strange = {result.status.name for result in results} - {TransferStatus.CREATED.name}
    if strange:
        raise RuntimeError(f"the ledger answered {sorted(strange)} to what was judged under lock")
