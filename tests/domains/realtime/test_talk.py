"""What players say to each other reaches exactly those whom it may reach."""

import uuid
from typing import Any

import msgspec
import pytest

from overworld.domains.realtime.errors import BadText
from overworld.domains.realtime.talk import TEXT_LENGTH_MAX, sayable
from overworld.geo import cells
from overworld.kernel.identity import Scope
from tests.domains.realtime.conftest import MSGPACK, PLAYER_SCOPES

CHAT = "chat:global"


def say(text="hello", channel=CHAT, **more):
    return {"type": "chat.message", "data": {"channel": channel, "text": text}} | more


async def code_of(peer, message):
    reply = await peer.ask(message)
    assert reply["type"] == "error", reply
    return reply["error"]["code"]


async def listening(site, name, *channels, **fields):
    peer = await site.player(name, **fields)
    if channels:
        assert (await peer.ask({"type": "subscribe", "channels": list(channels)}))["channels"] == list(channels)
    return peer


def account(site, name):
    return str(site.house.principals[name].account_id)


def to(site, name, payload=None):
    return {"type": "peer.message", "data": {"to": account(site, name), "payload": payload}}


async def test_everybody_who_listens_hears_it_and_the_speaker_is_answered(site):
    speaker, hearer, deaf = await listening(site, "a", CHAT), await listening(site, "b", CHAT), await site.player("c")
    sent = await speaker.ask(say("  hello there \n", cid="7"))
    heard = await hearer.receive()
    assert (heard["type"], heard["channel"], heard["seq"]) == ("chat.message", CHAT, 1)
    said = {"channel": CHAT, "from": account(site, "a"), "text": "hello there", "at": sent["at"], "id": sent["id"]}
    assert heard["data"] == said
    assert sent == {"type": "chat.sent", "cid": "7", "id": said["id"], "at": said["at"]}
    assert (await speaker.receive())["data"] == said
    assert await deaf.settled() == []


async def test_messages_of_a_speaker_keep_their_order(site):
    speaker, hearer = await site.player("a"), await listening(site, "b", CHAT)
    for number in range(5):
        speaker.send(say(str(number)))
    assert [(await hearer.receive())["data"]["text"] for _ in range(5)] == list("01234")


async def test_who_subscribes_and_speaks_at_once_hears_itself(site):
    peer = await site.player()
    peer.send({"type": "subscribe", "channels": [CHAT]})
    peer.send(say())
    assert (await peer.receive("chat.message"))["data"]["text"] == "hello"


@pytest.mark.parametrize(
    "text",
    ["", "  \n ", "x" * 501, "a\nb", "a\x00b", "a\x7f", "a\x1b[31m", "a\u2028b", "a\u202eb", "\u200b\u200d", "\u2066x"],
)
async def test_a_text_that_is_none_is_refused(site, text):
    assert await code_of(await site.player(), say(text)) == "realtime.bad_text"


@pytest.mark.parametrize("text", ["x" * TEXT_LENGTH_MAX, "👩\u200d🚀", "שלום", "नमस्ते", "1", "\U0001fae9"])
def test_a_text_of_people_is_taken_as_it_is(text):
    assert sayable(f" {text}\t") == text


def test_a_text_counts_as_long_only_without_the_space_around_it():
    assert sayable(" " * 600 + "x") == "x"
    with pytest.raises(BadText):
        sayable("x" + " " * 600 + "x")


@pytest.mark.parametrize("channel", ["chat:team", "chat", "chat:global:", "chat:global:1", "system", "nonsense"])
async def test_a_channel_nobody_speaks_in_is_refused(site, channel):
    assert await code_of(await site.player(), say(channel=channel)) == "realtime.channel_refused"


async def test_nobody_speaks_in_an_accounts_channel_not_even_the_account(site):
    peer = await site.player()
    assert await code_of(peer, say(channel=f"user:{account(site, 'token')}")) == "realtime.channel_refused"


async def test_who_holds_a_cell_is_heard_by_all_who_hold_it_and_by_nobody_else(site, square):
    speaker, hearer = await listening(site, "a", square[2]), await listening(site, "b", square[2])
    other_cell = f"location:cell:{cells.token(cells.neighbours(square[0])[0])}"
    elsewhere = await listening(site, "c", other_cell, CHAT)
    for peer in site.peers:
        await peer.settled()
    sent = await speaker.ask(say(" over here ", channel=square[2], cid="1"))
    heard = await hearer.receive()
    said = {"channel": square[2], "from": account(site, "a"), "text": "over here", "at": sent["at"], "id": sent["id"]}
    assert (heard["type"], heard["channel"], heard["data"]) == ("chat.message", square[2], said)
    assert (sent["type"], sent["cid"], (await speaker.receive())["data"]) == ("chat.sent", "1", said)
    assert await elsewhere.settled() == []


async def test_a_cell_held_through_around_is_spoken_in(site, square):
    speaker, hearer = await listening(site, "a", "location:around"), await listening(site, "b", square[2])
    assert (await speaker.ask(say(channel=square[2])))["type"] == "chat.sent"
    assert (await hearer.receive("chat.message"))["data"]["from"] == account(site, "a")


async def test_who_hears_a_cell_needs_no_scope_of_chat_and_who_speaks_there_does(site, square):
    deaf = await listening(site, "deaf", square[2], scopes=PLAYER_SCOPES - {Scope.CHAT_READ, Scope.CHAT_WRITE})
    speaker = await listening(site, "a", square[2])
    assert (await speaker.ask(say(channel=square[2])))["type"] == "chat.sent"
    assert (await deaf.receive("chat.message"))["data"]["text"] == "hello"
    assert await code_of(deaf, say(channel=square[2])) == "realtime.scope_missing"


async def test_a_cell_that_one_may_not_speak_in_is_never_told_apart(site, square):
    """In sight but not held, held by another connection or no more, no cell at all, invisible: the same words."""
    hearer = await listening(site, "b", square[2])
    await listening(site, "a", square[2])
    second, left = await site.player("a"), await listening(site, "left", square[2])
    await left.ask({"type": "unsubscribe", "channels": [square[2]]})
    hidden = await listening(site, "hidden", square[2])
    site.house.invisible.add(site.house.principals["hidden"].account_id)
    await hearer.settled()
    answers = set()
    for peer, channel in (
        (second, square[2]), (left, square[2]), (hidden, square[2]), (hidden, "location:cell:1"),
        (second, "location:cell:"), (second, "location:around"), (second, "location:cell:nonsense"),
    ):  # fmt: skip
        error = (await peer.ask(say(channel=channel)))["error"]
        error.pop("trace_id")
        answers.add(msgspec.json.encode(error))
    [answer] = answers
    assert msgspec.json.decode(answer)["code"] == "realtime.channel_refused"
    assert await hearer.settled() == []


async def test_who_walks_out_of_sight_of_a_cell_is_heard_there_no_more(site, square):
    speaker = await listening(site, "a", square[2])
    site.house.stands[site.house.principals["a"].account_id] = None
    site.gateway.crossed([site.house.principals["a"].account_id])
    assert (await speaker.receive("unsubscribed"))["data"]["channels"] == [square[2]]
    assert await code_of(speaker, say(channel=square[2])) == "realtime.channel_refused"


async def test_a_cell_and_the_global_chat_share_the_rate_and_the_rules_of_texts(open_site, square):
    async with open_site(chat_per_s=0.01, chat_burst=2) as site:
        speaker = await listening(site, "a", square[2])
        assert await code_of(speaker, say("a\nb", channel=square[2])) == "realtime.bad_text"
        assert (await speaker.ask(say(channel=square[2])))["type"] == "chat.sent"
        assert (await speaker.ask(say()))["type"] == "chat.sent"
        assert await code_of(speaker, say(channel=square[2])) == "realtime.chat_too_fast"


async def test_listening_and_speaking_need_a_scope_each(site):
    mute = await listening(site, "mute", CHAT, scopes=PLAYER_SCOPES - {Scope.CHAT_WRITE})
    assert await code_of(mute, say()) == "realtime.scope_missing"
    deaf = await site.player("deaf", scopes=PLAYER_SCOPES - {Scope.CHAT_READ})
    assert (await deaf.ask(say()))["type"] == "chat.sent"
    reply = await deaf.ask({"type": "subscribe", "channels": [CHAT]})
    assert reply["refused"] == [{"channel": CHAT, "code": "realtime.scope_missing"}]


async def test_nobody_speaks_before_authenticating(site):
    peer = await site.connect()
    assert await code_of(peer, say()) == "realtime.unauthenticated"
    assert await code_of(peer, {"type": "peer.message", "data": {"to": str(uuid.uuid4()), "payload": 1}}) == (
        "realtime.unauthenticated"
    )


async def test_an_account_speaks_so_fast_whatever_connection_it_uses(open_site):
    async with open_site(chat_per_s=0.01, chat_burst=3) as site:
        first, second, other = await site.player("a"), await site.player("a"), await site.player("b")
        for peer in (first, second, first):
            assert (await peer.ask(say()))["type"] == "chat.sent"
        refused = (await second.ask(say()))["error"]
        assert (refused["code"], refused["status"], refused["retryable"]) == ("realtime.chat_too_fast", 429, True)
        assert 0 < refused["retry_after_s"] <= 100
        assert (await other.ask(say()))["type"] == "chat.sent"


async def test_a_refused_text_costs_nothing(open_site):
    async with open_site(chat_per_s=0.01, chat_burst=1) as site:
        peer = await site.player()
        assert await code_of(peer, say("")) == "realtime.bad_text"
        assert (await peer.ask(say()))["type"] == "chat.sent"


async def test_without_limits_nobody_is_too_fast(open_site):
    async with open_site(limits_enabled=False, chat_per_s=0.01, chat_burst=1, peer_per_s=0.01, peer_burst=1) as site:
        peer = await site.player()
        assert {(await peer.ask(say()))["type"] for _ in range(5)} == {"chat.sent"}


async def test_a_payload_reaches_every_connection_of_a_player_in_the_same_room(site, square):
    sender, receiver = await listening(site, "a", square[2]), await listening(site, "b", square[2])
    second = await site.player("b")
    await receiver.settled()
    payload = {"offer": [1, 2.5, None, "ü"], "deep": {"n": 2**80}}
    sent = await sender.ask(to(site, "b", payload) | {"cid": "9"})
    assert sent == {"type": "peer.sent", "cid": "9"}
    for peer, seq in ((receiver, 2), (second, 1)):
        event = await peer.receive()
        assert event == {"seq": seq, "type": "peer.message", "data": {"from": account(site, "a"), "payload": payload}}
    assert await sender.settled() == []


async def test_any_connection_of_either_makes_the_room_common(site, square):
    await listening(site, "a", square[2])
    sender, receiver = await site.player("a"), await listening(site, "b", square[2])
    assert (await sender.ask(to(site, "b")))["type"] == "peer.sent"
    assert await receiver.receive("peer.message")


async def test_who_cannot_be_reached_is_never_told_apart(site, square):
    """Not online, in no common room, invisible, oneself: the same words, so that nobody is found out."""
    sender = await listening(site, "a", square[2])
    await listening(site, "elsewhere", f"location:cell:{cells.token(cells.neighbours(square[0])[0])}")
    await listening(site, "hidden", square[2])
    await site.player("roomless")
    site.house.invisible.add(site.house.principals["hidden"].account_id)
    site.house.token("offline")
    answers = set()
    for name in ("a", "elsewhere", "hidden", "roomless", "offline"):
        error = (await sender.ask(to(site, name)))["error"]
        error.pop("trace_id")
        answers.add(msgspec.json.encode(error))
    [answer] = answers
    assert msgspec.json.decode(answer)["code"] == "realtime.peer_unreachable"
    assert msgspec.json.decode(answer)["status"] == 404
    assert [frame["type"] for peer in site.peers for frame in await peer.settled() if "peer" in frame["type"]] == []


async def test_an_invisible_player_gives_itself_away_to_nobody(site, square):
    hidden, other = await listening(site, "hidden", square[2]), await listening(site, "b", square[2])
    site.house.invisible.add(site.house.principals["hidden"].account_id)
    await other.settled()
    assert await code_of(hidden, to(site, "b")) == "realtime.peer_unreachable"
    assert await other.settled() == []


async def test_a_common_system_or_chat_channel_is_no_room(site):
    sender = await listening(site, "a", "system", CHAT)
    await listening(site, "b", "system", CHAT)
    assert await code_of(sender, to(site, "b")) == "realtime.peer_unreachable"


async def test_who_left_the_room_is_out_of_reach(site, square):
    sender, receiver = await listening(site, "a", square[2]), await listening(site, "b", square[2])
    await receiver.ask({"type": "unsubscribe", "channels": [square[2]]})
    assert await code_of(sender, to(site, "b")) == "realtime.peer_unreachable"


async def test_friends_reach_each_other_from_anywhere_but_not_when_invisible(open_site):
    class Friends:
        def are_friends(self, account_id, other_id):
            return {str(account_id), str(other_id)} == {account(site, "a"), account(site, "b")}

    async with open_site(friends=Friends()) as site:
        sender, receiver = await site.player("a"), await site.player("b")
        await site.player("c")
        assert (await sender.ask(to(site, "b", 1)))["type"] == "peer.sent"
        assert (await receiver.receive())["data"]["payload"] == 1
        assert await code_of(sender, to(site, "c")) == "realtime.peer_unreachable"
        site.house.invisible.add(site.house.principals["b"].account_id)
        assert await code_of(sender, to(site, "b")) == "realtime.peer_unreachable"


async def test_a_payload_is_bounded_by_its_bytes_as_json(open_site, square):
    async with open_site(peer_bytes_max=100) as site:
        sender = await listening(site, "a", square[2])
        await listening(site, "b", square[2])
        assert (await sender.ask(to(site, "b", "x" * 98)))["type"] == "peer.sent"
        error = (await sender.ask(to(site, "b", "x" * 99)))["error"]
        assert (error["code"], error["bytes_max"]) == ("realtime.payload_too_big", 100)
        assert await code_of(sender, to(site, "b", "ü" * 50)) == "realtime.payload_too_big"


async def test_an_account_writes_to_peers_so_fast(open_site, square):
    async with open_site(peer_per_s=0.01, peer_burst=2) as site:
        sender = await listening(site, "a", square[2])
        await listening(site, "b", square[2])
        assert [(await sender.ask(to(site, "b")))["type"] for _ in range(2)] == ["peer.sent"] * 2
        assert await code_of(sender, to(site, "b")) == "realtime.peer_too_fast"


@pytest.mark.parametrize(
    "data",
    [{"payload": 1}, {"to": "somebody", "payload": 1}, {"to": str(uuid.uuid4())}, {"to": str(uuid.uuid4()), "x": 1}, 1],
)
async def test_a_peer_message_of_another_shape_is_a_bad_frame(site, data):
    assert await code_of(await site.player(), {"type": "peer.message", "data": data}) == "realtime.bad_frame"


async def test_both_subprotocols_hear_the_same(site, square):
    sender = await listening(site, "a", square[2], CHAT)
    packed = await site.player("b", subprotocol=MSGPACK)
    assert (await packed.ask({"type": "subscribe", "channels": [square[2], CHAT]}))["refused"] == []
    await packed.settled()
    said = await sender.ask(say("grüß dich"))
    chat = await packed.receive("chat.message")
    assert (chat["data"]["text"], chat["data"]["id"], chat["data"]["from"]) == (
        "grüß dich",
        said["id"],
        account(site, "a"),
    )
    payload: dict[str, Any] = {"offer": [1, 2.5, None, "ü", {}]}
    assert (await sender.ask(to(site, "b", payload)))["type"] == "peer.sent"
    assert (await packed.receive("peer.message"))["data"] == {"from": account(site, "a"), "payload": payload}
    assert (await packed.ask(to(site, "a", payload)))["type"] == "peer.sent"
    assert (await sender.receive("peer.message"))["data"]["payload"] == payload


async def test_a_connection_whose_line_broke_gets_what_was_sent_when_it_comes_back(site, square):
    """Its account is online by another connection, or the sender would be told that nobody is there."""
    sender = await listening(site, "a", square[2])
    lost = await site.connect()
    site.house.token("b")
    epoch = (await lost.ask({"type": "auth", "token": "b"}))["epoch"]
    assert (await lost.ask({"type": "subscribe", "channels": [square[2]]}))["refused"] == []
    await lost.settled()
    lost.drop()
    await site.until(lambda: site.gateway.detached == 1)
    assert await code_of(sender, to(site, "b", "too early")) == "realtime.peer_unreachable"
    other = await site.player("b")
    assert (await sender.ask(to(site, "b", "hello")))["type"] == "peer.sent"
    assert (await other.receive())["data"]["payload"] == "hello"
    back = await site.player("b")
    assert (await back.ask({"type": "resume", "epoch": epoch, "seq": 1}))["type"] == "resumed"
    assert (await back.receive("peer.message"))["data"]["payload"] == "hello"
