"""A real SMTP server for tests: takes mails on a free port and keeps them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

HOST = "127.0.0.1"


class PostOffice:
    """What came in, and how it answers: `refusals` are given out first, one for each recipient."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusals: list[str] = []
        self.logins: list[tuple[str, str]] = []
        self.encrypted: list[bool] = []
        self.password = "a mail password"
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(BytesParser(_class=EmailMessage, policy=default).parsebytes(content))
        self.recipients.append(list(envelope.rcpt_tos))
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        login = data.login.decode(), data.password.decode()
        self.logins.append(login)
        return AuthResult(success=login[1] == self.password, handled=False)

    @asynccontextmanager
    async def open(self, *, tls: ssl.SSLContext | None = None, login: bool = False) -> AsyncIterator[PostOffice]:
        """Listens until the block ends; with `tls` it wants STARTTLS first, with `login` a password after that."""

        def protocol() -> SMTP:
            return SMTP(
                self,
                hostname="post.example",
                enable_SMTPUTF8=True,
                tls_context=tls,
                require_starttls=tls is not None,
                authenticator=self.authenticate if login else None,
                auth_required=login,
                loop=asyncio.get_running_loop(),
            )

        server = await asyncio.get_running_loop().create_server(protocol, HOST, self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
