"""Going on after a broken line: everything missed, once and in order, or a resync."""

import asyncio
import uuid

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overworld.domains.realtime import Event

from .conftest import MSGPACK, Peer

SYSTEM = {"type": "subscribe", "channels": ["system"]}


async def listening(site, name="token", channels=("system",), **options):
    """A peer that listens, and the epoch of its stream."""
    if name not in site.house.principals:
        site.house.token(name)
    peer = await site.connect(**options)
    epoch = (await peer.ask({"type": "auth", "token": name}))["epoch"]
    assert (await peer.ask({"type": "subscribe", "channels": list(channels)}))["refused"] == []
    return peer, epoch


async def lost(site, peer):
    """The peer's line is gone, and the server knows."""
    before = site.gateway.detached
    peer.drop()
    await site.until(lambda: site.gateway.detached == before + 1)


def tell(site, *numbers, channel="system"):
    for number in numbers:
        site.gateway.publish(channel, Event(type="n", data=number))


async def resumed(peer, epoch, seq):
    return await peer.ask({"type": "resume", "epoch": epoch, "seq": seq})


def numbered(frames):
    return [(frame["seq"], frame["data"]) for frame in frames]


async def test_what_was_missed_follows_with_its_numbers_and_then_what_is_new(site):
    peer, epoch = await listening(site)
    tell(site, "a")
    await peer.receive("n")
    await lost(site, peer)
    tell(site, "b", "c")
    back = await site.player()
    answer = await resumed(back, epoch, 1)
    assert answer == {"type": "resumed", "epoch": epoch, "seq": 3, "channels": ["system"], "cid": "ask"}
    tell(site, "d")
    assert numbered(await back.settled()) == [(2, "b"), (3, "c"), (4, "d")]
    assert (site.gateway.detached, site.gateway.counters.resumed) == (0, 1)


async def test_the_channels_held_need_no_new_subscription_and_cells_are_shown_anew(site, square, seen):
    cell, _, channel = square
    peer, epoch = await listening(site, channels=(channel,))
    await peer.receive("coins.nearby")
    await lost(site, peer)
    site.house.players_in[cell] = [seen("p")]
    site.gateway.publish_players([cell])
    tell(site, "missed", channel=channel)
    back = await site.player()
    assert (await resumed(back, epoch, 1))["channels"] == [channel]
    missed, players = await back.receive(), await back.receive()
    assert (missed["seq"], missed["data"]) == (2, "missed")
    assert (players["type"], [one["id"] for one in players["data"]["items"]]) == ("players.nearby", ["p"])
    assert await back.settled() == [], "collectibles are told by events alone"


async def test_a_half_dead_line_is_replaced(site):
    peer, epoch = await listening(site)
    tell(site, "a")
    back = await site.player()
    await resumed(back, epoch, 0)
    assert (await peer.end())[0] == 4409
    tell(site, "b")
    assert numbered(await back.settled()) == [(1, "a"), (2, "b")]
    await site.until(lambda: site.gateway.connections == 1)
    assert site.gateway.detached == 0
    tell(site, "c")
    assert numbered(await back.settled()) == [(3, "c")]


async def test_two_who_resume_one_stream_follow_each_other(site):
    peer, epoch = await listening(site)
    await lost(site, peer)
    tell(site, "a")
    first, second = await site.player(), await site.player()
    first.send({"type": "resume", "epoch": epoch, "seq": 0, "cid": "1"})
    second.send({"type": "resume", "epoch": epoch, "seq": 0, "cid": "2"})
    ends = {first: await first.receive("resumed"), second: await second.receive("resumed")}
    assert len(ends) == 2
    await site.until(lambda: site.gateway.connections == 1)
    tell(site, "b")
    loser = first if first.closed.done() else second
    winner = second if loser is first else first
    assert (await loser.end())[0] == 4409
    assert numbered(await winner.settled()) == [(1, "a"), (2, "b")]


async def test_resuming_twice_on_one_connection_tells_what_is_asked_for(site):
    peer, epoch = await listening(site)
    tell(site, "a", "b")
    await peer.settled()
    assert (await resumed(peer, epoch, 1))["type"] == "resumed"
    assert numbered(await peer.settled()) == [(2, "b")]
    assert (await resumed(peer, epoch, 2))["type"] == "resumed"
    assert await peer.settled() == []
    assert site.gateway.connections == 1


@pytest.mark.parametrize(("seq", "type_"), [(3, "resync"), (2**70, "resync"), (2, "resumed")])
async def test_a_number_of_the_future_is_a_resync(site, seq, type_):
    peer, epoch = await listening(site)
    tell(site, "a", "b")
    await lost(site, peer)
    back = await site.player()
    answer = await resumed(back, epoch, seq)
    assert (answer["type"], answer["seq"], answer["channels"]) == (type_, 2, ["system"])
    tell(site, "c")
    assert numbered(await back.settled()) == [(3, "c")]


@pytest.mark.parametrize("seq", [-1, 1.5, "1", None])
async def test_a_number_that_is_none_is_malformed(site, seq):
    peer, epoch = await listening(site)
    reply = await peer.ask({"type": "resume", "epoch": epoch, "seq": seq})
    assert reply["error"]["code"] == "realtime.bad_frame"


async def test_before_auth_nothing_is_resumed(site):
    peer, epoch = await listening(site)
    await lost(site, peer)
    back = await site.connect()
    assert (await resumed(back, epoch, 0))["error"]["code"] == "realtime.unauthenticated"
    assert site.gateway.detached == 1


async def test_what_the_history_no_longer_holds_is_a_resync_with_new_snapshots(open_site, square, seen):
    cell, token, channel = square
    async with open_site(history_max=3) as site:
        site.house.players_in[cell] = [seen("p")]
        peer, epoch = await listening(site, channels=(channel,))
        await peer.receive("coins.nearby")
        await lost(site, peer)
        tell(site, *"abcd", channel=channel)
        back = await site.player()
        answer = await resumed(back, epoch, 1)
        assert answer == {"type": "resync", "epoch": epoch, "seq": 5, "channels": [channel], "cid": "ask"}
        players, coins = await back.receive(), await back.receive()
        assert (players["type"], players["data"]["cells"]) == ("players.nearby", [token])
        assert (coins["type"], coins["seq"]) == ("coins.nearby", 6)
        tell(site, "e", channel=channel)
        assert numbered(await back.settled()) == [(7, "e")]


@pytest.mark.parametrize(
    "bounds", [{"history_bytes_max": 32_768}, {"history_bytes_max": 2**20, "unsent_bytes_max": 65_536}]
)
async def test_the_history_is_bounded_in_bytes_too(open_site, bounds):
    """What is told again at once must fit into what may wait for a reader."""
    async with open_site(**bounds) as site:
        peer, epoch = await listening(site)
        await lost(site, peer)
        tell(site, *("x" * 10_000 for _ in range(10)))
        first, second = await site.player(), await site.player()
        assert (await resumed(first, epoch, 6))["type"] == "resync"
        assert (await resumed(second, epoch, 7))["type"] == "resumed"
        assert [frame["seq"] for frame in await second.settled()] == [8, 9, 10]


async def test_an_event_too_big_to_keep_is_a_resync_only_for_who_missed_it(site):
    peer, epoch = await listening(site)
    tell(site, "x" * 40_000)
    await peer.receive("n")
    await lost(site, peer)
    tell(site, "a")
    first, second = await site.player(), await site.player()
    assert (await resumed(first, epoch, 1))["type"] == "resumed"
    assert numbered(await first.settled()) == [(2, "a")]
    assert (await resumed(second, epoch, 0))["type"] == "resync"


async def test_unknown_names_and_those_of_others_get_one_answer(site):
    peer, epoch = await listening(site)
    await lost(site, peer)
    tell(site, "secret")
    stranger, own = await listening(site, "stranger", channels=("system",))
    for name in (epoch, "nonsense", uuid.uuid4().hex):
        answer = await resumed(stranger, name, 0)
        assert answer == {"type": "resync", "epoch": own, "seq": 0, "channels": ["system"], "cid": "ask"}
    assert await stranger.settled() == []
    assert site.gateway.detached == 1


async def test_a_token_that_may_less_takes_nothing_over(site):
    account = uuid.uuid4()
    site.house.token("strong", account=account)
    site.house.token("weak", account=account, scopes=frozenset({"realtime.connect"}))
    peer, epoch = await listening(site, "strong")
    await lost(site, peer)
    assert (await resumed(await site.player("weak"), epoch, 0))["type"] == "resync"
    assert (await resumed(await site.player("strong"), epoch, 0))["type"] == "resumed"


@pytest.mark.parametrize("first", [None, MSGPACK])
async def test_in_the_other_subprotocol_it_is_a_resync_that_keeps_its_channels(site, first):
    peer, epoch = await listening(site, subprotocol=first)
    await lost(site, peer)
    tell(site, "a")
    back = await site.player(subprotocol=MSGPACK if first is None else None)
    answer = await resumed(back, epoch, 0)
    assert (answer["type"], answer["seq"], answer["channels"]) == ("resync", 1, ["system"])
    tell(site, "b")
    assert numbered(await back.settled()) == [(2, "b")]


async def test_what_the_new_connection_held_before_is_given_up(site):
    own = f"user:{uuid.uuid4()}"
    account = uuid.UUID(own.removeprefix("user:"))
    site.house.token(account=account)
    peer, epoch = await listening(site)
    await lost(site, peer)
    back, _ = await listening(site, channels=(own,))
    assert (await resumed(back, epoch, 0))["channels"] == ["system"]
    tell(site, "mine", channel=own)
    assert await back.settled() == []
    assert site.gateway.channels == 1


@pytest.mark.parametrize("code", [1000, None])
async def test_who_leaves_does_not_come_back(site, code):
    peer, epoch = await listening(site)
    peer.leave() if code else peer.transport.send_close()
    await site.until(lambda: site.gateway.connections == 0)
    assert (site.gateway.detached, site.gateway.channels) == (0, 0)
    assert (await resumed(await site.player(), epoch, 0))["type"] == "resync"


async def test_malformed_frames_end_the_stream(open_site):
    async with open_site(bad_frames_max=1) as site:
        peer, _ = await listening(site)
        peer.send(b"{")
        assert (await peer.end())[0] == 4400
        await site.until(lambda: site.gateway.connections == 0)
        assert (site.gateway.detached, site.gateway.channels) == (0, 0)


async def test_a_broken_websocket_frame_ends_the_stream(site):
    peer, _ = await listening(site)
    peer.transport.underlying_transport.write(bytes([0x83, 0x80, 0, 0, 0, 0]))
    assert (await peer.end())[0] == 1002
    await site.until(lambda: site.gateway.connections == 0)
    assert site.gateway.detached == 0


async def test_a_connection_sent_away_leaves_nothing_to_take_over_meanwhile(open_site):
    """Between our close frame and the end of the line its stream belongs to nobody."""
    async with open_site(bad_frames_max=1, close_s=0.2) as site:
        peer, epoch = await listening(site)
        peer.transport.underlying_transport.pause_reading()
        peer.send(b"{")
        back = await site.player()
        await site.until(lambda: site.gateway.counters.closes == {4400: 1})
        assert site.gateway.connections == 2
        answer = await resumed(back, epoch, 0)
        assert (answer["type"], answer["channels"]) == ("resync", [])


async def test_a_silent_line_may_be_resumed(open_site):
    async with open_site(ping_s=0.02, idle_s=0.06) as site:
        peer, epoch = await listening(site)
        peer.answers_pings = False
        assert await peer.end() == (4408, "idle")
        tell(site, "a")
        back = await site.player()
        assert (await resumed(back, epoch, 0))["type"] == "resumed"
        assert numbered(await back.settled()) == [(1, "a")]


async def test_a_stream_waits_only_so_long(open_site):
    async with open_site(resume_s=0.02) as site:
        peer, epoch = await listening(site)
        await lost(site, peer)
        await site.until(lambda: site.gateway.detached == 0)
        assert site.gateway.channels == 0
        assert (await resumed(await site.player(), epoch, 0))["channels"] == []


async def test_a_stream_that_was_resumed_does_not_end_by_its_old_time(open_site):
    async with open_site(resume_s=0.05) as site:
        first, epoch = await listening(site)
        await lost(site, first)
        second = await site.player()
        await resumed(second, epoch, 0)
        other, _ = await listening(site, "other")
        await lost(site, other)
        await site.until(lambda: site.gateway.detached == 0)
        tell(site, "a")
        assert numbered(await second.settled()) == [(1, "a")]


async def test_with_no_time_to_resume_nothing_waits(open_site):
    async with open_site(resume_s=0) as site:
        peer, _ = await listening(site)
        peer.drop()
        await site.until(lambda: site.gateway.connections == 0)
        assert (site.gateway.detached, site.gateway.channels) == (0, 0)


async def test_a_stream_ends_with_its_token(site):
    peer, _ = await listening(site)
    site.house.token("short", expires_us=site.house.clock.now_us() + 50_000)
    brief, _ = await listening(site, "short")
    await lost(site, peer)
    await lost(site, brief)
    await site.until(lambda: site.gateway.detached == 1)


async def test_waiting_streams_are_bounded_and_the_oldest_makes_room(open_site):
    async with open_site(detached_max=2) as site:
        epochs = {}
        for name in "abc":
            peer, epochs[name] = await listening(site, name)
            peer.drop()
            await site.until(lambda: site.gateway.connections == 0)
        assert site.gateway.detached == 2
        answers = [(await resumed(await site.player(name), epochs[name], 0))["type"] for name in "abc"]
        assert answers == ["resync", "resumed", "resumed"]


async def test_waiting_streams_are_bounded_per_account(open_site):
    async with open_site(sockets_per_account_max=2) as site:
        epochs = []
        for _ in range(3):
            peer, epoch = await listening(site)
            epochs.append(epoch)
            peer.drop()
            await site.until(lambda: site.gateway.connections == 0)
        other, _ = await listening(site, "other")
        await lost(site, other)
        assert site.gateway.detached == 3
        answers = [(await resumed(await site.player(), epoch, 0))["type"] for epoch in epochs]
        assert answers == ["resync", "resumed", "resumed"]


async def test_revocation_ends_the_streams_of_the_session_alone(site):
    account = uuid.uuid4()
    for name in "ab":
        site.house.token(name, account=account)
        peer, _ = await listening(site, name)
        await lost(site, peer)
    site.gateway.revoked(account, site.house.principals["a"].sid)
    assert site.gateway.detached == 1
    site.gateway.account_revoked(account)
    assert (site.gateway.detached, site.gateway.channels) == (0, 0)


async def test_draining_ends_all_streams_and_keeps_none(open_site):
    async with open_site() as site:
        peer, _ = await listening(site)
        await lost(site, peer)
        await listening(site)
        await site.gateway.drain(0)
        assert (site.gateway.detached, site.gateway.channels) == (0, 0)


async def test_a_stream_without_a_line_loses_the_cells_out_of_sight(open_site, square):
    """And is told so when it comes back."""
    cell, _, channel = square
    async with open_site(sight_every_s=0.01) as site:
        peer, epoch = await listening(site, channels=(channel, "system"))
        await peer.receive("coins.nearby")
        await lost(site, peer)
        site.house.stands[site.house.principals["token"].account_id] = None
        await site.until(lambda: site.gateway.channels == 1)
        tell(site, "not for you", channel=channel)
        back = await site.player()
        assert (await resumed(back, epoch, 1))["channels"] == ["system"]
        frames = await back.settled()
        assert [(frame["seq"], frame["type"]) for frame in frames] == [(2, "unsubscribed")]
        assert cell not in site.house.hidden


async def test_who_moved_meanwhile_gets_no_snapshot_of_cells_out_of_sight(open_site, square, seen):
    cell, _, channel = square
    async with open_site(sight_every_s=60) as site:
        peer, epoch = await listening(site, channels=(channel,))
        await peer.receive("coins.nearby")
        await lost(site, peer)
        site.house.players_in[cell] = [seen("p")]
        site.house.hidden.add(cell)
        back = await site.player()
        await resumed(back, epoch, 1)
        assert [frame["type"] for frame in await back.settled()] == ["unsubscribed"]


async def test_a_snapshot_of_collectibles_under_way_is_not_lost_with_the_line(site, square, monkeypatch):
    gate = asyncio.Event()

    async def slowly(cells, *, player_id):
        await gate.wait()
        return site.house.coins

    monkeypatch.setattr(site.house, "collectibles", slowly)
    peer, epoch = await listening(site, channels=(square[2],))
    await lost(site, peer)
    gate.set()
    await site.until(lambda: not site.gateway.in_flight)
    back = await site.player()
    await resumed(back, epoch, 0)
    assert (await back.receive("coins.nearby"))["seq"] == 1


async def test_a_publication_in_slices_goes_on_over_the_new_line(open_site):
    """Half of it is written when the stream moves."""
    async with open_site(slice_sends=1, sockets_per_account_max=100) as site:
        others = [await listening(site, "crowd") for _ in range(3)]
        peer, epoch = await listening(site)
        back = await site.player()
        tell(site, "a", "b", "c")
        assert site.gateway.publications_waiting == 3
        back.send({"type": "resume", "epoch": epoch, "seq": 0, "cid": "r"})
        await back.receive("resumed")
        await site.until(lambda: site.gateway.publications_waiting == 0)
        assert numbered(await back.settled()) == [(1, "a"), (2, "b"), (3, "c")]
        for other, _ in others:
            assert numbered(await other.settled()) == [(1, "a"), (2, "b"), (3, "c")]
        assert (await peer.end())[0] == 4409


async def test_a_reader_closed_as_too_slow_goes_on_where_it_stopped(open_site):
    small = {"unsent_bytes_max": 65_536, "send_buffer_bytes": 4_096, "close_s": 0.05}
    async with open_site(**small) as site:
        peer, epoch = await listening(site)
        peer.transport.underlying_transport.pause_reading()
        sent = 0
        while not site.gateway.counters.closes:
            tell(site, [sent, "x" * 1_000])
            sent += 1
        assert site.gateway.counters.closes == {4408: 1}
        tell(site, *("after" for _ in range(3)))
        await site.until(lambda: site.gateway.detached == 1)
        back = await site.player()
        answer = await resumed(back, epoch, sent - 5)
        assert (answer["type"], answer["seq"]) == ("resumed", sent + 3)
        assert [frame["seq"] for frame in await back.settled()] == list(range(sent - 4, sent + 4))


class Client:
    """Keeps what it is told, and resumes whenever its line is gone."""

    peer: Peer

    def __init__(self, site):
        self.site = site
        self.epoch = None
        self.seq = 0
        self.told = []

    async def take(self):
        for frame in await self.peer.settled():
            self.keep(frame)

    def keep(self, frame):
        if frame["type"] == "n":
            assert frame["seq"] == self.seq + 1
            self.seq += 1
            self.told.append(frame["data"])

    async def come(self, subprotocol, history_max):
        self.peer = await self.site.connect(subprotocol=subprotocol)
        auth = await self.peer.ask({"type": "auth", "token": "token"})
        if self.epoch is None:
            self.epoch = auth["epoch"]
            await self.peer.ask(SYSTEM)
            return None
        answer = await resumed(self.peer, self.epoch, self.seq)
        if answer["type"] == "resync":
            assert answer["seq"] - self.seq > history_max, "it was still kept"
            self.epoch, self.seq = answer["epoch"], answer["seq"]
        return answer


steps = st.lists(
    st.sampled_from(["drop", "drop", "half-dead", "take", "leave half read"]) | st.integers(1, 7),
    min_size=2,
    max_size=25,
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, subprotocol=st.sampled_from([None, MSGPACK]), history_max=st.sampled_from([0, 1, 4, 256]))
def test_whenever_the_line_breaks_everything_is_told_once_and_in_order(open_site, steps, subprotocol, history_max):
    """Or a resync says that it is not, and only when more was missed than is kept."""

    async def live() -> None:
        async with open_site(history_max=history_max, slice_sends=2, sockets_per_account_max=100) as site:
            site.house.token()
            for _ in range(3):
                await listening(site, "crowd")
            client = Client(site)
            await client.come(subprotocol, history_max)
            expected: list[int] = []
            published = 0
            for step in [*steps, "drop"]:
                if isinstance(step, int):
                    tell(site, *range(published, published + step))
                    expected += range(published, published + step)
                    published += step
                elif step == "take":
                    await site.until(lambda: site.gateway.publications_waiting == 0)
                    await client.take()
                else:
                    if step == "leave half read":
                        while not client.peer.inbox.empty():
                            client.keep(client.peer.inbox.get_nowait())
                    if step != "half-dead":
                        client.peer.drop()
                    answer = await client.come(subprotocol, history_max)
                    if answer["type"] == "resync":
                        since = answer["seq"]
                        expected = expected[: len(client.told)] + list(range(since, published))
            await site.until(lambda: site.gateway.publications_waiting == 0)
            await client.take()
            assert client.told == expected
            if history_max == 256:
                assert client.told == list(range(published))

    uvloop.run(live())


async def test_a_peers_message_comes_once_while_the_line_before_is_not_cut_yet(site, square):
    sender, _ = await listening(site, "sender", channels=(square[2],))
    dead, epoch = await listening(site, channels=(square[2],))
    dead.transport.underlying_transport.pause_reading()  # so it never answers the close
    back = await site.player()
    await resumed(back, epoch, 1)
    assert site.gateway.connections == 3
    to = str(site.house.principals["token"].account_id)
    await sender.ask({"type": "peer.message", "data": {"to": to, "payload": 1}})
    assert [frame["type"] for frame in await back.settled()].count("peer.message") == 1
