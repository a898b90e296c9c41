"""What may be subscribed to, how it is signed, and when it is tried again."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.webhooks import rules
from overworld.domains.webhooks.errors import BadWebhook

HOUR_S = 3600


def test_a_signature_is_that_of_the_standard():
    """The example of the Standard Webhooks reference implementations."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = rules.signatures(
        [secret], id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp_s=1614265330, body=b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_make_two_signatures():
    one, two = (rules.signatures([key], id="a", timestamp_s=1, body=b"b") for key in (b"1" * 32, b"2" * 32))
    assert rules.signatures([b"1" * 32, b"2" * 32], id="a", timestamp_s=1, body=b"b") == f"{one} {two}"


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://example.org", "https://example.org/"),
        ("https://example.org:8443/hook?of=me", "https://example.org:8443/hook?of=me"),
        ("https://93.184.216.34/hook", "https://93.184.216.34/hook"),
        ("https://[2606:2800:220:1::1]/hook", "https://[2606:2800:220:1::1]/hook"),
    ],
)
def test_a_public_url_is_kept(given_url, kept):
    assert rules.url(given_url, plain_allowed=False) == kept


@pytest.mark.parametrize(
    "wrong",
    [
        "http://example.org/",
        "ftp://example.org/",
        "https://",
        "https:///hook",
        "//example.org/",
        "https://user@example.org/",
        "https://user:password@example.org/",
        "https://example.org/#part",
        "https://exa mple.org/",
        "https://example.org\\@evil.example/",
        "https://example.org/\n",
        "https://münchen.example/",
        "https://example.org:99999/",
        "https://[::1/",
        "https://localhost/hook",
        "https://shop.localhost/hook",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[fd00:ec2::254]/",
        "https://100.64.0.1/",
    ],
)
def test_another_url_is_refused(wrong):
    with pytest.raises(BadWebhook):
        rules.url(wrong, plain_allowed=False)


def test_where_it_may_be_plain_it_may_lead_inside_too():
    assert rules.url("http://127.0.0.1:9000/hook", plain_allowed=True) == "http://127.0.0.1:9000/hook"
    with pytest.raises(BadWebhook):
        rules.url("file:///etc/passwd", plain_allowed=True)


def test_topics_stand_for_public_ones_only():
    public = ["events.zone.entered", "events.zone.left", "events.level.reached"]
    assert rules.topics(["events.zone.*", "events.level.reached", "events.zone.*"], public=public) == (
        "events.level.reached",
        "events.zone.*",
    )
    assert rules.expanded(["events.zone.*"], public=public) == {"events.zone.entered", "events.zone.left"}
    for wrong in ("events.location.updated", "events.zone", "events.zo*", "*", "", ".*"):
        with pytest.raises(BadWebhook):
            rules.topics([wrong], public=public)


def test_the_pauses_grow_to_a_day_and_make_three_days():
    pauses = [rules.pause_s(tries, draw=0.5) for tries in range(1, rules.TRIES_MAX)]
    assert pauses[:4] == [5, 20, 80, 320]
    assert pauses[-1] == 24 * HOUR_S
    assert 72 * HOUR_S <= sum(pause or 0 for pause in pauses) <= 84 * HOUR_S
    assert rules.pause_s(rules.TRIES_MAX, draw=0.5) is None


@given(st.integers(1, rules.TRIES_MAX - 1), st.floats(0, 1), st.floats(0, 1e9))
def test_a_pause_is_a_quarter_off_at_most_and_what_is_asked_for_up_to_a_day(tries, draw, asked_s):
    middle = rules.pause_s(tries, draw=0.5)
    pause = rules.pause_s(tries, draw=draw, asked_s=asked_s)
    assert middle is not None and pause is not None
    assert max(0.75 * middle, min(asked_s, 24 * HOUR_S)) <= pause * (1 + 1e-9)
    assert pause <= max(1.25 * middle, min(asked_s, 24 * HOUR_S)) * (1 + 1e-9)
