"""Packed fixes on their way in: a hundred thousand frames a second, each looked at once and handed on as it is."""

from __future__ import annotations

import logging
from http import HTTPStatus

from overworld.domains.realtime.connection import Connection
from overworld.domains.realtime.errors import BadFrame, Failed
from overworld.domains.realtime.permission import required
from overworld.domains.realtime.ports import PackedFixes, Reporter
from overworld.domains.realtime.types import RealtimeSettings
from overworld.kernel.identity import Scope
from overworld.kernel.ids import IdSource
from overworld.kernel.packed import HEADER, POSITION, POSITIONS
from overworld.kernel.refusals import Refusal

_log = logging.getLogger(__name__)


class Ingest:
    """Gives the packed frames of connections to the world, each connection's through a reporter of its own."""

    def __init__(self, *, settings: RealtimeSettings, fixes: PackedFixes, ids: IdSource) -> None:
        self._fixes = fixes
        self._ids = ids
        self._count_max = settings.positions_per_frame_max
        self._bytes_max = HEADER.size + self._count_max * POSITION.itemsize

    def packed(self, connection: Connection, payload: bytes, now_s: float) -> None:
        """Takes one packed frame that came now. Refusals and bugs both become an `error`; nothing is raised.

        Whether its length fits its count the reporter looks at, which must be sure of it.
        """
        try:
            if payload[0] != POSITIONS or len(payload) > self._bytes_max:
                connection.malformed(BadFrame(f"no packed frame of at most {self._count_max} fixes"))
                return
            reporter = connection.reporter
            if reporter is None:
                reporter = self._reporter(connection)
            reporter.put(payload, now_s)
        except Refusal as refusal:
            if refusal.status == HTTPStatus.BAD_REQUEST:
                connection.malformed(refusal)
            else:
                connection.refuse(refusal)
        except Exception:
            trace_id = self._ids().hex
            _log.exception("a packed frame failed", extra={"trace_id": trace_id})
            connection.refuse(Failed(), trace_id=trace_id)

    def _reporter(self, connection: Connection) -> Reporter:
        principal = required(connection, Scope.LOCATION_WRITE)
        own_timeline = principal.may(Scope.WORLD_REPLAY)
        connection.reporter = self._fixes.open(principal.account_id, own_timeline=own_timeline, tell=connection.tell)
        return connection.reporter
