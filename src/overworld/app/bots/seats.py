"""Accounts for bots: each a new device of its own, signed in for as long as the run lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any, Self

import msgspec

from overworld.app.bots.pool import Pool
from overworld.client.messages import Session
from overworld.client.raw import SocketLine
from overworld.client.raw_http import Cut

_OK = (200, 201)
_TOO_MANY = 429
_RENEWED_AT = 0.7
_LOOK_EVERY_S = 1.0


class SeatRefused(Exception):
    """The server does not take a bot; the message says why, and what can be done."""

    @classmethod
    def of(cls, status: int, body: bytes) -> Self:
        """What an answer says."""
        try:
            problem: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            return cls(f"the server answered {status} {body[:200]!r}")
        said = f"{problem.get('title', status)} ({problem.get('code', status)})"
        if status == _TOO_MANY:
            return cls(
                f"the server takes no more bots: {said}. Its limits are meant for people: start it with "
                "OVERWORLD_LIMITS__ENABLED=false"
            )
        return cls(f"the server takes no bots: {said}")


class Seats:
    """Who is signed in. `tokens` are the access tokens that hold now, by bot."""

    def __init__(self, pool: Pool, *, run: str) -> None:
        self.tokens: dict[int, str] = {}
        self._pool = pool
        self._run = run
        self._refresh: dict[int, str] = {}
        self._renew_s: dict[int, float] = {}

    async def sign_in(self, bot: int) -> None:
        """Makes an account for a bot. Raises: SeatRefused; Cut; OSError."""
        await self._take("device", bot, {"device_id": f"bots-{self._run}-{bot}"})

    async def keep(self, lines: Mapping[int, SocketLine]) -> None:
        """Renews tokens long before they expire, and tells the sockets; until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now_s = monotonic()
            for bot in [bot for bot, at_s in self._renew_s.items() if at_s < now_s]:
                try:
                    await self._take("refresh", bot, {"refresh_token": self._refresh[bot]})
                except (SeatRefused, Cut, OSError):
                    self._renew_s[bot] = now_s + 10 * _LOOK_EVERY_S
                    continue
                if (line := lines.get(bot)) is not None:
                    line.send(msgspec.json.encode({"type": "auth", "token": self.tokens[bot]}))

    async def _take(self, way: str, bot: int, body: dict[str, str]) -> None:
        status, said = await self._pool.ask("POST", f"/v1/auth/{way}", body=msgspec.json.encode(body).decode())
        if status not in _OK:
            raise SeatRefused.of(status, said)
        session = msgspec.json.decode(said, type=Session)
        self.tokens[bot], self._refresh[bot] = session.access_token, session.refresh_token
        # A little earlier for some than for others, so that not all come at once.
        share = _RENEWED_AT - 0.2 * (bot % 100) / 100
        self._renew_s[bot] = monotonic() + share * session.expires_in
