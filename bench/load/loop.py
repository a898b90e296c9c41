"""The compiled loop of the packed load: paces, sends and receives over many sockets, and allocates nothing.

One core has to offer 100,000 frames a second and to read as many, which Python cannot; so the loop calls the C library
by itself. Python connects the sockets and fills the columns before a round and reads them after it. Time is the
monotonic clock in nanoseconds; `base_us` added to its microseconds is the wall clock, which fixes carry.
"""
# ruff: noqa: PLR0911, PLR0917 - kernels call each other by position; a message is taken in one of several ways

from __future__ import annotations

import ctypes
import platform
from typing import Any

import numpy as np
from numba import types

from overworld.geo.compiled import inner_kernel, kernel
from overworld.kernel.packed import (
    FLAG_ACK,
    HEADER,
    SURROUNDINGS,
    VERDICT,
    VERDICTS,
)

TICK_NS = 200_000
"""How long the loop rests when nothing is due: for so long a fix may be late, and an answer wait to be read."""

SAID_DIGITS = 12
"""What is said in a room begins with its number among all that is said, written with so many digits."""

CARRY_BYTES = 1_024
"""The longest message that is looked into as a whole; of a longer one only the bytes are counted."""
FRAME_BYTES_MAX = 512
INBOX_BYTES = 262_144
MARGIN_BYTES = 8
"""Room before what is read, so that a ping becomes a pong, which has a longer head, where it stands."""
OWED_MAX = 128
KEPT_MAX, KEPT_BYTES = 3, 512
REASONS_MAX = 256
EVENTS_MAX = 1_024

# One connection. `mode` and `left` say what of a message of the server comes next, and `carry` holds the `have` bytes
# of it that came; `rest` are the `unsent` bytes of a frame that the server has not taken. The verdicts number
# `answered` to `asked` must still come, in this order; `fix_us` and `due_ns` are of their fixes. `room` is the number
# of the room that it is a member of, -1 for none; `heard` is how much it heard there in the round.
LINE = np.dtype(
    [("fd", "<i4"), ("mode", "<i4"), ("have", "<i4"), ("unsent", "<i4"), ("left", "<i8"), ("answered", "<i8"),
     ("asked", "<i8"), ("cut", "<i8"), ("room", "<i8"), ("heard", "<i8"), ("fix_us", "<i8", OWED_MAX),
     ("due_ns", "<i8", OWED_MAX), ("rest", "u1", FRAME_BYTES_MAX), ("carry", "u1", CARRY_BYTES)]
)  # fmt: skip

# A street that a player walks up and down: where it begins, degrees in a metre along it, how long it is, where on the
# way there and back the player was at the time 0, and how fast it walks.
STREET = np.dtype(
    [("lat_deg", "<f8"), ("lng_deg", "<f8"), ("north_deg", "<f8"), ("east_deg", "<f8"), ("heading_deg", "<f8"),
     ("long_m", "<f8"), ("begun_m", "<f8"), ("speed_m_s", "<f8")]
)  # fmt: skip

# What is sent, and when. Frame n is of player n modulo `players`. Of the `sayings` of the round number n is said in
# room n modulo `rooms`, by its speaker: they are the lines after those of the players. `said` is how many came before.
PLAN = np.dtype(
    [("start_ns", "<i8"), ("base_us", "<i8"), ("give_up_ns", "<i8"), ("frames", "<i8"), ("players", "<i8"),
     ("records", "<i8"), ("step_ns", "<f8"), ("frame_ns", "<f8"), ("ack_share", "<f8"), ("sayings", "<i8"),
     ("said", "<i8"), ("rooms", "<i8"), ("room_size", "<i8"), ("saying_ns", "<f8"), ("seed", "<u8")]
)  # fmt: skip

COUNTS = (
    "fixes", "said", "sent", "asked", "answered", "timed", "delivered", "surroundings", "surroundings_bytes", "texts",
    "texts_bytes", "pings", "closes", "cuts", "strange", "malformed", "held_back", "kept_count", "lags", "last_ns",
)  # fmt: skip

# What came of a round, and the buffers of the loop. `kept` has the first texts and close frames.
STATE = np.dtype(
    [*((name, "<i8") for name in COUNTS), ("reasons", "<i8", REASONS_MAX), ("kept", "u1", (KEPT_MAX, KEPT_BYTES)),
     ("clock", "<i8", 2), ("inbox", "u1", INBOX_BYTES)]
)  # fmt: skip

_HEAD, _SKIP, _RECORDS = 0, 1, 2
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_FIN, _MASKED = 0x80, 0x80
_LENGTH_2, _LENGTH_8 = 126, 127
_EAGAIN, _EINTR = 11, 4
_AT_ONCE = 0x4040  # MSG_DONTWAIT and MSG_NOSIGNAL of Linux
_CLOCK_MONOTONIC = 1
_EPOLL_DEL = 2
_BURST = 32
_OF_2_53 = 2.0**-53
_SECOND_NS = 1_000_000_000
_VERDICT_BYTES = VERDICT.itemsize
_HEADER_BYTES = HEADER.size
# How a text that was said, and the answer to who said it, are known among others.
_SAID, _SENT = (np.frombuffer(mark, np.uint8) for mark in (b'"text":"', b'"type":"chat.sent"'))
_DIGIT_0 = 48
_ACCURACY_DM = 50
_DEGREE_M = 111_195.0
_MICROS = 1_000

# Numba's 32-bit words of one epoll event, and which of them holds the descriptor: Linux packs it on x86 alone.
EVENT_WORDS, _EVENT_FD = (3, 1) if platform.machine() == "x86_64" else (4, 2)

_new_pointer: Any = types.CPointer
_bytes, _words, _longs = (_new_pointer(kind) for kind in (types.uint8, types.int32, types.int64))


def _libc(name: str, *signature: Any) -> Any:
    """A function of the C library that kernels can call: what it gives, then what it takes."""
    return types.ExternalFunction(name, signature[0](*signature[1:]))


_clock_gettime = _libc("clock_gettime", types.int32, types.int32, _longs)
_nanosleep = _libc("nanosleep", types.int32, _longs, _longs)
_send = _libc("send", types.intp, types.int32, _bytes, types.intp, types.int32)
_recv = _libc("recv", types.intp, types.int32, _bytes, types.intp, types.int32)
_epoll_wait = _libc("epoll_wait", types.int32, types.int32, _words, types.int32, types.int32)
_epoll_ctl = _libc("epoll_ctl", types.int32, types.int32, types.int32, types.int32, _words)


def errno_here() -> Any:
    """The C library's `errno` of this thread, int32 (1,): kernels read there why a call failed."""
    where = ctypes.CDLL(None).__errno_location
    where.restype = ctypes.POINTER(ctypes.c_int)
    return np.ctypeslib.as_array(where(), shape=(1,))


@inner_kernel
def now_ns(state: Any) -> int:
    """The monotonic clock."""
    _clock_gettime(_CLOCK_MONOTONIC, state.clock.ctypes)
    return int(state.clock[0] * _SECOND_NS + state.clock[1])


@kernel
def walked(street: Any, time_us: int) -> tuple[float, float, float]:
    """Where the walker of a street is at a time, in degrees, and where it heads."""
    along_m = (street.begun_m + street.speed_m_s * 1e-6 * time_us) % (2 * street.long_m)
    heading_deg = street.heading_deg
    if along_m > street.long_m:
        along_m = 2 * street.long_m - along_m
        heading_deg = (heading_deg + 180.0) % 360.0
    return street.lat_deg + along_m * street.north_deg, street.lng_deg + along_m * street.east_deg, heading_deg


@kernel
def drive(
    epoll: int, plan: Any, lines: Any, line_of_fd: Any, streets: Any, frame: Any, records: Any, sayings: Any,
    number_at: int, events: Any, state: Any, latencies_s: Any, lags_s: Any, delays_s: Any, errno: Any,
) -> None:  # fmt: skip
    """One round: everything of the plan is sent when it is due, and everything is read until the last answer is there.

    An open loop: what is due while others are sent late follows at once. `records` are part of `frame`.
    `sayings` has the frame of each room's speaker, in which the number of what is said begins at `number_at`.
    `errno` is that of `errno_here`, by the same thread.
    """
    frames, said = 0, 0
    random = plan.seed
    while True:
        now = now_ns(state)
        burst = 0
        while burst < _BURST and frames < plan.frames:
            due_ns = plan.start_ns + int(frames * plan.frame_ns)
            if due_ns > now:
                break
            i = frames % plan.players
            is_last = frames >= plan.frames - plan.players
            random = fill(records, streets[i], lines[i], plan, due_ns, is_last, random, state)
            state.fixes += plan.records * send(lines[i], frame, 0, len(frame), state, errno)
            now = now_ns(state)
            note(lags_s, state.lags, now - due_ns)
            state.lags += 1
            frames += 1
            burst += 1
        while said < plan.sayings and plan.start_ns + int(said * plan.saying_ns) <= now:
            room = said % plan.rooms
            write_number(sayings[room], number_at, plan.said + said)
            state.said += send(lines[plan.players + room], sayings[room], 0, sayings.shape[1], state, errno)
            said += 1
        ready = _epoll_wait(epoll, events.ctypes, EVENTS_MAX, 0)
        for e in range(ready):
            line = lines[line_of_fd[events[e * EVENT_WORDS + _EVENT_FD]]]
            receive(line, plan, state, latencies_s, delays_s, errno)
            if line.cut != 0:
                _epoll_ctl(epoll, _EPOLL_DEL, line.fd, events.ctypes)
        if frames == plan.frames and said == plan.sayings:
            all_told = state.sent >= state.said and state.delivered >= state.said * plan.room_size
            if (all_told and state.answered == state.asked) or now > plan.give_up_ns:
                return
        if burst < _BURST and ready < EVENTS_MAX:
            state.clock[0], state.clock[1] = 0, TICK_NS
            _nanosleep(state.clock.ctypes, state.clock.ctypes)


@inner_kernel
def fill(
    records: Any, street: Any, line: Any, plan: Any, due_ns: int, is_last: bool, random: Any, state: Any
) -> Any:  # fmt: skip
    """Writes the fixes of one frame, the last one of the time when it is due; gives the next random state.

    The last frame of a player in a round always asks for the verdict on its last fix: then it is known when all are
    judged. As all players do so at once, its verdicts are not timed: they are due at 0.
    """
    for r in range(plan.records):
        time_us = plan.base_us + int(due_ns - (plan.records - 1 - r) * plan.step_ns) // _MICROS
        lat_deg, lng_deg, heading_deg = walked(street, time_us)
        random ^= random << np.uint64(13)  # xorshift64. Source: G. Marsaglia, Journal of Statistical Software 8 (2003)
        random ^= random >> np.uint64(7)
        random ^= random << np.uint64(17)
        asks = (random >> np.uint64(11)) * _OF_2_53 < plan.ack_share or (is_last and r == plan.records - 1)
        asks = asks and line.cut == 0 and line.asked - line.answered < OWED_MAX
        record = records[r]
        record.time_us = time_us
        record.lat_e7 = round(lat_deg * 1e7)
        record.lng_e7 = round(lng_deg * 1e7)
        record.accuracy_dm = _ACCURACY_DM
        record.speed_cm_s = round(100 * street.speed_m_s)
        record.heading_cdeg = int(heading_deg * 100)
        record.flags = FLAG_ACK * asks
        if asks:
            line.fix_us[line.asked % OWED_MAX] = time_us
            line.due_ns[line.asked % OWED_MAX] = 0 if is_last else due_ns
            line.asked += 1
            state.asked += 1
    return random


@inner_kernel
def note(column: Any, i: int, taken_ns: int) -> None:
    """Keeps a time in seconds, while there is room; the reader sees by the count that there was too little."""
    if i < len(column):
        column[i] = 1e-9 * taken_ns


@kernel
def write_number(frame: Any, at: int, number: int) -> None:
    """Writes a number with all its digits."""
    for i in range(SAID_DIGITS - 1, -1, -1):
        frame[at + i] = _DIGIT_0 + number % 10
        number //= 10


@inner_kernel
def send(line: Any, frame: Any, at: int, end: int, state: Any, errno: Any) -> int:
    """Hands a frame to the kernel; 1 when it is under way. One that comes while another is stuck is lost."""
    if line.cut != 0:
        return 0
    if line.unsent > 0:
        done = max(0, _send(line.fd, line.rest.ctypes, line.unsent, _AT_ONCE))
        for b in range(line.unsent - done):
            line.rest[b] = line.rest[b + done]
        line.unsent -= done
        if line.unsent > 0:
            state.held_back += 1
            return 0
    done = _send(line.fd, frame[at:].ctypes, end - at, _AT_ONCE)
    if done < 0:
        if errno[0] != _EAGAIN and errno[0] != _EINTR:
            return 0  # reading from it tells that it is over
        done = 0
    line.unsent = end - at - done
    for b in range(line.unsent):
        line.rest[b] = frame[at + done + b]
    return 1


@kernel
def receive(line: Any, plan: Any, state: Any, latencies_s: Any, delays_s: Any, errno: Any) -> None:
    """Reads what a socket has, and takes the messages in it; what of the last one is missing yet is kept for later."""
    while line.cut == 0:
        begin = MARGIN_BYTES + line.have
        for b in range(line.have):
            state.inbox[MARGIN_BYTES + b] = line.carry[b]
        room = INBOX_BYTES - begin
        done = _recv(line.fd, state.inbox[begin:].ctypes, room, _AT_ONCE)
        if done < 0 and (errno[0] == _EAGAIN or errno[0] == _EINTR):
            return
        if done <= 0:
            line.cut = 1
            state.cuts += 1
            state.asked -= line.asked - line.answered
            line.answered = line.asked
            return
        end = begin + done
        at = parse(line, plan, state, end, latencies_s, delays_s, now_ns(state), errno)
        line.have = end - at
        for b in range(line.have):
            line.carry[b] = state.inbox[at + b]
        if done < room:
            return


@inner_kernel
def parse(
    line: Any, plan: Any, state: Any, end: int, latencies_s: Any, delays_s: Any, now: int, errno: Any
) -> int:  # fmt: skip
    """Takes the messages in the inbox up to `end`; gives where the first byte stands that needs those after it."""
    at = MARGIN_BYTES
    while at < end:
        if line.mode == _SKIP:
            taken = min(line.left, end - at)
            line.left -= taken
            at += taken
        elif line.mode == _RECORDS:
            if end - at < _VERDICT_BYTES:
                return at
            take_verdict(line, state, at, latencies_s, now)
            line.left -= _VERDICT_BYTES
            at += _VERDICT_BYTES
        else:
            taken = take_head(line, plan, state, at, end, delays_s, now, errno)
            if taken == 0:
                return at
            at += taken
        if line.left == 0:
            line.mode = _HEAD
    return at


@inner_kernel
def take_head(
    line: Any, plan: Any, state: Any, at: int, end: int, delays_s: Any, now: int, errno: Any
) -> int:  # fmt: skip
    """Takes the head of a message, or the whole of a short one; gives how many bytes, 0 when too few are there."""
    if end - at < 2:
        return 0
    inbox = state.inbox
    length = int(inbox[at + 1])
    head = 4 if length == _LENGTH_2 else 10 if length == _LENGTH_8 else 2
    if end - at < head:
        return 0
    if head > 2:
        length = 0
        for b in range(2, head):
            length = (length << 8) | int(inbox[at + b])
    if inbox[at] < _FIN or inbox[at + 1] >= _MASKED:
        state.malformed += 1
    kind = inbox[at] & 0x0F
    if kind == _BINARY and length >= _HEADER_BYTES:
        if end - at < head + _HEADER_BYTES:
            return 0
        take_packed(line, state, at + head, length)
        return head + _HEADER_BYTES
    if length <= CARRY_BYTES - head:
        if end - at < head + length:
            return 0
        take_whole(line, plan, kind, state, at + head, at + head + length, delays_s, now, errno)
        return head + length
    state.texts += kind == _TEXT
    state.texts_bytes += length * (kind == _TEXT)
    state.malformed += kind != _TEXT
    line.mode, line.left = _SKIP, length
    return head


@inner_kernel
def take_packed(line: Any, state: Any, at: int, length: int) -> None:
    """Takes the header of a packed frame; what follows is read as verdicts, or skipped."""
    inbox = state.inbox
    line.mode, line.left = _SKIP, length - _HEADER_BYTES
    if inbox[at] == SURROUNDINGS:
        state.surroundings += 1
        state.surroundings_bytes += length
    elif inbox[at] == VERDICTS and line.left == _VERDICT_BYTES * (int(inbox[at + 2]) | int(inbox[at + 3]) << 8):
        line.mode = _RECORDS
    else:
        state.malformed += 1


@inner_kernel
def take_verdict(line: Any, state: Any, at: int, latencies_s: Any, now: int) -> None:
    """Takes one verdict. Those that were asked for come in the order of their fixes; others are refusals."""
    inbox = state.inbox
    time_us = 0
    for b in range(8):
        time_us |= int(inbox[at + b]) << (8 * b)
    is_refusal = inbox[at + 8] == 0
    if is_refusal:
        state.reasons[inbox[at + 9]] += 1
    next_owed = line.answered % OWED_MAX
    if line.answered < line.asked and line.fix_us[next_owed] == time_us:
        if line.due_ns[next_owed] > 0:
            note(latencies_s, state.timed, now - line.due_ns[next_owed])
            state.timed += 1
        line.answered += 1
        state.answered += 1
        state.last_ns = now
    elif not is_refusal:
        state.strange += 1


@inner_kernel
def end_of(mark: Any, inbox: Any, at: int, end: int) -> int:
    """Where the first such mark ends in what is from `at` to `end`; -1 when there is none."""
    first = mark[0]
    for begin in range(at, end - len(mark) + 1):
        if inbox[begin] == first:
            i = 1
            while i < len(mark) and inbox[begin + i] == mark[i]:
                i += 1
            if i == len(mark):
                return begin + i
    return -1


@inner_kernel
def take_said(line: Any, plan: Any, state: Any, at: int, end: int, delays_s: Any, now: int) -> None:
    """Takes what a member heard, whose number begins at `at`: every saying of its room comes once, in order."""
    number = 0
    for i in range(at, min(at + SAID_DIGITS, end)):
        number = 10 * number + int(state.inbox[i]) - _DIGIT_0
    next_one = line.heard * plan.rooms + line.room
    if number != plan.said + next_one:
        state.strange += 1
        return
    note(delays_s, state.delivered, now - (plan.start_ns + int(next_one * plan.saying_ns)))
    line.heard += 1
    state.delivered += 1
    state.last_ns = now


@inner_kernel
def take_whole(
    line: Any, plan: Any, kind: int, state: Any, at: int, end: int, delays_s: Any, now: int, errno: Any
) -> None:  # fmt: skip
    """Takes a message that is there to its end. Pings are answered; of what nobody waits for the first few are kept."""
    inbox = state.inbox
    if kind == _PING:
        state.pings += 1
        inbox[at - 6], inbox[at - 5] = _FIN | _PONG, _MASKED | (end - at)
        inbox[at - 4 : at] = 0
        send(line, inbox, at - 6, end, state, errno)
        return
    if kind == _PONG:
        return
    if kind == _TEXT and plan.sayings > 0:
        number_at = end_of(_SAID, inbox, at, end)
        if number_at >= 0:
            if line.room >= 0:
                take_said(line, plan, state, number_at, end, delays_s, now)
            return  # a speaker hears itself
        if end_of(_SENT, inbox, at, end) >= 0:
            state.sent += 1
            return
    if kind == _TEXT:
        state.texts += 1
        state.texts_bytes += end - at
    elif kind == _CLOSE:
        state.closes += 1
    else:
        state.malformed += 1
    if state.kept_count < KEPT_MAX:
        for b in range(min(end - at, KEPT_BYTES)):
            state.kept[state.kept_count, b] = inbox[at + b]
        state.kept_count += 1
