"""realtime: the sockets of clients, and what is published to them.

Owns connections, the streams they carry, channels, limits on all of these, and the subprotocols (docs/protocol.md).
It never decides anything about the game: fixes, actions, sight and views are ports. It stores nothing; what is lost
with a process is rebuilt by its clients, who reconnect and subscribe again.

Invariants: one account has at most so many connections; what waits for one reader is bounded, and never delays
another; events of one stream come in order, without gaps, over whatever lines; fixes of one connection reach the
world in their order; an action that has started ends, also when its connection does not live to hear of it.

Events in and out: none of its own. Flows publish through `Gateway.publish`.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.realtime.gateway import Gateway
    from overworld.domains.realtime.messages import Event
    from overworld.domains.realtime.types import RealtimeSettings
    from overworld.domains.realtime.wiring import build
else:
    __getattr__ = door(
        __name__,
        gateway=["Gateway"],
        messages=["Event"],
        types=["RealtimeSettings"],
        wiring=["build"],
    )

__all__ = ["Event", "Gateway", "RealtimeSettings", "build"]
