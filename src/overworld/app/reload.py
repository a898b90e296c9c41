"""Reads the settings again while players play, and puts in force what needs no restart."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from msgspec import structs

from overworld.app.settings import Settings
from overworld.app.settings_sources import BadSettings, Resolved
from overworld.domains.realtime.tls import ServerTls, TlsUnusable
from overworld.platform.http.edge import Edge
from overworld.platform.observability import configure_logs

AT_ONCE = frozenset({"log.level", "limits.account_per_min", "limits.admin_per_min", "limits.address_per_min"})


class Reload:
    """Call it to read the settings again.

    Only the keys in `AT_ONCE` change; of any other key that differs from the start the log says that it needs a
    restart. Settings that are wrong change nothing, and the log says what is wrong with them. The socket's certificate
    is read again too: a new one serves the connections that come from then on, one that is wrong changes nothing. So is
    the game's definition, by `definition`.
    """

    def __init__(
        self,
        started_with: Resolved[Settings],
        *,
        read: Callable[[], Resolved[Settings]],
        http: Edge,
        tls: ServerTls | None = None,
        definition: Callable[[], None] | None = None,
    ) -> None:
        self._started_with = started_with
        self._read = read
        self._http = http
        self._tls = tls
        self._definition = definition

    def __call__(self) -> None:
        self._renew_certificate()
        if self._definition is not None:
            self._definition()
        log = structlog.get_logger("overworld.settings")
        try:
            wanted = self._read()
        except BadSettings as bad:
            log.warning("settings not reloaded", faults=[str(fault) for fault in bad.faults])
            return
        started_with = self._started_with.values
        waiting = [key for key, value in wanted.values.items() if value != started_with[key] and key not in AT_ONCE]
        configure_logs(structs.replace(self._started_with.tree.log, level=wanted.tree.log.level))
        at_once = {key.removeprefix("limits."): wanted.values[key] for key in AT_ONCE if key.startswith("limits.")}
        self._http.limit(structs.replace(self._started_with.tree.limits, **at_once))
        log.warning("settings reloaded", needs_a_restart=sorted(waiting))

    def _renew_certificate(self) -> None:
        if self._tls is None:
            return
        log = structlog.get_logger("overworld.tls")
        try:
            self._tls.renew()
        except TlsUnusable as error:
            log.warning("certificate not renewed", fault=str(error))
        else:
            log.info("certificate read again")
