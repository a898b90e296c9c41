"""Which addresses a request may go to that somebody typed in."""

from __future__ import annotations

import pytest

from overworld.platform.outbound.addresses import NoSuchHost, PrivateAddress, is_public, resolved


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_an_address_of_the_open_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",  # noqa: S104 - refused
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)
def test_any_other_address_is_not(address):
    assert not is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "0x7f000001", "2130706433", "127.1", "0"])
async def test_a_name_or_an_odd_spelling_of_one_inside_is_refused(host):
    with pytest.raises(PrivateAddress):
        await resolved(host, 80, private_allowed=False)
    assert await resolved(host, 80, private_allowed=True)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example", ".."])
async def test_a_name_without_an_address_is_told_apart(host):
    with pytest.raises(NoSuchHost):
        await resolved(host, 80, private_allowed=True)


async def test_of_a_name_with_addresses_inside_and_outside_only_those_outside_are_used(monkeypatch):
    import asyncio

    async def answers(*_asked, **_options):
        return [(2, 1, 6, "", (address, 80)) for address in ("10.0.0.1", "8.8.8.8", "10.0.0.1", "8.8.4.4")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answers)
    assert await resolved("mixed.example", 80, private_allowed=False) == ["8.8.8.8", "8.8.4.4"]
