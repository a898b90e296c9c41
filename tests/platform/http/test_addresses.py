"""Whose request it is, whatever stands in `X-Forwarded-For`."""

from __future__ import annotations

import pytest

from overworld.platform.http.addresses import Addresses, is_loopback, limited_as

PROXIES = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "caller"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", b"203.0.113.5", "203.0.113.5"),
        ("fd00::1", b"2001:db8::5", "2001:db8::5"),
        ("10.0.0.1", b"203.0.113.5, 10.0.0.2", "203.0.113.5"),
        ("10.0.0.1", b"198.51.100.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        ("203.0.113.9", b"198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", b"203.0.113.5, somebody", "10.0.0.1"),
        ("10.0.0.1", b"somebody, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"203.0.113.5:4711", "10.0.0.1"),
        ("10.0.0.1", b"\xff, 203.0.113.5", "203.0.113.5"),
        ("unknown", b"203.0.113.5", "unknown"),
        ("::ffff:10.0.0.1", b"203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", b"::ffff:203.0.113.5, ::ffff:10.0.0.2", "203.0.113.5"),
        ("::ffff:203.0.113.9", b"198.51.100.1", "203.0.113.9"),
    ],
)
def test_the_caller_is_the_nearest_hop_that_no_trusted_proxy_stands_behind(peer, forwarded_for, caller):
    assert Addresses(PROXIES).caller(peer, forwarded_for) == caller


def test_without_trusted_proxies_nobody_is_believed():
    assert Addresses(()).caller("10.0.0.1", b"203.0.113.5") == "10.0.0.1"


def test_a_caller_by_ipv4_is_the_same_one_on_a_socket_that_takes_both():
    assert Addresses(()).caller("::ffff:203.0.113.5", None) == "203.0.113.5"


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("unknown", "unknown"),
        ("no:address", "no:address"),
    ],
)
def test_a_home_has_one_bucket(address, bucket):
    assert limited_as(address) == bucket


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:203.0.113.5", False),
        ("10.0.0.1", False),
        ("unknown", False),
    ],
)
def test_only_this_machines_own_addresses_are_loopback(address, own):
    assert is_loopback(address) is own
