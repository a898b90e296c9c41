"""Pure decisions: what may be subscribed to, how a delivery is signed, when it is tried again."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from overworld.domains.webhooks.errors import BadWebhook
from overworld.domains.webhooks.types import Subscription
from overworld.kernel.clock import rfc3339
from overworld.kernel.events import Envelope

TRIES_MAX = 11
"""Tries of a delivery: with the pauses between them, 3.3 days."""

_FIRST_PAUSE_S = 5.0
_PAUSE_MAX_S = 86_400.0
_GROWTH = 4.0
_JITTER = 0.25
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins
_ALL_BELOW = ".*"
_GONE = 410


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver reads. `id` is the event's, the same for every subscription."""

    type: str
    timestamp: str
    id: str
    key: str
    data: Any


class _Fenced(msgspec.Struct, frozen=True):
    """The part of an event's data that a fence is named in."""

    fence_id: str | None = None


_fenced = msgspec.json.Decoder(_Fenced).decode


def url(text: str, *, plain_allowed: bool) -> str:
    """A URL as it is kept. What it resolves to is judged when something is sent.

    `plain_allowed` lets pass plain HTTP and addresses that only a machine inside reaches. Raises: BadWebhook.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadWebhook("The URL cannot be read.", field="url") from error
    if parts.scheme != "https" and not (plain_allowed and parts.scheme == "http"):
        raise BadWebhook("The URL begins with https://.", field="url")
    if not host or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise BadWebhook("The URL names a host, and is written in ASCII without blanks.", field="url")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadWebhook("The URL has neither a name, nor a password, nor a fragment.", field="url")
    if not plain_allowed and _is_inside(host):
        raise BadWebhook("The URL names an address that webhooks may not go to.", field="url")
    return _written(parts)


def host_of(url: str) -> str:
    """The host of a URL that is kept: what may be said of it, for its path and query may hold a secret."""
    return urlsplit(url).netloc


def _is_inside(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def _written(parts: SplitResult) -> str:
    return parts._replace(path=parts.path or "/").geturl()


def topics(asked: Sequence[str], *, public: Iterable[str]) -> tuple[str, ...]:
    """Topics as they are kept: sorted, once each. One may end in `.*` and stand for every public one that begins so.

    Raises: BadWebhook for one that stands for no public topic.
    """
    known = sorted(public)
    for one in asked:
        if not expanded([one], public=known):
            raise BadWebhook("There is no such public topic.", field="topics", topic=one, allowed=known)
    return tuple(sorted(set(asked)))


def expanded(asked: Iterable[str], *, public: Iterable[str]) -> frozenset[str]:
    """The public topics that some ask for."""
    patterns = tuple(asked)
    return frozenset(topic for topic in public if any(_covers(pattern, topic) for pattern in patterns))


def _covers(pattern: str, topic: str) -> bool:
    if pattern.endswith(_ALL_BELOW):
        return topic.startswith(pattern[:-1])
    return topic == pattern


def wants(subscription: Subscription, envelope: Envelope) -> bool:
    """Whether an event is sent to a subscription. With fences chosen, what names none of them is left out."""
    if not any(_covers(pattern, envelope.topic) for pattern in subscription.topics):
        return False
    return not subscription.fence_ids or _fenced(envelope.data).fence_id in subscription.fence_ids


def body_of(envelope: Envelope) -> bytes:
    """What is sent of an event. Source: the payload structure of Standard Webhooks 1.0, with `id` and `key` added."""
    return msgspec.json.encode(
        _Body(
            type=envelope.topic,
            timestamp=rfc3339(envelope.at),
            id=str(envelope.id),
            key=envelope.key,
            data=envelope.data,
        )
    )


def signatures(secrets: Iterable[bytes], *, id: str, timestamp_s: int, body: bytes) -> str:
    """The header `webhook-signature`: one for each secret, so that a receiver may know the old one or the new one.

    Source: Standard Webhooks 1.0, symmetric signatures: base64 of HMAC-SHA256 over `id.timestamp.body`.
    """
    signed = b"%b.%d.%b" % (id.encode(), timestamp_s, body)
    return " ".join(f"v1,{b64encode(hmac.digest(secret, signed, 'sha256')).decode()}" for secret in secrets)


def secret_text(secret: bytes) -> str:
    """A secret as it is shown, once. Source: Standard Webhooks 1.0."""
    return _SECRET_PREFIX + b64encode(secret).decode()


def is_success(status: int | None) -> bool:
    """Whether the receiver took it; a redirect is no success, for none is followed."""
    return status is not None and 200 <= status < 300  # noqa: PLR2004 - the class of success


def is_gone(status: int | None) -> bool:
    """Whether the receiver says that it wants nothing any more. Source: Standard Webhooks 1.0, 410 Gone."""
    return status == _GONE


def pause_s(tries: int, *, draw: float, asked_s: float = 0.0) -> float | None:
    """Seconds until the next try after so many; None when there is none.

    5 s, 20 s, 80 s and so on up to a day, a quarter more or less by `draw` in [0, 1), so that what failed together
    does not come back together. A receiver may ask for longer, up to a day.
    """
    if tries >= TRIES_MAX:
        return None
    pause = min(_FIRST_PAUSE_S * _GROWTH ** (tries - 1), _PAUSE_MAX_S)
    return max(pause * (1 - _JITTER + 2 * _JITTER * draw), min(asked_s, _PAUSE_MAX_S))
