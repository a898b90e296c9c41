"""One round trip and the exact way: the same claims get the same answers and leave the same books and events."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from overworld.domains.gameplay.held.types import Order
from overworld.domains.gameplay.messages import ClaimCollectible
from overworld.domains.gameplay.types import EXPERIENCE_MAX, Spawn
from overworld.geo import cells
from overworld.kernel.money import AMOUNT_MINOR_MAX, AccountCode, AccountRef
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import Gate
from tests.domains.gameplay.field import HOME, SCHEMAS, code_of
from tests.domains.gameplay.twins import Exactly, Recording, Twin

CENTRE = cells.centre_deg(HOME)
_AT_ONCE = (
    *("ok", "ok*", "not_found", "stale_position", "low_trust", "too_far", "cap_reached", "already_collected"),
    *("key_reused", "too_far*", "already_collected*"),
)
_ELSE = ("ok", "ok*", "cooling_down", "out_of_stock", "wallet_full", "expired", "key_reused", "already_collected*")
_EVERY_CODE = {
    *_ELSE,
    *(f"{code} at once" for code in _AT_ONCE),
    "reduced at once",
    "reduced* at once",
    "held",
    "held*",
}


class Play:
    """One seed's players, collectibles and batches on both fields.

    With an even seed it is calm: many players, rich budgets, nothing that cannot be decided in one round trip but a
    player who crosses the cap.
    """

    def __init__(self, twins: tuple[Twin, Twin], seed: int) -> None:
        self.twins = twins
        self.clock = twins[0].field.clock
        self.chance = random.Random(seed)
        self.gating = random.Random(f"gates {seed}")
        self.is_calm = seed % 2 == 0
        self.players = [UUID(int=self.chance.getrandbits(128)) for _ in range(40 if self.is_calm else 6)]
        self.campaigns = [UUID(int=self.chance.getrandbits(128)) for _ in range(2)]
        self.spawns: list[Spawn] = []
        self.seed = seed
        self.asked: list[ClaimCollectible] = []

    async def set_up(self) -> None:
        chance = self.chance
        for twin in self.twins:
            for account, amount_minor in self._wealth(random.Random(self.seed)):
                await twin.fund(account, amount_minor)
        for number in range(10):
            name = chance.choice(["token", "gift"] if self.is_calm else ["token", "gift", "rare", "rare"])
            payer_id = chance.choice([None, *self.campaigns])
            experience = chance.choice([0, 5, 60, 400] if number or self.is_calm else [EXPERIENCE_MAX])
            both = [
                await twin.place(self.seed * 100 + number, name, payer_id=payer_id, experience=experience)
                for twin in self.twins
            ]
            assert both[0] == both[1]
            self.spawns.append(both[0])
        self.lying = [] if self.is_calm else self.spawns[10:13]
        twin = self.twins[0]
        self.spawns += twin.spawns.in_cells([HOME], window=twin.spawns.window_at(self.clock.now_us()))
        self._stand()

    def _wealth(self, chance: random.Random):
        rich = 1_000 if self.is_calm else 0
        for campaign in self.campaigns:
            yield AccountRef(campaign, "coin", AccountCode.BUDGET), rich + chance.choice([7, 15, 40])
            yield AccountRef(campaign, "gem", AccountCode.BUDGET), rich + chance.choice([35, 80])
        if not self.is_calm:
            yield AccountRef(self.players[4], "coin"), AMOUNT_MINOR_MAX - chance.choice([5, 30])

    def _stand(self) -> None:
        """All stand where everything lies, but each sixth: nowhere, far off, or not trusted; a third at some gate."""
        for i, player in enumerate(self.players):
            trouble = self.chance.choice(["nowhere", "far", "shady"]) if i % 6 == 5 else ""
            gates = [Gate.REDUCED] if self.is_calm else [*Gate]
            gate = self.gating.choice(gates) if i % 3 == 0 else Gate.NORMAL
            for twin in self.twins:
                at_us = self.clock.now_us()
                twin.field.fixes.at[player] = (CENTRE[0] + 0.5 * (trouble == "far"), CENTRE[1], at_us)
                twin.field.trust.of[player] = 0.1 if trouble == "shady" else 1.0
                twin.field.trust.gates[player] = gate
                if trouble == "nowhere":
                    del twin.field.fixes.at[player]

    async def something_happens(self) -> None:
        match self.chance.randrange(8):
            case 0 if not self.is_calm:
                owner, frozen = self.chance.choice([*self.players, *self.campaigns]), self.chance.random() < 0.4
                for twin in self.twins:
                    await twin.field.ledger.freeze(owner, frozen=frozen)
            case 1 if self.lying:
                gone = self.lying.pop()
                for twin in self.twins:
                    await twin.withdraw(gone)
            case 2:
                campaign = self.chance.choice(self.campaigns)
                for twin in self.twins:
                    await twin.fund(AccountRef(campaign, "coin", AccountCode.BUDGET), 10)
            case 3:
                self.clock.advance(timedelta(minutes=7))
                self._stand()
            case _:
                self._stand()
        if self.gating.random() < 0.3:
            player, release = self.gating.choice(self.players), self.gating.random() < 0.5
            for twin in self.twins:
                order = Order(player_id=player, release=release, held_by=self.clock.now())
                await twin.field.held().carry_out([order])

    def batch(self) -> list[ClaimCollectible]:
        """Where it is calm, mostly one claim a player, so that nobody crosses the cap in the middle."""
        size = self.chance.choice([1, 3, 8, 20, 30 if self.is_calm else 60])
        each_once = self.is_calm and self.chance.random() < 0.85
        claimants = self.chance.sample(self.players, size) if each_once else self.chance.choices(self.players, k=size)
        batch = [self._claim(player) for player in claimants]
        self.asked += batch
        return batch

    def _claim(self, player: UUID) -> ClaimCollectible:
        chance = self.chance
        earlier = [claim for claim in self.asked if claim.player_id == player]
        if earlier and chance.random() < 0.2:
            again = chance.choice(earlier)
            if chance.random() < 0.3:
                return msgspec.structs.replace(again, collectible_id=chance.choice(self.spawns).id)
            return again
        return ClaimCollectible(
            player_id=player,
            collectible_id=chance.choice(self.spawns).id if chance.random() < 0.95 else "no such id",
            key=f"{chance.getrandbits(64)}",
            memberships=chance.choice([(), (), ("gold",), ("silver", "gold"), ("other",)]),
        )


def shown(outcome):
    if isinstance(outcome, Refusal):
        return code_of(outcome), outcome.public_fields(), outcome.detail
    return code_of(outcome), outcome.value


async def play(twins: tuple[Twin, Twin], seed: int, codes: Counter[str]) -> None:
    """Batches on both; after each, everything is compared."""
    one, other = twins
    game = Play(twins, seed)
    await game.set_up()
    for _ in range(12):
        await game.something_happens()
        exact_before = one.claims.exact_batches
        batch, stripe = game.batch(), game.chance.randrange(10)
        outcomes = await one.claims.run(batch, stripe=stripe)
        other.claims.turns, one.claims.turns = one.claims.turns, []
        expected = await other.claims.run(batch, stripe=stripe)
        assert list(map(shown, outcomes)) == list(map(shown, expected)), seed
        assert await one.books() == await other.books(), seed
        assert await one.told() == await other.told(), seed
        is_whole = one.claims.exact_batches == exact_before
        codes.update(f"{code_of(outcome)}{' at once' * is_whole}" for outcome in outcomes)
        for answer in outcomes:
            if not isinstance(answer, Refusal) and (answer.value.held or answer.value.reduced):
                kind = "held" if answer.value.held else "reduced"
                codes[f"{kind}{'*' * answer.replayed}{' at once' * is_whole}"] += 1


@pytest.mark.slow
async def test_one_round_trip_gives_what_the_exact_way_gives(open_database, clock):
    """Without limits on what a batch holds: replays, tampered keys, caps, levels, bonuses, empty budgets, frozen and
    full wallets, waits, what was withdrawn elsewhere."""
    codes: Counter[str] = Counter()
    async with open_database(*SCHEMAS) as left, open_database(*SCHEMAS) as right:
        twins = Twin(left, clock, Recording), Twin(right, clock, Exactly)
        for seed in range(10):
            clock.advance(timedelta(hours=26))
            await play(twins, seed, codes)
        for twin in twins:
            assert await twin.field.broken() == []
    assert codes.keys() >= _EVERY_CODE
