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
from overworld.kernel.packed import HEADER, POSITION, POSITIONS, VERSION
from overworld.kernel.refusals import Refusal

_log = logging.getLogger(__name__)

_HEADER_BYTES = HEADER.size


class Ingest:
    """Gives the packed frames of connections to the world, each connection's through a reporter of its own.

    Where no `fixes` are taken, every packed frame is malformed.
    """

    def __init__(self, *, settings: RealtimeSettings, fixes: PackedFixes | None, ids: IdSource) -> None:
        self._fixes = fixes
        self._ids = ids
        self._count_max = settings.positions_per_frame_max
        # Kind, version and count follow from the length: one look-up and one comparison check them all.
        self._header_of = {
            _HEADER_BYTES + count * POSITION.itemsize: HEADER.pack(POSITIONS, VERSION, count)
            for count in (range(1, self._count_max + 1) if fixes is not None else ())
        }

    def packed(self, connection: Connection, payload: bytes) -> None:
        """Takes one packed frame. Refusals and bugs both become an `error`; nothing is raised."""
        try:
            if self._header_of.get(len(payload)) != payload[:_HEADER_BYTES]:
                connection.malformed(BadFrame(f"no packed frame of 1 to {self._count_max} fixes"))
                return
            reporter = connection.reporter
            if reporter is None:
                reporter = self._reporter(connection)
            reporter.put(payload)
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
        if self._fixes is None:
            raise BadFrame
        principal = required(connection, Scope.LOCATION_WRITE)
        own_timeline = principal.may(Scope.WORLD_REPLAY)
        connection.reporter = self._fixes.open(principal.account_id, own_timeline=own_timeline, tell=connection.tell)
        return connection.reporter
