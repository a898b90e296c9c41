"""The message that a wallet signs to sign in. Source: EIP-4361, version 1."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from msgspec import Struct

from overworld.domains.accounts.external.errors import NotProved
from overworld.domains.accounts.external.wallet.signature import with_checksum

_SKEW = timedelta(minutes=1)
_INSTANT = r"[0-9T:.+Zz-]{20,40}"
_FORM = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,31})://)?(?P<domain>[^\s/?#@]{1,255})"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n\n"
    r"(?:[^\n]{1,2000}\n)?\n"
    r"URI: (?P<uri>[^\s]{1,2048})\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[0-9]{1,18})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,64})\n"
    rf"Issued At: (?P<issued_at>{_INSTANT})"
    rf"(?:\nExpiration Time: (?P<expires_at>{_INSTANT}))?"
    rf"(?:\nNot Before: (?P<not_before>{_INSTANT}))?"
    r"(?:\nRequest ID: [^\s]{0,255})?"
    r"(?:\nResources:(?:\n- [^\s]{1,2048}){0,32})?",
    re.ASCII,
)


class Message(Struct, frozen=True, kw_only=True):
    """What a message says. `address` has its checksum; `domain` is the page's, with its port if any."""

    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expires_at: datetime | None
    not_before: datetime | None
    scheme: str | None = None


def parsed(text: str) -> Message:
    """What a message says. Raises: NotProved for what is no message of EIP-4361, version 1."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise NotProved(reason="message: not of EIP-4361")
    address = with_checksum(bytes.fromhex(found["address"][2:]))
    if found["address"] not in (address, address.lower()):
        raise NotProved(reason="message: the address has a wrong checksum")
    return Message(
        scheme=found["scheme"],
        domain=found["domain"],
        address=address,
        uri=found["uri"],
        chain_id=int(found["chain_id"]),
        nonce=found["nonce"],
        issued_at=_instant(found["issued_at"]),
        expires_at=_instant(found["expires_at"]) if found["expires_at"] else None,
        not_before=_instant(found["not_before"]) if found["not_before"] else None,
    )


def check(message: Message, *, domains: Collection[str], chains: Collection[int], life_s: int, now: datetime) -> None:
    """Passes for a message that one of our pages asked for a moment ago. Raises: NotProved."""
    faults = {
        "domain": message.domain.lower() not in {domain.lower() for domain in domains},
        "URI": not _is_of(message),
        "chain": message.chain_id not in chains,
        "from the future": message.issued_at > now + _SKEW,
        "old": message.issued_at < now - timedelta(seconds=life_s) - _SKEW,
        "expired": message.expires_at is not None and now >= message.expires_at,
        "not yet": message.not_before is not None and now + _SKEW < message.not_before,
    }
    if any(faults.values()):
        raise NotProved(reason=f"message: {', '.join(name for name, wrong in faults.items() if wrong)}")


def _is_of(message: Message) -> bool:
    """Whether the URI is one of the domain's pages."""
    try:
        parts = urlsplit(message.uri)
    except ValueError:
        return False
    if parts.scheme not in {"https", "http"} or message.scheme not in {None, parts.scheme}:
        return False
    return parts.netloc.lower() == message.domain.lower()


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise NotProved(reason="message: an instant cannot be read") from error
    if at.tzinfo is None:
        raise NotProved(reason="message: an instant without its offset")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise NotProved(reason="message: an instant beyond all years") from error
