"""The HTTP side: signing in, keeping the access token fresh, and typed calls."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from overworld.client.errors import Refused, Unreachable
from overworld.client.game import Item, Leaderboard, Quest, QuestDone, Tool, ToolChanged, Used
from overworld.client.messages import Collected, Fix, Page, Session, Start, User, Verdict
from overworld.kernel.clock import Clock, SystemClock

T = TypeVar("T")

_REFRESH_S = 60.0
_ERROR_STATUS = 400


@cache
def trusted() -> ssl.SSLContext:
    """The authorities that httpx trusts, shared by all: each context of its own takes 30 ms and 0.8 MB."""
    return httpx.create_ssl_context()


class Api:
    """One player's calls. Sign in with `register`, `login` or `device`; the token is then refreshed by itself.

    Every call raises Refused for the server's refusals and Unreachable when there is no answer. `tls` says whom to
    trust at `https` addresses; else it is who httpx trusts.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_s: float = 10.0,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        headers = {"Overworld-Key": key} if key else {}
        try:
            self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout_s, verify=tls or trusted())
        except httpx.InvalidURL as error:
            raise Unreachable(f"{url} is no address: {error}") from error
        self._clock = clock or SystemClock()
        self._session: Session | None = None
        self._expires_s = 0.0
        self._refreshing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; the session stays valid on the server."""
        await self._http.aclose()

    @property
    def session(self) -> Session:
        """The session in use. Raises: RuntimeError before signing in."""
        if self._session is None:
            raise RuntimeError("sign in first")
        return self._session

    async def register(self, *, email: str, username: str, password: str) -> Session:
        """Makes an account and signs in."""
        return await self._sign_in("register", {"email": email, "username": username, "password": password})

    async def login(self, *, email: str, password: str) -> Session:
        """Signs in."""
        return await self._sign_in("login", {"email": email, "password": password})

    async def device(self, device_id: str, *, username: str | None = None) -> Session:
        """Signs in with a device's own secret, making its account the first time."""
        body = {"device_id": device_id} if username is None else {"device_id": device_id, "username": username}
        return await self._sign_in("device", body)

    async def refresh(self) -> Session:
        """Exchanges the refresh token for new tokens."""
        return await self._sign_in("refresh", {"refresh_token": self.session.refresh_token})

    async def access_token(self) -> str:
        """A token that lasts at least a while longer; refreshed first when it would not. Safe to call at once."""
        async with self._refreshing:
            lasting_s = min(_REFRESH_S, self.session.expires_in / 2)
            if self._expires_s - self._clock.monotonic_s() < lasting_s:
                await self.refresh()
        return self.session.access_token

    async def me(self) -> User:
        """The player's own account."""
        return await self.call("GET", "/v1/users/me", reply=User)

    async def start(self) -> Start:
        """Where the socket is, and what a client has to know of the game."""
        return await self.call("GET", "/v1/start", reply=Start)

    async def update_location(self, fix: Fix) -> Verdict:
        """Reports a fix and waits for its verdict."""
        return await self.call("POST", "/v1/location/update", body=fix, reply=Verdict)

    async def collect(self, collectible_id: str, *, key: str) -> Collected:
        """Claims a collectible; the same key again gives the same answer."""
        path = f"/v1/game/collectibles/{quote(collectible_id, safe='')}/collect"
        return await self.call("POST", path, body={}, idempotency_key=key, reply=Collected)

    async def inventory(self, *, cursor: str | None = None) -> Page[Item]:
        """What the player carries: stacks by type, and unique items one by one."""
        params: dict[str, str | int | float] = {} if cursor is None else {"cursor": cursor}
        return await self.call("GET", "/v1/game/inventory", params=params, reply=Page[Item])

    async def use(self, item_id: str, *, key: str) -> Used:
        """Uses an item once; the same key again gives the same answer."""
        return await self._play(f"items/{quote(item_id, safe='')}/use", key=key, reply=Used)

    async def tools(self) -> list[Tool]:
        """The player's tools, the one in hand first."""
        return (await self.call("GET", "/v1/game/tools", reply=Page[Tool])).items

    async def equip(self, tool_id: str, *, key: str) -> ToolChanged:
        """Takes a tool in hand."""
        return await self._play(f"tools/{quote(tool_id, safe='')}/equip", key=key, reply=ToolChanged)

    async def upgrade(self, tool_id: str, *, level: int, key: str) -> ToolChanged:
        """Pays for lifting a tool to a level; `success` says whether chance let it."""
        path = f"tools/{quote(tool_id, safe='')}/upgrade"
        return await self._play(path, body={"level": level}, key=key, reply=ToolChanged)

    async def quests(self) -> list[Quest]:
        """The quests that the player can begin, has in hand, or has done in this run of them."""
        found: list[Quest] = []
        cursor: str | None = None
        while True:
            params: dict[str, str | int | float] = {} if cursor is None else {"cursor": cursor}
            page = await self.call("GET", "/v1/game/quests", params=params, reply=Page[Quest])
            found += page.items
            cursor = page.cursor
            if cursor is None:
                return found

    async def begin(self, quest: str) -> Quest:
        """Begins a quest."""
        return await self.call("POST", f"/v1/game/quests/{quote(quest, safe='')}/start", body={}, reply=Quest)

    async def complete(self, quest: str, *, key: str) -> QuestDone:
        """Takes the rewards of a quest whose objectives are met."""
        return await self._play(f"quests/{quote(quest, safe='')}/complete", key=key, reply=QuestDone)

    async def leaderboard(self, board: str = "global", *, around_me: bool = False, limit: int = 50) -> Leaderboard:
        """The best places of a board, or those around the player's own."""
        params: dict[str, str | int | float] = {"board": board, "limit": limit}
        if around_me:
            params["around"] = "me"
        return await self.call("GET", "/v1/game/leaderboard", params=params, reply=Leaderboard)

    async def call(
        self,
        method: str,
        path: str,
        *,
        reply: type[T],
        body: Any = None,
        params: dict[str, str | int | float] | None = None,
        idempotency_key: str | None = None,
    ) -> T:
        """Any call of the API as the signed-in player, decoded to `reply`."""
        headers = {"Authorization": f"Bearer {await self.access_token()}"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return await self._request(method, path, reply=reply, body=body, params=params, headers=headers)

    async def _play(self, path: str, *, key: str, reply: type[T], body: Any = None) -> T:
        return await self.call("POST", f"/v1/game/{path}", body=body or {}, idempotency_key=key, reply=reply)

    async def _sign_in(self, way: str, body: dict[str, str]) -> Session:
        asked_s = self._clock.monotonic_s()
        session = await self._request("POST", f"/v1/auth/{way}", body=body, reply=Session)
        self._session = session
        self._expires_s = asked_s + session.expires_in
        return session

    async def _request(
        self,
        method: str,
        path: str,
        *,
        reply: type[T],
        body: Any = None,
        params: dict[str, str | int | float] | None = None,
        headers: dict[str, str] | None = None,
    ) -> T:
        content = None if body is None else msgspec.json.encode(body)
        sent = {"Content-Type": "application/json"} if content is not None else {}
        try:
            response = await self._http.request(
                method, path, content=content, params=params, headers=sent | (headers or {})
            )
        except httpx.HTTPError as error:
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error
        try:
            if response.status_code >= _ERROR_STATUS:
                raise Refused(msgspec.json.decode(response.content, type=dict[str, Any]))
            return msgspec.json.decode(response.content, type=reply)
        except msgspec.DecodeError as error:
            raise Unreachable(f"{method} {path}: {response.status_code} with an unknown body ({error})") from error
