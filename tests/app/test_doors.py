"""The doors between domains hand on what they are given, and nothing else."""

from collections.abc import Set as AbstractSet
from typing import Any, cast
from uuid import UUID

import pytest
from msgspec import Raw
from msgspec.structs import replace

from overworld.app.doors import CollectAction, CollectiblesAround, TrustEverybody
from overworld.domains.gameplay.messages import ClaimCollectible, Collected, CollectibleNearby
from overworld.domains.gameplay.service import Gameplay
from overworld.kernel.identity import Answer, Principal
from overworld.kernel.ids import IdSource
from overworld.kernel.standing import UNSUSPECTED
from overworld.platform.http.errors import KeyRequired

WON = Collected(collectible_id="c", type="gold", amount="20", currency="coin", balance="21", experience=21, level=1)


class Shop:
    """A gameplay door that writes down how it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.claimed: list[ClaimCollectible] = []

    async def nearby(self, *, scopes: AbstractSet[str], **asked: Any) -> list[CollectibleNearby]:
        self.asked = asked
        return [
            CollectibleNearby(
                id="c", type="gold", value="20", currency="coin", lat=1.0, lng=2.0, expires_at="soon", distance_m=3.5
            )
        ]

    async def collect(self, command: ClaimCollectible) -> Answer[Collected]:
        self.claimed.append(command)
        return Answer(WON, replayed=True)


async def test_collectibles_show_among_the_entities_around_a_place(ids: IdSource):
    """The world may look wider than gameplay answers; the source then gives what lies within its own bound."""
    shop = Shop()
    source = CollectiblesAround(cast(Gameplay, shop), radius_max_m=3_000)
    viewer_id = ids()
    (seen,) = await source.nearby(
        viewer_id=viewer_id, lat_deg=1.0, lng_deg=2.0, radius_m=5_000, after=(0.0, ""), limit=5
    )
    assert (seen.id, seen.type, seen.kind, seen.value, seen.distance_m) == ("c", "collectible", "gold", "20", 3.5)
    assert (shop.asked["player_id"], shop.asked["radius_m"], shop.asked["limit"]) == (viewer_id, 3_000, 5)


def _player(account_id: UUID) -> Principal:
    return Principal(account_id=account_id, role="player", scopes=frozenset())


async def test_collect_on_the_socket_is_the_claim_of_http_with_the_request_id_as_its_key(ids: IdSource):
    shop, player_id = Shop(), ids()
    action = CollectAction(cast(Gameplay, shop))
    answer = await action(_player(player_id), "c", "request-1", Raw(b"{}"))
    assert (answer.value, answer.replayed) == (WON, True)
    assert shop.claimed == [ClaimCollectible(player_id=player_id, collectible_id="c", key="request-1")]


async def test_memberships_come_with_a_claim_on_the_socket(ids: IdSource):
    shop = Shop()
    member = replace(_player(ids()), memberships=("guild",))
    await CollectAction(cast(Gameplay, shop))(member, "c", "request-1", Raw(b"{}"))
    assert shop.claimed[0].memberships == ("guild",)


async def test_collect_on_the_socket_needs_a_request_id(ids: IdSource):
    with pytest.raises(KeyRequired):
        await CollectAction(cast(Gameplay, Shop()))(_player(ids()), "c", None, Raw(b"{}"))


async def test_everybody_is_trusted_until_somebody_judges_players(ids: IdSource):
    assert await TrustEverybody().standings([ids(), ids()]) == [UNSUSPECTED, UNSUSPECTED]
