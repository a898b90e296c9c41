"""Messages to everyone who listens on a channel."""

from __future__ import annotations

from structlog.testing import capture_logs

from overworld.platform.fanout import MemoryFanout


async def test_every_listener_gets_the_same_bytes_in_the_order_they_came():
    fanout, heard = MemoryFanout(), list[tuple[int, bytes]]()
    payload = b"news"
    fanout.subscribe("a", lambda message: heard.append((1, message)))
    fanout.subscribe("a", lambda message: heard.append((2, message)))
    fanout.subscribe("b", lambda message: heard.append((3, message)))
    await fanout.publish("a", payload)
    assert [number for number, _ in heard] == [1, 2]
    assert all(message is payload for _, message in heard)


async def test_after_unsubscribing_nothing_is_heard_and_nothing_is_kept():
    fanout, heard = MemoryFanout(), list[bytes]()
    leave = fanout.subscribe("a", heard.append)
    assert fanout.channels() == {"a"}
    leave()
    leave()
    await fanout.publish("a", b"news")
    assert (heard, fanout.channels()) == ([], frozenset())


async def test_a_listener_that_fails_is_logged_and_keeps_nobody_from_hearing():
    fanout, heard = MemoryFanout(), list[bytes]()

    def fails(_: bytes) -> None:
        raise ValueError

    fanout.subscribe("a", fails)
    fanout.subscribe("a", heard.append)
    with capture_logs() as lines:
        await fanout.publish("a", b"news")
    assert heard == [b"news"]
    assert (lines[0]["event"], lines[0]["channel"]) == ("listener failed", "a")


async def test_a_listener_may_leave_while_it_is_called():
    fanout, heard = MemoryFanout(), list[bytes]()

    def once(message: bytes) -> None:
        heard.append(message)
        leave()

    leave = fanout.subscribe("a", once)
    await fanout.publish("a", b"1")
    await fanout.publish("a", b"2")
    assert heard == [b"1"]
