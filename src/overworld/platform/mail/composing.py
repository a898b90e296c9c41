"""A mail as it goes over the wire. Source: RFC 5322; RFC 3834 for what machines send."""

from __future__ import annotations

from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8

from overworld.kernel.mail import Mail


class CannotAddress(Exception):
    """The address, or a header, cannot be written into a mail."""


def composed(mail: Mail, *, sender: str, sender_name: str, at: datetime) -> EmailMessage:
    """The message with its headers.

    Raises: CannotAddress for an address that mail has no form for, and for text that would begin another header.
    """
    message = EmailMessage(policy=SMTPUTF8)
    try:
        message["From"] = Address(display_name=sender_name, addr_spec=sender)
        message["To"] = _address(mail.to)
        message["Subject"] = mail.subject
        message["Date"] = at
        message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
    except (MessageError, ValueError, IndexError) as error:
        raise CannotAddress(type(error).__name__) from error
    return message


def _address(text: str) -> Address:
    """One address, with a domain that the name system knows how to write. Raises: ValueError, MessageError."""
    local, _, domain = text.rpartition("@")
    if not domain.isascii():
        domain = domain.encode("idna").decode()
    if local.isascii():
        return Address(addr_spec=f"{local}@{domain}")
    return Address(username=local, domain=domain)  # addr_spec takes none of RFC 6531
