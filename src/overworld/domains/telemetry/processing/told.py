"""What clients told, made into columns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.telemetry.errors import BadEvents, TooLargeUnpacked
from overworld.domains.telemetry.processing import agents, shaping
from overworld.domains.telemetry.processing.columns import Columns, ids_of
from overworld.domains.telemetry.processing.countries import Countries
from overworld.domains.telemetry.processing.pseudonyms import ID_BYTES, Pseudonyms, uuid_bytes
from overworld.domains.telemetry.processing.schemas import Schemas
from overworld.domains.telemetry.processing.seen import SeenIds
from overworld.domains.telemetry.processing.sessions import Sessions
from overworld.domains.telemetry.reading import TEXT_LENGTH_MAX, Body, Fault, Incoming, read
from overworld.domains.telemetry.sampling import Sampling
from overworld.domains.telemetry.types import Parcel, Refused, Row, TelemetrySettings
from overworld.domains.telemetry.unpacking import unpacked
from overworld.geo.columns import I64, Bools
from overworld.kernel.clock import FIRST_US, LAST_US, to_us
from overworld.platform.columns.events import CLIENT
from overworld.platform.eventlog.types import Position

_log = logging.getLogger(__name__)

_DAY_US = 86_400_000_000
_CLOCK_TOLERANCE_US = 2_000_000
_NOT_TOLD_US = 0
_OURS = "events."  # how the topics of the platform's own facts begin
_NO_EXPOSURES: list[str] = []
_SAMPLED = Fault("sampled", "")


class Made(Struct, frozen=True, kw_only=True):
    """What rows came to: columns, events refused, and counts of the others."""

    batch: pa.RecordBatch
    refused: list[Refused]
    exposed: int
    repeated: int
    corrected: int
    sampled: int


class _Parcel(Struct, frozen=True):
    """A request whose events are gathered: the first of them is event `first` of the row at `place`."""

    place: Position
    first: int
    parcel: Parcel
    player: bytes | None
    machine: agents.Machine
    sent_us: int


class _Gathered(Struct):
    """Columns, and aligned with them where each event came from; beside them what was refused already."""

    columns: Columns
    parcels: list[_Parcel]
    parcel: list[int]
    numbers: list[int]
    refused: list[Refused]
    sampled: int = 0


class Told:
    """Makes columns of what clients told. One of it does so for the whole product: it knows the ids that went by."""

    def __init__(
        self,
        *,
        pseudonyms: Pseudonyms,
        countries: Countries,
        schemas: Schemas,
        room_level: int,
        settings: TelemetrySettings,
    ) -> None:
        self._schemas = schemas
        self._pseudonyms = pseudonyms
        self._countries = countries
        self._room_level = room_level
        self._settings = settings
        self._sampling = Sampling.of(settings.sampling) or None
        self._sessions = Sessions(pseudonyms, gap_s=settings.session_gap_s)
        self._shapes = shaping.Shapes()
        self._seen = SeenIds(kept_max=settings.ids_kept)

    def made(self, rows: Sequence[Row]) -> Made:
        """The rows' events: good ones as columns, the others with a reason. Takes some microseconds an event."""
        gathered = _Gathered(Columns(), [], [], [], [])
        for row in rows:
            first = 0
            for parcel in row.parcels:
                first += self._gather(gathered, row.place, parcel, first)
        columns = gathered.columns
        at_us, is_corrected = self._instants(gathered)
        is_late = at_us < np.array(columns.received_us, np.int64) - self._settings.late_days * _DAY_US
        self._refuse_late(gathered, np.flatnonzero(is_late).tolist())
        fresh = self._first_times(columns, is_late)
        kept = np.flatnonzero(fresh)
        self._name_sessions(columns, at_us, kept)
        batch = columns.batch(
            source=CLIENT, at_us=at_us, rows=kept, room_level=self._room_level, countries=self._countries
        )
        return Made(
            batch=batch,
            refused=gathered.refused,
            exposed=sum(1 for i in kept.tolist() if columns.exposures[i]),
            repeated=int(np.count_nonzero(~fresh & ~is_late)),
            corrected=int(np.count_nonzero(is_corrected & fresh)),
            sampled=gathered.sampled,
        )

    def _gather(self, into: _Gathered, place: Position, parcel: Parcel, first: int) -> int:
        """Adds a request's events, and gives how many numbers they took."""
        try:
            body = self._body(parcel)
        except (BadEvents, TooLargeUnpacked) as error:  # limits were lowered, or the row is damaged
            fault = Fault("unreadable", str(error.fields.get("reason", error)), parcel.body)
            into.refused.append(_refused(_Parcel(place, first, parcel, None, agents.NOWHERE, 0), first, fault))
            return 1
        of = _Parcel(
            place=place,
            first=first,
            parcel=parcel,
            player=None if parcel.player is None else self._pseudonyms.of_id(parcel.player),
            machine=agents.machine_of(parcel.agent),
            sent_us=parcel.received_us if body.sent_at is None else _us_of(body.sent_at),
        )
        faults: list[tuple[int, Fault]] = []
        before = len(into.numbers)
        for number, event in enumerate(body.events, first):
            found = event if isinstance(event, Fault) else self._tried(into.columns, event, of, number)
            if found is _SAMPLED:
                into.sampled += 1
            elif found is None:
                into.numbers.append(number)
            else:
                faults.append((number, found))
        into.parcel += [len(into.parcels)] * (len(into.numbers) - before)
        into.columns.received_us += [parcel.received_us] * (len(into.numbers) - before)
        into.parcels.append(of)
        self._refuse(into, of, faults)
        return len(body.events)

    def _body(self, parcel: Parcel) -> Body:
        return read(parcel.kind, unpacked(parcel.body, bytes_max=self._settings.unpacked_bytes_max))

    def _tried(self, columns: Columns, event: Incoming, of: _Parcel, number: int) -> Fault | None:
        """As `_add`. What nobody has thought of spoils its own event, and stops no other one for ever."""
        try:
            return self._add(columns, event, of, number)
        except Exception as error:
            _log.warning("an event could not be processed: %r", error)
            return Fault("unreadable", repr(error)[:TEXT_LENGTH_MAX])

    def _add(self, columns: Columns, event: Incoming, of: _Parcel, number: int) -> Fault | None:
        """Adds one event to every column, or gives why not and adds nothing. It spends the event's properties.

        What is sampled away is `_SAMPLED`, no fault of anybody.
        """
        weight = 1 if self._sampling is None else self._sampling.weight_of(event, of.parcel.player)
        if not weight:
            return _SAMPLED
        if fault := self._schemas.fault_of(event):
            return fault
        properties = event.properties or {}
        shape = self._shapes.of(properties)
        player, machine, session = of.player, of.machine, event.session_id
        if player is None:
            named = event.player_id or event.distinct_id or (properties["distinct_id"] if shape.has_distinct else None)
            player = None if named is None or named == "" else self._pseudonyms.of(str(named)[:TEXT_LENGTH_MAX])
        if not session and shape.has_session:
            session = _text_or_none(properties["$session_id"])
        if shape.system or shape.kind:
            told = [_text_or_none(properties[key]) if key else None for key in (shape.system, shape.kind)]
            machine = agents.told(told[0], told[1], machine)
        spot = shaping.place_of(shape, properties)
        value = shaping.value_of(shape, properties)
        exposures = _NO_EXPOSURES
        if event.exposures or shape.exposures or event.event == shaping.CALLED:
            exposures = shaping.exposures_of(shape, properties, name=event.event, told=event.exposures)
        for key in shape.drops:
            del properties[key]
        text = shaping.encode(properties)
        if fault := self._fault_of(event, text):
            return fault
        event_id, shown = _event_id(event, player, of.place, number), text.decode()
        columns.ids.append(event_id)
        columns.at.append(event.timestamp)
        columns.names.append(event.event)
        columns.players.append(player)
        columns.sessions.append(session)
        columns.places.append(spot)
        columns.platforms.append(machine.platform)
        columns.devices.append(machine.device)
        columns.values.append(value)
        columns.exposures.append(exposures)
        columns.properties.append(shown)
        columns.weights.append(weight)
        return None

    def _fault_of(self, event: Incoming, properties: bytes) -> Fault | None:
        settings = self._settings
        if len(properties) > settings.properties_bytes_max:
            return Fault("too_large", f"The properties have more than {settings.properties_bytes_max} bytes")
        brackets = properties.count(b"{") + properties.count(b"[")
        if brackets > settings.depth_max and shaping.depth_of(properties) > settings.depth_max:
            return Fault("too_deep", f"The properties nest deeper than {settings.depth_max}")
        if not event.event.isprintable():
            return Fault("malformed", "The name has characters that cannot be shown")
        if event.event.startswith(_OURS):
            return Fault("reserved", f"Names that begin with {_OURS} are those of the platform's own facts")
        return None

    def _refuse(self, into: _Gathered, of: _Parcel, faults: Sequence[tuple[int, Fault]]) -> None:
        """Keeps refused events as they came: what was made of their properties is not what their client sent."""
        body = self._body(of.parcel) if faults else None
        for number, fault in faults:
            event = body.events[number - of.first] if body else None
            text = event.event if isinstance(event, Fault) else _text(event)
            into.refused.append(_refused(of, number, replace(fault, event=text)))

    def _refuse_late(self, gathered: _Gathered, late: Sequence[int]) -> None:
        fault = Fault("too_old", f"It is older than {self._settings.late_days} days")
        by_parcel: dict[int, list[tuple[int, Fault]]] = {}
        for i in late:
            by_parcel.setdefault(gathered.parcel[i], []).append((gathered.numbers[i], fault))
        for index, faults in by_parcel.items():
            self._refuse(gathered, gathered.parcels[index], faults)

    def _instants(self, gathered: _Gathered) -> tuple[I64, Bools]:
        """When events happened by our clock, and which were corrected.

        A client's clock is off by what lies between its sending and our receiving, when that is over 2 s; where it does
        not say when it sent, an event from the future happened when it came in. So does one without a time.
        """
        received = np.array(gathered.columns.received_us, np.int64)
        sent = np.array([of.sent_us for of in gathered.parcels], np.int64)[np.array(gathered.parcel, np.intp)]
        told = gathered.columns.at_us()
        off = received - sent
        off[np.abs(off) <= _CLOCK_TOLERANCE_US] = 0
        at = np.where(told == _NOT_TOLD_US, received, told + off)
        at = np.minimum(at, received)
        return np.maximum(at, FIRST_US), (at != told) & (told != _NOT_TOLD_US)

    def _first_times(self, columns: Columns, is_late: Bools) -> Bools:
        """Which events are kept: those that are neither too old nor there already."""
        fresh = np.zeros(len(columns), np.bool_)
        candidates = np.flatnonzero(~is_late)
        fresh[candidates] = self._seen.first_times(ids_of(columns)[candidates])
        return fresh

    def _name_sessions(self, columns: Columns, at_us: I64, kept: np.ndarray[Any, np.dtype[np.intp]]) -> None:
        for i in kept.tolist():
            player = columns.players[i]
            if columns.sessions[i] is None and player is not None:
                columns.sessions[i] = self._sessions.of(player, int(at_us[i]))


def _event_id(event: Incoming, player: bytes | None, place: Position, number: int) -> bytes:
    """The client's id where it is a UUID; else one of the player and the client's id; else one of its place."""
    told = event.event_id or event.uuid
    if not told:
        return _hashed(b"place", f"{place.stamp} {place.id} {number}".encode())
    return uuid_bytes(told) or _hashed(player or b"", told.encode())


def _hashed(kind: bytes, text: bytes) -> bytes:
    return blake2b(kind + b"\x00" + text, digest_size=ID_BYTES).digest()


def _text_or_none(value: object) -> str | None:
    return value[:TEXT_LENGTH_MAX] or None if isinstance(value, str) else None


def _us_of(at: datetime) -> int:
    us = to_us(at if at.tzinfo is not None else at.replace(tzinfo=UTC))
    return min(max(us, FIRST_US), LAST_US)


def _refused(of: _Parcel, number: int, fault: Fault) -> Refused:
    return Refused(
        place=of.place,
        number=number,
        reason=fault.reason,
        detail=fault.detail.replace("\x00", ""),
        received_us=of.parcel.received_us,
        sent_us=of.sent_us or None,
        player=of.parcel.player,
        agent=of.parcel.agent.replace("\x00", ""),
        event=fault.event,
    )


def _text(event: Incoming | None) -> bytes:
    """An event's JSON, what was not told left out; a description of what has none."""
    fields = {} if event is None else msgspec.structs.asdict(event)
    try:
        return shaping.encode({key: value for key, value in fields.items() if value is not None})
    except (ValueError, OverflowError, RecursionError) as error:
        return shaping.encode({"event": event.event if event else "", "not_shown": repr(error)})
