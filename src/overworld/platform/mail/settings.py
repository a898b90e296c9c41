"""Where mail is handed over, and who sends it."""

from __future__ import annotations

from email.errors import MessageError
from email.headerregistry import Address
from typing import Annotated, Literal

from msgspec import Meta

from overworld.kernel.secretive import Secretive

_LOCAL = ("localhost", "127.0.0.1", "::1")


class MailSettings(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `mail`: the SMTP server that takes what the server sends."""

    server: Annotated[
        str,
        Meta(
            max_length=255,
            description="Name of the SMTP server. Empty: in development mails are written to `mail/` in the data "
            "folder, in production none can be asked for.",
        ),
    ] = ""
    port: Annotated[int, Meta(ge=1, le=65_535, description="Port of the SMTP server.")] = 587
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(description="starttls and tls send nothing to a server whose certificate is not good."),
    ] = "starttls"
    username: Annotated[str, Meta(max_length=255, description="Signs in to the SMTP server; empty: does not.")] = ""
    password: Annotated[str, Meta(max_length=1_024, description="Goes with `username`.", extra={"secret": True})] = ""
    sender: Annotated[str, Meta(min_length=3, max_length=255, description="Address that mails come from.")] = (
        "overworld@localhost"
    )
    sender_name: Annotated[
        str, Meta(max_length=100, description="Name beside that address; empty: the game's title.")
    ] = ""
    timeout_s: Annotated[float, Meta(gt=0, le=120, description="Longest wait for an answer of the SMTP server.")] = 10.0

    def __post_init__(self) -> None:
        if self.username and self.security == "none" and self.server not in _LOCAL:
            raise ValueError("a password is not sent unprotected: set security to starttls or tls")
        try:
            address = Address(display_name=self.sender_name, addr_spec=self.sender)
        except (MessageError, ValueError, IndexError) as error:
            raise ValueError(f"sender is no mail address, or sender_name no name: {error}") from error
        if not (address.username and address.domain):
            raise ValueError("sender is no mail address")
