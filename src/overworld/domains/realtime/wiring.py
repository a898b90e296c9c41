"""Puts the gateway together."""

from __future__ import annotations

from typing import Any

from overworld.domains.realtime.gateway import Gateway
from overworld.domains.realtime.ports import Actions, CellViews, Friends, KeyScopes, Locations, Presence, Sight
from overworld.domains.realtime.protocol import JsonSubprotocol
from overworld.domains.realtime.publishing import Publisher
from overworld.domains.realtime.roster import Roster
from overworld.domains.realtime.service import RealtimeService
from overworld.domains.realtime.sight import SightKeeper
from overworld.domains.realtime.subscriptions import Subscriptions
from overworld.domains.realtime.talk import Talk
from overworld.domains.realtime.types import Counters, RealtimeSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Limiter, TokenVerifier


def build(
    *,
    settings: RealtimeSettings,
    verifier: TokenVerifier,
    keys: KeyScopes,
    locations: Locations,
    cell_views: CellViews,
    actions: Actions,
    sight: Sight[Any],
    presence: Presence,
    limiter: Limiter,
    clock: Clock,
    ids: IdSource,
    limits_enabled: bool,
    collectible_noun: str,
    room_level: int = 15,
    friends: Friends | None = None,
) -> Gateway:
    """A gateway that is not listening yet; call it inside the event loop.

    `collectible_noun` names the game's collectibles in event types (`coins` gives `coins.nearby`). Without
    `friends` players reach only those who share a room with them.
    """
    subprotocol = JsonSubprotocol()
    counters = Counters()
    subscriptions = Subscriptions()
    roster = Roster(sockets_per_account_max=settings.sockets_per_account_max)
    publisher = Publisher(
        settings=settings, subprotocol=subprotocol, subscriptions=subscriptions, views=cell_views, clock=clock,
        counters=counters,
    )  # fmt: skip
    keeper = SightKeeper(
        sight=sight, roster=roster, subscriptions=subscriptions, settings=settings, room_level=room_level
    )
    talk = Talk(
        settings=settings, limiter=limiter if limits_enabled else None, clock=clock, ids=ids, roster=roster,
        publisher=publisher, presence=presence, friends=friends,
    )  # fmt: skip
    service = RealtimeService(
        settings=settings,
        verifier=verifier,
        keys=keys,
        locations=locations,
        views=cell_views,
        actions=actions,
        sight=sight,
        keeper=keeper,
        ids=ids,
        roster=roster,
        subscriptions=subscriptions,
        publisher=publisher,
        talk=talk,
        counters=counters,
        collectible_noun=collectible_noun,
        room_level=room_level,
    )
    return Gateway(
        settings=settings,
        limits_enabled=limits_enabled,
        clock=clock,
        ids=ids,
        subprotocol=subprotocol,
        service=service,
        publisher=publisher,
        keeper=keeper,
        roster=roster,
        subscriptions=subscriptions,
        counters=counters,
    )
