"""`overworld.v1.msgpack` says what `overworld.v1.json` says, both ways."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

import msgspec
import picows
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.realtime import Event, messages
from overworld.domains.realtime.msgpack import MsgpackSubprotocol
from overworld.domains.realtime.protocol import JsonSubprotocol, Undecodable

from .conftest import MSGPACK

JSON = JsonSubprotocol()
PACK = MsgpackSubprotocol(JSON)

texts = st.text(st.characters(codec="utf-8"), max_size=8)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
rich = plain | st.sampled_from(
    [
        UUID(int=7),
        datetime(2026, 11, 21, 12, 0, 0, 250_000, UTC),
        Decimal("1.50"),
        messages.Nearby(["a"], [1]),
        b"\x00\xff",
    ]
)
cids = st.just(msgspec.UNSET) | texts
client_messages = st.one_of(
    st.builds(messages.Auth, token=st.text("abc", min_size=1), key=st.none() | texts, cid=cids),
    st.builds(messages.Resume, epoch=st.text("abc", min_size=1), seq=st.integers(0, 2**64 - 1), cid=cids),
    st.builds(messages.Subscribe, channels=st.lists(st.text("abc", min_size=1), min_size=1, max_size=3), cid=cids),
    st.builds(messages.Unsubscribe, channels=st.lists(st.text("abc", min_size=1), min_size=1, max_size=3), cid=cids),
    st.builds(messages.LocationUpdate, data=plain, ack=st.booleans(), cid=cids),
    st.builds(messages.GameAction, data=plain, cid=cids),
    st.builds(messages.Ping, cid=cids),
    st.builds(
        messages.ChatMessage,
        data=st.builds(messages.ChatText, channel=st.text("abc", min_size=1), text=texts),
        cid=cids,
    ),
    st.builds(messages.PeerMessage, data=st.builds(messages.PeerPayload, to=st.uuids(), payload=plain), cid=cids),
)
ids, names = st.text("abc"), st.lists(st.text("abc"), max_size=3)
server_messages = st.one_of(
    st.builds(
        messages.AuthResult,
        success=st.booleans(),
        epoch=ids,
        user_id=st.uuids(),
        scopes=names,
        expires_at=st.datetimes(timezones=st.just(UTC)),
        error=st.just(msgspec.UNSET) | st.dictionaries(texts, rich, max_size=2),
        cid=cids,
    ),
    st.builds(messages.Resumed, epoch=ids, seq=st.integers(0, 2**40), channels=names, cid=cids),
    st.builds(messages.Resync, epoch=ids, seq=st.integers(0, 2**40), channels=names, cid=cids),
    st.builds(
        messages.Subscribed, channels=names, refused=st.lists(st.builds(messages.RefusedChannel, ids, ids)), cid=cids
    ),
    st.builds(messages.LocationVerdict, data=rich, cid=cids),
    st.builds(messages.GameResult, data=rich, replayed=st.just(msgspec.UNSET) | st.booleans(), cid=cids),
    st.builds(messages.Error, error=st.dictionaries(texts, rich, max_size=3), cid=cids),
    st.builds(messages.Pong, cid=cids),
    st.builds(messages.ChatSent, id=st.uuids(), at=st.datetimes(timezones=st.just(UTC)), cid=cids),
    st.builds(messages.PeerSent, cid=cids),
)


def same(packed, text):
    """Whether both say the same with the same types: 1, 1.0 and True are three things."""
    return repr(msgspec.msgpack.decode(packed)) == repr(msgspec.json.decode(text))


def decoded(protocol, payload):
    """A message with its data as plain values, or the code of the refusal and its cid."""
    try:
        message = protocol.decode(payload)
    except Undecodable as undecodable:
        return undecodable.refusal.code, undecodable.cid
    return type(message), repr(
        {
            name: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
            for name, value in msgspec.structs.asdict(message).items()
        }
    )


def test_every_type_of_message_is_among_those_compared():
    of_client = {
        example.__origin__ if hasattr(example, "__origin__") else example
        for example in get_args(messages.AnyClientMessage)
    }
    built = {
        "auth", "resume", "subscribe", "unsubscribe", "location.update", "game.action", "ping", "chat.message",
        "peer.message",
    }  # fmt: skip
    assert {kind.__struct_config__.tag for kind in of_client} == built
    replies = {
        "auth_result", "resumed", "resync", "subscribed", "location.verdict", "game.result", "error", "pong",
        "chat.sent", "peer.sent",
    }  # fmt: skip
    assert {kind.__struct_config__.tag for kind in messages.ServerMessage.__subclasses__()} == replies


@given(message=client_messages)
def test_the_messages_of_clients_are_the_same(message):
    text = msgspec.json.encode(message)
    assert decoded(PACK, msgspec.msgpack.encode(message)) == decoded(JSON, text)


@given(
    value=st.fixed_dictionaries(
        {"type": plain | st.sampled_from(["ping", "auth", "resume"])},
        optional={"cid": plain, "token": plain, "seq": plain, "epoch": plain},
    )
)
def test_what_is_no_message_is_refused_the_same_way(value):
    assert decoded(PACK, msgspec.msgpack.encode(value)) == decoded(JSON, msgspec.json.encode(value))


@given(message=server_messages)
def test_the_answers_are_the_same(message):
    assert same(PACK.encode(message), JSON.encode(message))


@given(data=rich, channel=st.none() | texts, seq=st.integers(1, 2**40))
def test_events_are_the_same(data, channel, seq):
    event = Event(type="any", data=data)
    text = JSON.stamped(seq, JSON.tail(event, channel=channel))
    packed = PACK.stamped(seq, PACK.tail(event, channel=channel))
    assert same(packed, text)
    assert msgspec.msgpack.decode(packed)["seq"] == seq


@given(message=st.dictionaries(texts, plain, min_size=1, max_size=40), seq=st.integers(1, 2**40))
def test_events_given_as_json_are_the_same(message, seq):
    body = msgspec.json.encode({"type": "any"} | message)
    for channel in (None, "system"):
        assert same(
            PACK.stamped(seq, PACK.tail(body, channel=channel)), JSON.stamped(seq, JSON.tail(body, channel=channel))
        )


def test_an_integer_too_wide_for_messagepack_goes_as_a_float():
    packed = PACK.tail(b'{"type":"x","data":[36893488147419103232]}')
    assert msgspec.msgpack.decode(PACK.stamped(1, packed))["data"] == [2.0**65]


def deep(levels, header=b"\x91"):
    return header * levels + b"\x01"


def ping(cid):
    """A ping whose cid is what the bytes are."""
    return b"\x82\xa4type\xa4ping\xa3cid" + cid


MALFORMED = {
    "nothing": b"",
    "no map": b"\x10",
    "an integer of zero": b"\x00",
    "an opcode nobody has": b"\xc1",
    "more than one": b"\x80\x80",
    "cut off": b"\x82\xa4type\xa4pi",
    "a count of billions": b"\xdf\xff\xff\xff\xff\xa4type",
    "billions in a list": b"\x82\xa4type\xa4ping\xa3cid\xdd\xff\xff\xff\xff",
    "a long string": ping(b"\xdb\xff\xff\xff\xff"),
    "not a number": ping(b"\xcb\x7f\xf8" + bytes(6)),
    "infinity": ping(b"\xca\x7f\x80\x00\x00"),
    "an extension": ping(b"\xd4\x05\x01"),
    "an instant": ping(b"\xd6\xff\x00\x00\x00\x01"),
    "an instant that is none": ping(b"\xc7\x0c\xff" + b"\xff" * 12),
    "bytes": ping(b"\xc4\x01a"),
    "a string that is not UTF-8": ping(b"\xa1\xff"),
    "a key of bytes": b"\x82\xa4type\xa4ping\xc4\x03cid\xa1a",
    "a key that is a number": b"\x82\xa4type\xa4ping\x01\xa1a",
    "a key that is a list": b"\x82\xa4type\xa4ping\x91\x01\xa1a",
    "a key that is a map": b"\x82\xa4type\xa4ping\x81\x01\x02\xa1a",
    "deep lists": ping(deep(16_000)),
    "lists as deep as may be": ping(deep(900)),
    "deep maps": ping(b"\x81\xa1a" * 5_000 + b"\x01"),
    "deep data": b"\x82\xa4type\xafgame.action\xa4data" + deep(15_000),
    "an unknown field": b"\x82\xa4type\xa4ping\xa1x\xa1a",
    "a type too few": b"\x80",
}


@pytest.mark.parametrize("payload", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_messages_are_told_and_the_third_closes(site, payload, caplog):
    peer = await site.player(subprotocol=MSGPACK)
    for _ in range(3):
        peer.send(payload)
    for _ in range(3):
        assert (await peer.receive())["error"]["code"] == "realtime.bad_frame"
    assert await peer.end() == (4400, "malformed frames")
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_text_frame_is_malformed_on_messagepack(site):
    peer = await site.player(subprotocol=MSGPACK)
    peer.transport.send(picows.WSMsgType.TEXT, b'{"type":"ping"}')
    assert (await peer.receive())["error"]["code"] == "realtime.bad_frame"
    assert (await peer.ask({"type": "ping"}))["type"] == "pong"


async def test_data_reaches_the_house_as_json(site):
    peer = await site.player(subprotocol=MSGPACK)
    verdict = await peer.ask({"type": "location.update", "data": {"number": 4}, "ack": True})
    assert verdict["data"] == {"accepted": True, "number": 4}
    result = await peer.ask({"type": "game.action", "data": {"action": "collect", "target": "c", "request_id": "r"}})
    assert result["data"] == {"target": "c", "request_id": "r"}
    refused = await peer.ask({"type": "location.update", "data": {"number": "4"}})
    assert refused["error"]["code"] == "fake.bad_position"


async def test_fragments_are_put_together(site):
    peer = await site.connect(subprotocol=MSGPACK)
    message = msgspec.msgpack.encode({"type": "ping", "cid": "f"})
    peer.transport.send(picows.WSMsgType.BINARY, message[:5], fin=False)
    peer.transport.send(picows.WSMsgType.CONTINUATION, message[5:])
    assert await peer.receive() == {"type": "pong", "cid": "f"}


async def test_one_publication_reaches_both_and_is_encoded_once_for_each(site, monkeypatch):
    encoded = []
    for protocol in (JsonSubprotocol, MsgpackSubprotocol):
        tail = protocol.tail

        def counted(self, message, *, channel=None, tail=tail) -> Any:
            encoded.append(type(self).__name__)
            return tail(self, message, channel=channel)

        monkeypatch.setattr(protocol, "tail", counted)
    peers = [await site.player(name, subprotocol=MSGPACK if name in "abc" else None) for name in "abcd"]
    for peer in peers:
        await peer.ask({"type": "subscribe", "channels": ["system"]})
    site.gateway.publish("system", b'{"type":"n","data":{"at":"2026-11-21T12:00:00Z","x":1.0}}')
    told = [await peer.receive("n") for peer in peers]
    assert told == [{"seq": 1, "channel": "system", "type": "n", "data": {"at": "2026-11-21T12:00:00Z", "x": 1.0}}] * 4
    assert sorted(encoded) == ["JsonSubprotocol", "MsgpackSubprotocol"]
    site.gateway.publish("nobody", b"{}")
    assert len(encoded) == 2


async def test_watchers_see_others_and_not_themselves(site, seen, square):
    cell, token, channel = square
    peer = await site.player(subprotocol=MSGPACK)
    account = site.house.principals["token"].account_id
    site.house.players_in[cell] = [seen(account), seen("c")]
    await peer.ask({"type": "subscribe", "channels": [channel]})
    assert await peer.receive() == {
        "type": "players.nearby",
        "data": {"cells": [token], "items": [{"id": "c", "lat": 1.5}]},
    }
    assert (await peer.receive("coins.nearby"))["data"]["items"] == [{"id": "c1"}, {"id": "c2"}]
