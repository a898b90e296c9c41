"""A client of a running server: HTTP calls and the socket, typed and asynchronous.

It shares nothing with the server but the kernel's vocabulary and the geometry of cells, so what works here works for
any client that keeps to `docs/protocol.md`. `docs/client.md` is a guide to it.

    async with Player("http://127.0.0.1:7400", sign_in=lambda api: api.device("my-device-0001")) as player:
        verdict = await player.report(fix)
        async for event in player.events:
            match event:
                case ChatMessage(data=said):
                    print(said.sender, said.text)

A Player comes back when the line breaks. Under it are `Api`, the HTTP calls, and `Socket`, one connection.
"""

from overworld.client.errors import Closed, Malformed, Refused, Unreachable
from overworld.client.events import (
    AroundChanged,
    ChatMessage,
    CollectibleCollected,
    CollectibleSeen,
    CollectiblesNearby,
    Event,
    Events,
    FixesJudged,
    InventoryChanged,
    LeaderboardUpdated,
    LevelReached,
    LocationVerdict,
    PeerMessage,
    PlayerSeen,
    PlayersNearby,
    Problem,
    QuestCompleted,
    QuestProgress,
    Reconnect,
    RewardDenied,
    RewardReleased,
    StandingChanged,
    SurroundingsChanged,
    TokensSent,
    Unsubscribed,
    ZoneTold,
)
from overworld.client.game import (
    Cost,
    Item,
    Leaderboard,
    Objective,
    Obtained,
    Payment,
    Place,
    Quest,
    QuestDone,
    Tool,
    ToolChanged,
    Used,
)
from overworld.client.http import Api
from overworld.client.messages import (
    Acted,
    ChatSent,
    Collected,
    Fix,
    FixVerdict,
    Page,
    Resumed,
    Session,
    Start,
    Subscribed,
    User,
    Verdict,
)
from overworld.client.player import Player
from overworld.client.socket import Socket
from overworld.client.surroundings import Around, Surroundings

__all__ = [
    "Acted",
    "Api",
    "Around",
    "AroundChanged",
    "ChatMessage",
    "ChatSent",
    "Closed",
    "Collected",
    "CollectibleCollected",
    "CollectibleSeen",
    "CollectiblesNearby",
    "Cost",
    "Event",
    "Events",
    "Fix",
    "FixVerdict",
    "FixesJudged",
    "InventoryChanged",
    "Item",
    "Leaderboard",
    "LeaderboardUpdated",
    "LevelReached",
    "LocationVerdict",
    "Malformed",
    "Objective",
    "Obtained",
    "Page",
    "Payment",
    "PeerMessage",
    "Place",
    "Player",
    "PlayerSeen",
    "PlayersNearby",
    "Problem",
    "Quest",
    "QuestCompleted",
    "QuestDone",
    "QuestProgress",
    "Reconnect",
    "Refused",
    "Resumed",
    "RewardDenied",
    "RewardReleased",
    "Session",
    "Socket",
    "StandingChanged",
    "Start",
    "Subscribed",
    "Surroundings",
    "SurroundingsChanged",
    "TokensSent",
    "Tool",
    "ToolChanged",
    "Unreachable",
    "Unsubscribed",
    "Used",
    "User",
    "Verdict",
    "ZoneTold",
]
