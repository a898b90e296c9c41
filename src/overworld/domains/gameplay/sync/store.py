"""The devices that tell of actions without a network. Everything here is done under the locks of the players' rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.gameplay.sync.types import Device, Place
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.ports import Tx

Known = tuple[UUID, bytes]
"""A player and the hash of a device's name."""

_DEVICES = """
SELECT player_id, device, boot, sent_ms, sent_at, acted_ms, acted_at, lat_deg, lng_deg, place_at
FROM gameplay.sync_device
WHERE player_id = ANY($1::uuid[]) AND sent_at > $2"""


async def devices(tx: Tx, player_ids: Iterable[UUID], *, since: datetime) -> dict[UUID, dict[bytes, Device]]:
    """The devices of players that have called since an instant, by the hashes of their names. One round trip."""
    found: dict[UUID, dict[bytes, Device]] = defaultdict(dict)
    for row in await tx.fetch(_DEVICES, list(player_ids), since):
        found[row["player_id"]][row["device"]] = _device(row)
    return found


_WRITE = """
INSERT INTO gameplay.sync_device
SELECT * FROM unnest(
    $1::uuid[], $2::bytea[], $3::bytea[], $4::bigint[], $5::timestamptz[], $6::bigint[], $7::timestamptz[],
    $8::double precision[], $9::double precision[], $10::timestamptz[]
)
ON CONFLICT (player_id, device) DO UPDATE SET
    boot = excluded.boot, sent_ms = excluded.sent_ms, sent_at = excluded.sent_at, acted_ms = excluded.acted_ms,
    acted_at = excluded.acted_at, lat_deg = excluded.lat_deg, lng_deg = excluded.lng_deg,
    place_at = excluded.place_at"""


async def write(tx: Tx, known: Mapping[Known, Device]) -> None:
    """Keeps what is known of devices now. One round trip, none for nothing."""
    if not known:
        return
    rows = sorted(known.items(), key=lambda one: one[0])
    places = [device.place for _, device in rows]
    await tx.execute(
        _WRITE,
        [player_id for (player_id, _), _ in rows],
        [name for (_, name), _ in rows],
        [device.boot for _, device in rows],
        [device.sent_ms for _, device in rows],
        [from_us(device.sent_us) for _, device in rows],
        [device.acted_ms for _, device in rows],
        [from_us(device.acted_us) for _, device in rows],
        [None if place is None else place.lat_deg for place in places],
        [None if place is None else place.lng_deg for place in places],
        [None if place is None else from_us(place.at_us) for place in places],
    )


_FORGET = """
DELETE FROM gameplay.sync_device WHERE (player_id, device) IN (
    SELECT player_id, device FROM gameplay.sync_device WHERE sent_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)"""


async def forget(tx: Tx, before: datetime, *, rows_max: int) -> int:
    """Drops devices that have not called since, at most `rows_max`; gives how many. It waits for nobody."""
    return int((await tx.execute(_FORGET, before, rows_max)).rpartition(" ")[2])


def _device(row: Any) -> Device:
    place = None if row["place_at"] is None else Place(row["lat_deg"], row["lng_deg"], to_us(row["place_at"]))
    return Device(
        boot=row["boot"],
        sent_ms=row["sent_ms"],
        sent_us=to_us(row["sent_at"]),
        acted_ms=row["acted_ms"],
        acted_us=to_us(row["acted_at"]),
        place=place,
    )
