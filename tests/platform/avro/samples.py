"""An event to be encoded, and the codec of what is released."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from overworld.domains.gameplay.messages import LevelReached
from overworld.kernel.events import enclose
from overworld.platform.avro import Codec, Released, SingleObject

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
RELEASED = Released()
CODEC = Codec(RELEASED, SingleObject(RELEASED))
LEVEL = enclose(
    LevelReached(player_id=UUID(int=7), level=2, level_before=1, experience=50), id=UUID(int=1), at=AT, game="d1"
)
