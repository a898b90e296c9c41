"""Messages to everyone who listens on a channel, within this process."""

from __future__ import annotations

from collections.abc import Callable

import structlog

Listener = Callable[[bytes], None]


class MemoryFanout:
    """The kernel's Fanout for one process. Nothing is queued: `publish` calls the listeners, in the order they came."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[int, Listener]] = {}
        self._next = 0
        self._log = structlog.get_logger("overworld.fanout")

    def subscribe(self, channel: str, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with every message on the channel until the returned function is called.

        The listener runs inside `publish` and must be quick: it queues what takes longer, within a bound of its own.
        """
        number = self._next
        self._next += 1
        self._listeners.setdefault(channel, {})[number] = listener

        def unsubscribe() -> None:
            listeners = self._listeners.get(channel, {})
            if listeners.pop(number, None) is not None and not listeners:
                del self._listeners[channel]

        return unsubscribe

    def channels(self) -> frozenset[str]:
        """The channels that somebody listens on."""
        return frozenset(self._listeners)

    async def publish(self, channel: str, payload: bytes) -> None:
        """Hands the same bytes to every listener. One that raises is logged and keeps nobody else from hearing."""
        for listener in list(self._listeners.get(channel, {}).values()):
            try:
                listener(payload)
            except Exception:
                self._log.exception("listener failed", channel=channel)
