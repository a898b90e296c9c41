"""What others tell of players becomes facts, in order and with nothing lost on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from overworld.domains.accounts.messages import SignedIn as AccountSignedIn
from overworld.domains.accounts.types import Way
from overworld.domains.gameplay.messages import CollectibleCollected, LevelReached
from overworld.domains.trust.types import Claimed, SignedIn, Window
from overworld.domains.world.messages import MovementObserved
from overworld.flows.facts_to_trust import TOPICS, FactsToTrust
from overworld.kernel.clock import to_us
from overworld.kernel.events import enclose

ANN = UUID(int=1)


class Taken:
    """A door of trust that keeps what it is given."""

    def __init__(self) -> None:
        self.facts: list[Any] = []

    async def apply(self, tx: Any, facts: Any) -> None:
        self.facts += facts


@pytest.fixture
def translate(ids, clock):
    async def run(*events: Any) -> list[Any]:
        taken, no_tx = Taken(), cast(Any, None)
        await FactsToTrust(taken).apply(no_tx, [enclose(event, id=ids(), at=clock.now()) for event in events])
        return taken.facts

    return run


def observed(clock: Any, **figures: Any) -> MovementObserved:
    names: dict[str, Any] = {
        "cell": "47",
        "mode": "",
        "refused": {"teleport": 2},
        "own_timeline": True,
        "shingles": (2**63 + 1, 5),
    }
    numbers = {
        name: 1
        for name in MovementObserved.__struct_fields__
        if name not in {*names, "player_id", "began_at", "ended_at", "shingle_ages_s"}
    }
    return MovementObserved(
        player_id=ANN,
        began_at=clock.now() - timedelta(minutes=1),
        ended_at=clock.now(),
        shingle_ages_s=(3.0, 4.5),
        **(numbers | names | figures),
    )


def collected() -> CollectibleCollected:
    return CollectibleCollected(
        player_id=ANN,
        collectible_id="x",
        type="copper",
        currency="coin",
        amount_minor=1,
        experience=1,
        cell="",
        lat_deg=0.0,
        lng_deg=0.0,
    )


def signed_in(address: str, user_agent: str = "phone") -> AccountSignedIn:
    return AccountSignedIn(
        account_id=ANN, session_id=UUID(int=2), way=Way.DEVICE, address=address, user_agent=user_agent
    )


async def test_each_kind_of_event_becomes_its_fact_and_others_none(translate, clock):
    level = LevelReached(player_id=ANN, level=2, level_before=1, experience=9)
    facts = await translate(observed(clock), level, collected(), signed_in("8.8.8.8"))
    assert [type(fact) for fact in facts] == [Window, Claimed, SignedIn]
    assert {fact.at_us for fact in facts} == {to_us(clock.now())}
    assert len(TOPICS) == 3


async def test_a_window_keeps_every_figure_that_trust_has_a_place_for(translate, clock):
    [window] = await translate(observed(clock, noise_m=3.25, leaps=4))
    assert (window.noise_m, window.leaps, window.refused) == (3.25, 4, {"teleport": 2})
    assert window.ended_us - window.began_us == 60_000_000
    assert window.shingles == (-(2**63) + 1, 5), "as signed numbers, which the table keeps"
    assert set(MovementObserved.__struct_fields__) - {"began_at", "ended_at"} <= set(Window.__struct_fields__)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "192.168.1.4", "::1", "fe80::1", "nowhere", ""])
async def test_addresses_inside_a_network_say_nothing_of_a_device(translate, address):
    assert [fact.place for fact in await translate(signed_in(address))] == [None]


async def test_a_place_is_an_address_with_a_client_and_leads_back_to_neither(translate):
    one, same, other = await translate(signed_in("8.8.8.8"), signed_in("8.8.8.8"), signed_in("8.8.8.8", "tablet"))
    assert one.place == same.place != other.place
    assert len(one.place) == 16
