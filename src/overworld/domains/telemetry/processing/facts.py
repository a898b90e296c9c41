"""What the platform's domains published, made into columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from overworld.domains.telemetry.processing import shaping
from overworld.domains.telemetry.processing.columns import Columns
from overworld.domains.telemetry.processing.countries import Countries
from overworld.domains.telemetry.processing.pseudonyms import Pseudonyms
from overworld.geo import cells
from overworld.kernel.clock import to_us
from overworld.kernel.events import Envelope
from overworld.platform.columns.events import PLATFORM

# Whose event it is, the first that it has; where several people take part, the others keep a pseudonym each.
PLAYERS = ("player_id", "account_id", "from_id", "viewer_id", "owner_id")
PEOPLE = frozenset(
    {*PLAYERS, "by", "changed_by", "made_by", "payer_id", "placed_by", "to_id", "withdrawn_by"}  # of staff, mostly
)
# What tells who or exactly where somebody is, what somebody wrote, and figures that only other parts of us read.
DROPPED = frozenset(
    {
        "address",
        "cell",
        "data",
        "error",
        "event_key",
        "key_id",
        "lat_deg",
        "lng_deg",
        "note",
        "player_ids",
        "reached_us",
        "scores",
        "session_id",
        "shingle_ages_s",
        "shingles",
        "user_agent",
        "username",
        "webhook_id",
    }
)
EXPOSED = "events.flag.exposed"

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Facts:
    """Makes columns of the events of domains. Their ids are unique already, so they need no window."""

    def __init__(self, *, pseudonyms: Pseudonyms, countries: Countries, room_level: int) -> None:
        self._pseudonyms = pseudonyms
        self._countries = countries
        self._room_level = room_level
        self._shapes = shaping.Shapes()

    def made(self, events: Sequence[Envelope]) -> pa.RecordBatch:
        """The events as columns, aligned with them."""
        columns = Columns()
        at_us = np.array([to_us(event.at) for event in events], np.int64)
        for event in events:
            self._add(columns, event)
        columns.at = columns.received_us = at_us.tolist()
        rows = np.arange(len(events))
        return columns.batch(
            source=PLATFORM, at_us=at_us, rows=rows, room_level=self._room_level, countries=self._countries
        )

    def _add(self, columns: Columns, event: Envelope) -> None:
        fields = _decode(event.data)
        shape = self._shapes.of(fields)
        columns.ids.append(event.id.bytes)
        columns.names.append(event.topic)
        columns.places.append(shaping.place_of(shape, fields))
        columns.cells.append(_cell(fields.get("cell")))
        columns.values.append(shaping.value_of(shape, fields))
        player = next((fields[key] for key in PLAYERS if isinstance(fields.get(key), str)), None)
        columns.players.append(None if player is None else self._pseudonyms.of(player))
        columns.sessions.append(None)
        columns.platforms.append(None)
        columns.devices.append(None)
        columns.exposures.append([f"{fields['flag']}={fields['variant']}"] if event.topic == EXPOSED else [])
        columns.properties.append(shaping.encode(self._shown(fields)).decode())
        columns.weights.append(1)

    def _shown(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What of an event goes into the columns: people by their pseudonyms, in hexadecimal."""
        return {
            key: self._pseudonyms.of(value).hex() if key in PEOPLE and isinstance(value, str) else value
            for key, value in fields.items()
            if key not in DROPPED and value is not None
        }


def _cell(token: object) -> int:
    try:
        return cells.from_token(token) if isinstance(token, str) else 0
    except ValueError:
        return 0
