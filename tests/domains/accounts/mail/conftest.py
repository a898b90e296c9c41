"""Accounts whose mails go to a real SMTP server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from msgspec import Struct

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.mail.sender import Sender
from overworld.platform.mail import MailSettings, SmtpCarrier
from tests.domains.accounts.conftest import House
from tests.domains.accounts.test_routes import client_of
from tests.post_office import HOST, PostOffice

ANN = {"email": "ann@example.org", "username": "Ann", "password": "correct horse"}
_TOKEN = re.compile(r"^([A-Za-z0-9_-]{43})$", re.MULTILINE)


class Town(Struct, frozen=True):
    """A house of accounts, a client of it, and the post office that its mails go to."""

    house: House
    ask: httpx.AsyncClient
    office: PostOffice

    @property
    def sender(self) -> Sender:
        sender = self.house.accounts.mail.sender
        assert sender is not None
        return sender

    async def delivered(self) -> list[EmailMessage]:
        """The mails that came since the last call, after everything that was due has been sent."""
        while await self.sender.turn():
            pass
        came = list(self.office.mails)
        self.office.mails.clear()
        return came

    async def token(self) -> str:
        """The token in the one mail that came."""
        [mail] = await self.delivered()
        return token_in(mail)

    async def registered(self, **changed: str) -> dict[str, str]:
        """Registers, and gives the headers of the new account's token; the mail is still in the queue."""
        return bearer(await self.ask.post("/v1/auth/register", json=ANN | changed))

    async def confirmed(self, **changed: str) -> dict[str, str]:
        """The same with the address confirmed."""
        headers = await self.registered(**changed)
        reply = await self.ask.post("/v1/auth/email/confirm", json={"token": await self.token()})
        assert reply.status_code == 204
        return headers

    async def can_log_in(self, email: str, password: str) -> bool:
        reply = await self.ask.post("/v1/auth/login", json={"email": email, "password": password})
        return reply.status_code == 200

    async def me(self, headers: dict[str, str]) -> httpx.Response:
        return await self.ask.get("/v1/users/me", headers=headers)


def bearer(reply: httpx.Response) -> dict[str, str]:
    assert reply.is_success, reply.text
    return {"authorization": f"Bearer {reply.json()['access_token']}"}


def token_in(mail: EmailMessage) -> str:
    found = _TOKEN.search(text_of(mail))
    assert found is not None
    return found[1]


def text_of(mail: EmailMessage) -> str:
    text: Any = mail.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")


def carrier_to(office: PostOffice, clock: Any, **changed: Any) -> SmtpCarrier:
    settings: dict[str, Any] = {"server": HOST, "port": office.port, "security": "none"}
    return SmtpCarrier(MailSettings(**settings | changed), sender_name="Ore", clock=clock)


@pytest.fixture
async def town(open_database, open_house, clock) -> AsyncIterator[Town]:
    async with (
        PostOffice().open() as office,
        open_database(SCHEMA) as database,
        open_house(database, carrier=carrier_to(office, clock)) as house,
        client_of(house) as ask,
    ):
        yield Town(house, ask, office)
