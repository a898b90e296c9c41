"""The columns of an event, as they travel from the processor to the store (Arrow) and lie in it (DuckDB, Parquet)."""

from __future__ import annotations

import pyarrow as pa

CLIENT = "client"
PLATFORM = "platform"
ID_BYTES = 16
NOBODY = "0" * 32  # an erased player in the properties of others' events

_WORD = pa.dictionary(pa.int32(), pa.string())
_INSTANT = pa.timestamp("us", tz="UTC")

SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.binary(ID_BYTES), nullable=False),
        pa.field("at", _INSTANT, nullable=False),
        pa.field("received_at", _INSTANT, nullable=False),
        pa.field("name", _WORD, nullable=False),
        pa.field("source", _WORD, nullable=False),
        pa.field("player", pa.binary(ID_BYTES)),
        pa.field("session", pa.string()),
        pa.field("cell", pa.uint64()),
        pa.field("country", _WORD),
        pa.field("platform", _WORD),
        pa.field("device", _WORD),
        pa.field("value", pa.float64()),
        pa.field("exposures", pa.list_(pa.string()), nullable=False),
        pa.field("properties", pa.string(), nullable=False),
        pa.field("weight", pa.int64(), nullable=False),
    ]
)
"""What a batch of events looks like.

`event_id` is the client's id, or one derived from the place in the log; `at` is when it happened by the server's clock
(a client's clock is corrected), `received_at` when it came in. `name` is an event's name or a domain topic, `source`
`CLIENT` or `PLATFORM`. `player` is a keyed pseudonym: BLAKE2b-128 of the player id under a secret of the installation.
`cell` is an S2 cell at the level `world.room_level`, `country` an ISO 3166-1 alpha-2 code, `device` a class (phone,
tablet, desktop, headset, server, other). `value` is the property `value`, or the amount. `exposures` are written
`flag=variant`; `properties` is a JSON object. `weight` is how many events this one stands for: more than 1 where only
some sessions are kept.
"""
