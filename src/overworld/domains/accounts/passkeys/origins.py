"""Which pages may use the passkeys of a domain."""

from __future__ import annotations

from urllib.parse import urlsplit

_APP = "android:apk-key-hash:"
_LOCAL = "localhost"


def origin_fault(origin: str, rp_id: str) -> str | None:
    """What keeps an origin from using passkeys of `rp_id`; None when nothing does.

    Source: Web Authentication level 2, sections 5.1.3 and 5.1.4.1: the identifier is the host or a domain it is in, and
    the page is served by TLS or from this machine. Apps on Android name the digest of their key instead.
    """
    if origin.startswith(_APP):
        return None
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if origin != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc or not host:
        return "is no origin: give scheme, host and port alone"
    if parts.scheme != "https" and not (parts.scheme == "http" and (host == _LOCAL or host.endswith(f".{_LOCAL}"))):
        return "is not served by https"
    if host != rp_id and not host.endswith(f".{rp_id}"):
        return f"is not in {rp_id}"
    return None
