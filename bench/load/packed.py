"""Players who stream packed fixes over the socket at a rate, and rooms whose members hear what a speaker says."""

from __future__ import annotations

import asyncio
import re
import select
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import cos, radians, sin
from random import Random
from time import monotonic_ns, time_ns
from typing import Any, Self

import msgspec
import numpy as np
from msgspec import Struct

from bench.load import loop
from bench.load.lines import BareLine, allow_files, masked
from bench.load.process import Tally
from bench.players import Seat
from overworld.domains.world.types import Reason
from overworld.kernel.packed import HEADER, POSITION, POSITIONS, VERSION

RECORDS_MAX = 16
MIDDLE_DEG = (48.137, 11.575)

_ANSWER_S = 15.0
_AT_ONCE = 200
_DEGREE_M = 111_195.0
_STREET_M = (150.0, 600.0)
_WALK_M_S = (0.9, 1.9)
_TEXT_CHARACTERS = 200
_SPARE, _SPARE_COUNT = 1.3, 1_000
_TEXT = ("0" * loop.SAID_DIGITS).ljust(_TEXT_CHARACTERS, "x")
_EXPECTED = re.compile(rb'\{"seq":\d+,"type":"(players\.nearby|coins\.nearby|around\.changed)"')


class Room(Struct, frozen=True, kw_only=True):
    """Members who stand together at a place, and a speaker among them; all of them hold the channel of the cell."""

    lat_deg: float
    lng_deg: float
    channel: str
    speaker: Seat
    members: Sequence[Seat]


class PackedPlan(Struct, frozen=True, kw_only=True):
    """What a generator of packed fixes needs. Every player sends a frame of `records` fixes whenever its turn comes.

    `per_s` is fixes a second of all players together, `ack_share` the share of them that ask for their verdict. They
    walk in a square of `city_km`. `listen` are the fields of `subscribe` that each sends after its first fix. Rooms
    are all of the same size and their channels of one length; `sayings_per_s` is of all speakers together.
    """

    realtime: str
    players: Sequence[Seat]
    records: int
    per_s: float
    ack_share: float
    city_km: float
    seed: int
    listen: dict[str, Any] | None = None
    rooms: Sequence[Room] = ()
    sayings_per_s: float = 0.0


class _Place(Struct, frozen=True):
    """Who is connected, what it listens to, and the street it walks or else where it stands.

    `room` is the number of the room that it is a member of, -1 for none.
    """

    seat: Seat
    listen: dict[str, Any] | None
    street: Any = None
    stands_deg: tuple[float, float] = (0.0, 0.0)
    room: int = -1


class PackedLoad:
    """All connections, and the columns of the compiled loop."""

    def __init__(self, plan: PackedPlan, streets: Any, opened: Sequence[BareLine], rooms: Sequence[int]) -> None:
        self._plan = plan
        self._opened = opened
        self._streets = streets
        self._epoll = select.epoll()
        self._lines = np.zeros(len(opened), loop.LINE)
        self._lines["room"] = rooms
        self._line_of_fd = np.zeros(max((line.socket.fileno() for line in opened), default=0) + 1, np.int64)
        self._state = np.zeros(1, loop.STATE)
        self._events = np.zeros(loop.EVENTS_MAX * loop.EVENT_WORDS, np.int32)
        self._frames = *_ready_frame(plan.records), *_ready_sayings(plan.rooms)
        self._errno = loop.errno_here()
        self._round = np.zeros(1, loop.PLAN)
        self._samples_s = {name: np.zeros(1) for name in ("latencies", "lags", "delays")}
        for i, line in enumerate(opened):
            fd = line.socket.fileno()
            self._lines[i]["fd"] = fd
            self._line_of_fd[fd] = i
            self._epoll.register(fd, select.EPOLLIN)

    @classmethod
    async def make(cls, plan: PackedPlan) -> Self:
        """Compiles the loop, connects everybody and subscribes. Raises: RuntimeError when the server does not agree."""
        streets = streets_of(len(plan.players), city_km=plan.city_km, seed=plan.seed)
        places = list(_places(plan, streets))
        allow_files(len(places))
        cls(plan, streets, [], [])._drive(0.0)  # while nobody waits for an answer to a ping
        turns = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as opening:
            tasks = [opening.create_task(_opened(plan, place, turns)) for place in places]
        return cls(plan, streets, [task.result() for task in tasks], [place.room for place in places])

    async def prepare(self, units: int) -> None:
        """Nothing: what a round needs depends on how long it takes."""

    async def round(self, seconds: float) -> None:
        """Walks and speaks for so long, and waits for the verdicts that are asked for and for every delivery."""
        self._drive(seconds)

    async def tally(self) -> Tally:
        """What came of the last round: deliveries where there are rooms, else fixes."""
        state = self._state[0]
        started_ns = int(self._round[0]["start_ns"])
        seconds = max(1e-9 * (int(state["last_ns"]) - started_ns), 1e-9)
        refusals = Counter({_reason(i): int(count) for i, count in enumerate(state["reasons"]) if count})
        latencies_s = self._taken("latencies", "timed")
        delays_s = self._taken("delays", "delivered")
        judged = int(state["fixes"]) - refusals.total()
        figures = self._heard(seconds) | {"lag_p99_ms": _ms(self._taken("lags", "lags"), 0.99)}
        if self._plan.rooms:
            figures |= {
                "updates_per_s": round(judged / seconds, 1),
                "verdict_p50_ms": _ms(latencies_s, 0.50),
                "verdict_p99_ms": _ms(latencies_s, 0.99),
            }
        return Tally(
            done=int(state["delivered"]) if self._plan.rooms else judged,
            seconds=seconds,
            latencies_s=(delays_s if self._plan.rooms else latencies_s).tolist(),
            refusals=refusals,
            figures=figures,
            faults=self._faults(refusals),
        )

    async def close(self) -> None:
        """Ends the connections."""
        self._epoll.close()
        for line in self._opened:
            line.socket.close()

    def _drive(self, seconds: float) -> None:
        plan, players = self._plan, len(self._plan.players)
        frames_per_s = plan.per_s / plan.records
        wanted = self._round[0]
        wanted["frames"] = int(seconds * frames_per_s) + players if seconds else 0
        wanted["said"] += wanted["sayings"]
        wanted["sayings"] = int(seconds * plan.sayings_per_s)
        wanted["players"], wanted["records"], wanted["ack_share"] = players, plan.records, plan.ack_share
        wanted["frame_ns"] = 1e9 / frames_per_s
        wanted["step_ns"] = 1e9 * players / plan.per_s
        wanted["rooms"] = max(len(plan.rooms), 1)
        wanted["room_size"] = len(plan.rooms[0].members) if plan.rooms else 0
        wanted["saying_ns"] = 1e9 / plan.sayings_per_s if plan.sayings_per_s else 0.0
        wanted["seed"] = Random(plan.seed).getrandbits(64) | 1
        self._make_room()
        # The first frames tell of the time before they are sent: it must lie behind the last fix so far.
        begins_ns = monotonic_ns() + int(wanted["step_ns"] * plan.records)
        wanted["start_ns"] = begins_ns
        wanted["base_us"] = (time_ns() - monotonic_ns()) // 1_000
        wanted["give_up_ns"] = begins_ns + int(1e9 * (seconds + _ANSWER_S)) if seconds else 0
        state = self._state[0]
        for name in loop.COUNTS:
            state[name] = 0
        state["reasons"] = 0
        self._lines["heard"] = 0
        state["asked"] = int((self._lines["asked"] - self._lines["answered"]).sum())
        samples_s = self._samples_s
        loop.drive(
            self._epoll.fileno(), wanted, self._lines, self._line_of_fd, self._streets, *self._frames,
            self._events, state, samples_s["latencies"], samples_s["lags"], samples_s["delays"], self._errno,
        )  # fmt: skip

    def _make_room(self) -> None:
        """Columns for what a round takes down, written to once, so that the loop need not wait for their memory."""
        wanted = self._round[0]
        fixes = int(wanted["frames"] * wanted["records"])
        sizes = {
            "latencies": fixes * self._plan.ack_share * _SPARE + _SPARE_COUNT,
            "lags": int(wanted["frames"]),
            "delays": int(wanted["sayings"] * wanted["room_size"]),
        }
        for name, size in sizes.items():
            self._samples_s[name] = np.full(int(size) + 1, np.nan)

    def _taken(self, name: str, count: str) -> Any:
        return self._samples_s[name][: int(self._state[0][count])]

    def _heard(self, seconds: float) -> dict[str, float]:
        """What each walker was told of those around it, on average."""
        state, seconds_of_all = self._state[0], seconds * len(self._plan.players)
        return {
            "surroundings_per_s": round(int(state["surroundings"]) / seconds_of_all, 2),
            "surroundings_bytes_per_s": round(int(state["surroundings_bytes"]) / seconds_of_all, 1),
        }

    def _faults(self, refusals: Counter[str]) -> list[str]:
        state, wanted = self._state[0], self._round[0]
        counted = {
            "verdicts did not come": state["asked"] - state["answered"],
            "sayings were not answered": state["said"] - state["sent"],
            "deliveries are missing": state["said"] * wanted["room_size"] - state["delivered"],
            "connections were cut": state["cuts"],
            "close frames came": state["closes"],
            "verdicts or sayings came that nobody waited for, or in another order": state["strange"],
            "messages were malformed": state["malformed"],
            "frames could not be sent, because the server did not read": state["held_back"],
            "latencies found no room": state["timed"] - len(self._samples_s["latencies"]),
        }
        faults = [f"{count} {what}" for what, count in counted.items() if count > 0]
        faults += [f"{count} fixes were refused as {reason}" for reason, count in refusals.items()]
        kept = (bytes(text).rstrip(b"\0") for text in state["kept"][: int(state["kept_count"])])
        return faults + [f"the server said {text!r}" for text in kept if not _EXPECTED.match(text)]


def streets_of(count: int, *, city_km: float, seed: int) -> Any:
    """So many streets of a city at random, each for one walker; along the axes of a grid, as streets often are."""
    random = Random(seed)
    streets = np.zeros(count, loop.STREET)
    for street in streets:
        lat_deg = MIDDLE_DEG[0] + (random.random() - 0.5) * 1_000 * city_km / _DEGREE_M
        lng_m = _DEGREE_M * cos(radians(lat_deg))
        street["lat_deg"] = lat_deg
        street["lng_deg"] = MIDDLE_DEG[1] + (random.random() - 0.5) * 1_000 * city_km / lng_m
        street["heading_deg"] = random.choice((20.0, 110.0, 200.0, 290.0))
        street["north_deg"] = cos(radians(street["heading_deg"])) / _DEGREE_M
        street["east_deg"] = sin(radians(street["heading_deg"])) / lng_m
        street["long_m"] = random.uniform(*_STREET_M)
        street["begun_m"] = random.uniform(0.0, 2 * street["long_m"])
        street["speed_m_s"] = random.uniform(*_WALK_M_S)
    return streets


def _places(plan: PackedPlan, streets: Any) -> Iterator[_Place]:
    """Everybody, in the order of the loop's lines: players, speakers, then the members of one room after the other."""
    for seat, street in zip(plan.players, streets, strict=True):
        yield _Place(seat, plan.listen, street=street)
    for room in plan.rooms:
        yield _Place(room.speaker, _of_room(room), stands_deg=(room.lat_deg, room.lng_deg))
    for i, room in enumerate(plan.rooms):
        for seat in room.members:
            yield _Place(seat, _of_room(room), stands_deg=(room.lat_deg, room.lng_deg), room=i)


def _of_room(room: Room) -> dict[str, Any]:
    return {"channels": [room.channel], "positions": "packed"}


async def _opened(plan: PackedPlan, place: _Place, turns: asyncio.Semaphore) -> BareLine:
    """The connection of somebody who is there."""
    async with turns:
        line = await BareLine.connect(plan.realtime, token=place.seat.token)
        now_us = time_ns() // 1_000
        lat_deg, lng_deg = place.stands_deg if place.street is None else loop.walked(place.street, now_us)[:2]
        at = datetime.fromtimestamp(now_us / 1e6, UTC)
        fix = {"lat": lat_deg, "lng": lng_deg, "accuracy_m": 5, "timestamp": at}
        await _ask(line, {"type": "location.update", "ack": True, "data": fix}, b'"accepted":true')
        if place.listen is not None:
            await _ask(line, {"type": "subscribe", **place.listen}, b'"refused":[]')
        return line


async def _ask(line: BareLine, message: dict[str, Any], wanted: bytes) -> None:
    answer = await line.ask(msgspec.json.encode({**message, "cid": "1"}), cid="1")
    if wanted not in answer:
        raise RuntimeError(f"{message} was answered {answer!r}")


def _ready_frame(records: int) -> tuple[Any, Any]:
    """A frame that only lacks its fixes, and the part of it where they go."""
    payload = HEADER.pack(POSITIONS, VERSION, records) + bytes(records * POSITION.itemsize)
    frame = np.frombuffer(bytearray(masked(payload, binary=True)), np.uint8)
    return frame, frame[len(frame) - records * POSITION.itemsize :].view(POSITION)


def _ready_sayings(rooms: Sequence[Room]) -> tuple[Any, int]:
    """A row for each room, the frame of its speaker without the number; and where in it the number begins."""
    frames = [
        masked(msgspec.json.encode({"type": "chat.message", "data": {"channel": room.channel, "text": _TEXT}}))
        for room in rooms
    ]
    if not frames:
        return np.zeros((0, 0), np.uint8), 0
    rows = np.array([np.frombuffer(frame, np.uint8) for frame in frames])
    return rows, frames[0].index(_TEXT.encode())


def _ms(taken_s: Any, share: float) -> float:
    return round(1e3 * float(np.quantile(taken_s, share)), 3) if len(taken_s) else 0.0


def _reason(number: int) -> str:
    """The name of a reason, or its number where there is no such reason."""
    return Reason(number).wire if number in set(Reason) else f"reason {number}"
