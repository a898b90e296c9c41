"""What can be set about the HTTP edge and its rate limits."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from msgspec import Meta, Struct


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The section `http`."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes any free one.")] = 7400
    reuse_port: Annotated[
        bool, Meta(description="Share the port with other servers of this machine and user; Linux deals out to all.")
    ] = False
    tls: Annotated[bool, Meta(description="Clients reach us by HTTPS (through a proxy): send HSTS.")] = False
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Networks whose X-Forwarded-For is believed, as 10.0.0.0/8.")
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...], Meta(description="Origins whose pages may call us, as https://play.example; * for any.")
    ] = ()
    body_bytes_max: Annotated[int, Meta(ge=1_024, le=2**30, description="Largest body a route reads.")] = 65_536
    head_bytes_max: Annotated[int, Meta(ge=1_024, le=2**20, description="Largest request line and headers.")] = 32_768
    url_bytes_max: Annotated[int, Meta(ge=256, le=2**16, description="Longest URL.")] = 8_192
    head_timeout_s: Annotated[float, Meta(gt=0, le=300, description="How long a request's headers may take.")] = 10.0
    body_timeout_s: Annotated[float, Meta(gt=0, le=3600, description="How long a request's body may take.")] = 15.0
    reply_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="How long a client may leave a reply unread.")
    ] = 30.0
    keep_alive_s: Annotated[int, Meta(ge=1, le=3600, description="How long an idle connection stays open.")] = 30
    drain_s: Annotated[float, Meta(ge=0, le=300, description="How long requests in flight may take at shutdown.")] = (
        10.0
    )

    def __post_init__(self) -> None:
        for network in self.trusted_proxies:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"trusted_proxies: {error}") from error


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The section `limits`: requests a minute. Each may be spent at once and flows back evenly."""

    enabled: Annotated[bool, Meta(description="Off for load generators and tests only.")] = True
    account_per_min: Annotated[int, Meta(ge=1, le=10**6, description="Requests of one account.")] = 100
    admin_per_min: Annotated[int, Meta(ge=1, le=10**6, description="Requests of one administrator.")] = 1_000
    address_per_min: Annotated[int, Meta(ge=1, le=10**6, description="Requests without a token, an address.")] = 10
    buckets_max: Annotated[int, Meta(ge=1_000, le=10**7, description="Callers kept in mind at once.")] = 100_000
