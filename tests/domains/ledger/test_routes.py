"""Balances and histories as clients get them, behind the real edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from overworld.domains.ledger import build
from overworld.kernel.clock import SystemClock
from overworld.kernel.identity import Principal, Scope
from overworld.kernel.money import TransferKind
from overworld.kernel.refusals import Refusal
from overworld.platform.http import HttpSettings, LimitSettings, build_http, encode_cursor
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.domains.ledger.bank import AT, CURRENCIES, REFERENCE, A, B, Bank, mint, transfer, wallet


class TokenForged(Refusal):
    """The token is not one of ours."""

    code = "test.ledger_token_forged"
    status = 401


class Tokens:
    """A verifier whose tokens are account numbers; `-` before one is an account that may read nothing."""

    def verify(self, token: str) -> Principal:
        if not token.lstrip("-").isdigit():
            raise TokenForged
        scopes = frozenset[str]() if token.startswith("-") else frozenset({Scope.LEDGER_READ})
        return Principal(account_id=UUID(int=abs(int(token))), role="player", scopes=scopes)


class NoKeys:
    """No developer key is known."""

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


@pytest.fixture
async def ask(bank):
    """Asks as player A unless told otherwise."""
    app: Any = build_http(
        routes=build(database=bank.database, clock=SystemClock(), currencies=CURRENCIES).routes,
        verifier=Tokens(),
        keys=NoKeys(),
        limiter=MemoryLimiter(monotonic_s=SystemClock().monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:

        async def asked(path: str, *, bearer: str = "1", **query: Any) -> httpx.Response:
            return await client.get(f"/v1/tokens/{path}", params=query, headers={"authorization": f"Bearer {bearer}"})

        yield asked


async def test_a_balance_is_a_decimal_string_in_the_currencys_places(bank: Bank, ask):
    await bank.post(mint(A, 12_345), mint(A, 7, currency="gem"))
    reply = await ask("balance")
    assert (reply.status_code, reply.json()) == (
        200,
        {
            "items": [
                {"currency": "ore", "posted": "123.45", "pending": "0.00"},
                {"currency": "gem", "posted": "7", "pending": "0"},
            ]
        },
    )


async def test_a_new_player_holds_nothing_of_every_currency(ask):
    assert [item["posted"] for item in (await ask("balance")).json()["items"]] == ["0.00", "0"]


async def test_history_says_what_came_in_and_went_out(bank: Bank, ask):
    came, went = sorted([uuid4(), uuid4()])
    await bank.post(mint(A, 500, id=came), transfer(wallet(A), wallet(B), 120, id=went, reference=UUID(int=7)))
    common: dict[str, Any] = {"currency": "ore", "code": "gift", "at": "2026-06-01T12:00:00Z"}
    gift = {"id": str(went), "amount": "1.20", "direction": "out", "reference": str(UUID(int=7))}
    minted = {"id": str(came), "amount": "5.00", "direction": "in", "reference": str(REFERENCE)}
    to_bob, from_nobody = {"counterparty": str(B), "note": None}, {"counterparty": None, "note": None}
    assert (await ask("history")).json() == {
        "items": [common | gift | to_bob, common | minted | from_nobody],
        "cursor": None,
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
async def test_following_the_cursor_gives_every_item_once(bank: Bank, ask, limit):
    ids = sorted(uuid4() for _ in range(6))
    await bank.post(*(mint(A, 1, id=one) for one in ids))
    seen, query = [], {"limit": limit}
    while True:
        page = (await ask("history", **query)).json()
        assert len(page["items"]) <= limit
        seen += [item["id"] for item in page["items"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert seen == [str(one) for one in reversed(ids)]


async def test_history_can_be_of_one_currency(bank: Bank, ask):
    await bank.post(mint(A, 1), mint(A, 2, currency="gem"))
    items = (await ask("history", currency="gem")).json()["items"]
    assert [(item["currency"], item["amount"]) for item in items] == [("gem", "2")]


async def test_nobody_sees_what_is_anothers(bank: Bank, ask):
    await bank.post(mint(A, 1))
    assert (await ask("history", bearer="2")).json()["items"] == []
    assert (await ask("balance", bearer="2")).json()["items"][0]["posted"] == "0.00"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"currency": "doubloon"}, "ledger.unknown_currency"),
        ({"currency": "x" * 33}, "http.bad_request"),
        ({"cursor": ""}, "http.bad_cursor"),
        ({"cursor": "nonsense"}, "http.bad_cursor"),
        ({"cursor": encode_cursor("2026-06-01T12:00:00", str(A))}, "http.bad_cursor"),
        ({"limit": 0}, "http.bad_request"),
        ({"limit": 201}, "http.bad_request"),
        ({"limit": "many"}, "http.bad_request"),
    ],
)
async def test_a_wrong_question_is_refused(ask, query, code):
    reply = await ask("history", **query)
    assert (reply.status_code, reply.json()["code"]) == (400, code)


@pytest.mark.parametrize("path", ["balance", "history"])
@pytest.mark.parametrize(("token", "status"), [("forged", 401), ("-1", 403)])
async def test_only_who_may_read_the_ledger_may_ask(ask, path, token, status):
    assert (await ask(path, bearer=token)).status_code == status


async def test_a_balance_shows_what_is_promised(bank: Bank, ask):
    promised = transfer(wallet(A), wallet(B), 120)
    until = datetime(2099, 1, 1, tzinfo=UTC)
    await bank.post(mint(A, 500), replace(promised, kind=TransferKind.PENDING, expires_at=until))
    held = [(await ask("balance", bearer=bearer)).json()["items"][0] for bearer in ("1", "2")]
    assert [(one["posted"], one["pending"]) for one in held] == [("5.00", "-1.20"), ("0.00", "1.20")]
    assert [item["direction"] for item in (await ask("history")).json()["items"]] == ["in"]


async def test_paging_while_others_send_shows_every_older_item_once(bank: Bank, ask):
    """What comes in meanwhile is newer than every cursor, so it moves nothing."""
    ids = sorted(uuid4() for _ in range(9))
    await bank.post(*(mint(A, 1, id=one) for one in ids))
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    for n in range(5):
        page = (await ask("history", **query)).json()
        seen += [item["id"] for item in page["items"]]
        query["cursor"] = page["cursor"]
        later = AT + timedelta(seconds=n + 1)
        async with bank.database.transaction() as tx:
            await bank.ledger.post(tx, [mint(A, 1), transfer(wallet(A), wallet(B), 1)], at=later)
    assert (seen, query["cursor"]) == ([str(one) for one in reversed(ids)], None)
