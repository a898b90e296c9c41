"""Kinds of channels besides the cells: who may listen to one, and who may speak in it.

A channel is the name of its kind, or that, a colon and the rest. A new kind is a class and an entry in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from overworld.domains.realtime.errors import ChannelRefused, ScopeMissing
from overworld.domains.realtime.subscriptions import SYSTEM, USER_PREFIX
from overworld.kernel.identity import Principal, Scope

GLOBAL_CHAT = "chat:global"


class ChannelKind(Protocol):
    """The rules of one kind; `rest` is what follows the kind's name and the colon, None where there is no colon.

    Both run in the event loop for each message, without I/O, and raise: ChannelRefused for a channel that is not
    open, whether it exists or not; ScopeMissing.
    """

    def require_listener(self, principal: Principal, rest: str | None) -> None:
        """Passes when the principal may listen."""
        ...

    def require_speaker(self, principal: Principal, rest: str | None) -> None:
        """Passes when the principal may say something there by `chat.message`."""
        ...


class Told:
    """What the server tells everybody: nobody else speaks there."""

    def require_listener(self, principal: Principal, rest: str | None) -> None:
        if rest is not None:
            raise ChannelRefused

    def require_speaker(self, principal: Principal, rest: str | None) -> None:
        raise ChannelRefused


class Own:
    """What the server tells one account; `rest` is its id."""

    def require_listener(self, principal: Principal, rest: str | None) -> None:
        if rest != str(principal.account_id):
            raise ChannelRefused

    def require_speaker(self, principal: Principal, rest: str | None) -> None:
        raise ChannelRefused


class GlobalChat:
    """The one chat of everybody."""

    def require_listener(self, principal: Principal, rest: str | None) -> None:
        _require(principal, Scope.CHAT_READ, rest)

    def require_speaker(self, principal: Principal, rest: str | None) -> None:
        _require(principal, Scope.CHAT_WRITE, rest)


KINDS: Mapping[str, ChannelKind] = MappingProxyType(
    {SYSTEM: Told(), USER_PREFIX.rstrip(":"): Own(), GLOBAL_CHAT: GlobalChat()}
)


def require_listener(principal: Principal, channel: str) -> None:
    """Passes when the principal may listen to a channel. Raises: ChannelRefused; ScopeMissing."""
    kind, rest = _kind_of(channel)
    kind.require_listener(principal, rest)


def require_speaker(principal: Principal, channel: str) -> None:
    """Passes when the principal may speak in a channel. Raises: ChannelRefused; ScopeMissing."""
    kind, rest = _kind_of(channel)
    kind.require_speaker(principal, rest)


def _kind_of(channel: str) -> tuple[ChannelKind, str | None]:
    """The kind with the longest name that the channel begins with, and the rest. Raises: ChannelRefused."""
    name = channel
    while name not in KINDS:
        name, colon, _ = name.rpartition(":")
        if not colon:
            raise ChannelRefused
    return KINDS[name], None if name == channel else channel[len(name) + 1 :]


def _require(principal: Principal, scope: str, rest: str | None) -> None:
    if rest is not None:
        raise ChannelRefused
    if not principal.may(scope):
        raise ScopeMissing(scope=scope)
