"""Puts the gateway together."""

from __future__ import annotations

from typing import Any

from overworld.domains.realtime.around import Around
from overworld.domains.realtime.gateway import Gateway
from overworld.domains.realtime.ingest import Ingest
from overworld.domains.realtime.msgpack import MsgpackSubprotocol
from overworld.domains.realtime.ports import (
    Actions,
    CellListeners,
    CellViews,
    Friends,
    Interest,
    KeyScopes,
    Locations,
    PackedFixes,
    Presence,
    Sight,
)
from overworld.domains.realtime.protocol import JsonSubprotocol
from overworld.domains.realtime.publishing import Publisher
from overworld.domains.realtime.resuming import Resumption
from overworld.domains.realtime.roster import Roster
from overworld.domains.realtime.service import RealtimeService
from overworld.domains.realtime.sight import SightKeeper
from overworld.domains.realtime.snapshots import Snapshots
from overworld.domains.realtime.streams import Streams
from overworld.domains.realtime.subscriptions import Subscriptions
from overworld.domains.realtime.talk import Talk
from overworld.domains.realtime.types import Counters, RealtimeSettings
from overworld.domains.realtime.watching import Watching
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Limiter, TokenVerifier


def build(
    *,
    settings: RealtimeSettings,
    verifier: TokenVerifier,
    keys: KeyScopes,
    locations: Locations,
    packed_fixes: PackedFixes,
    interest: Interest,
    listeners: CellListeners,
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
    around_m: float = 200.0,
    friends: Friends | None = None,
) -> Gateway:
    """A gateway that is not listening yet; call it inside the event loop.

    `collectible_noun` names the game's collectibles in event types (`coins` gives `coins.nearby`); `around_m` is how
    far around a player is around. Without `friends` players reach only those who share a room with them.
    """
    json = JsonSubprotocol()
    counters = Counters()
    watching = Watching(interest=interest, listeners=listeners, settings=settings)
    subscriptions = Subscriptions(changed=watching.changed, anew=watching.anew)
    roster = Roster(sockets_per_account_max=settings.sockets_per_account_max)
    streams = Streams(settings=settings, subscriptions=subscriptions, clock=clock)
    publisher = Publisher(
        settings=settings, subscriptions=subscriptions, views=cell_views, clock=clock, counters=counters
    )
    snapshots = Snapshots(publisher=publisher, views=cell_views, collectible_noun=collectible_noun)
    around = Around(sight=sight, subscriptions=subscriptions, snapshots=snapshots, settings=settings)
    keeper = SightKeeper(
        sight=sight, streams=streams, around=around, subscriptions=subscriptions, settings=settings,
        room_level=room_level,
    )  # fmt: skip
    talk = Talk(
        settings=settings, limiter=limiter if limits_enabled else None, clock=clock, ids=ids, roster=roster,
        streams=streams, publisher=publisher, presence=presence, friends=friends,
    )  # fmt: skip
    resumption = Resumption(streams=streams, keeper=keeper, around=around, snapshots=snapshots, counters=counters)
    service = RealtimeService(
        settings=settings, verifier=verifier, keys=keys, locations=locations, actions=actions, sight=sight,
        keeper=keeper, around=around, ids=ids, roster=roster, streams=streams, subscriptions=subscriptions,
        snapshots=snapshots, resumption=resumption, talk=talk, counters=counters, room_level=room_level,
        around_m=around_m,
    )  # fmt: skip
    return Gateway(
        settings=settings, limits_enabled=limits_enabled, clock=clock, ids=ids,
        subprotocols=(json, MsgpackSubprotocol(json)), service=service,
        ingest=Ingest(settings=settings, fixes=packed_fixes, ids=ids), publisher=publisher, keeper=keeper,
        roster=roster, streams=streams, subscriptions=subscriptions, watching=watching, counters=counters,
    )  # fmt: skip
