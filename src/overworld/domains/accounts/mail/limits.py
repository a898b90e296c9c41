"""How many mails may be asked for: from one network address, and to one e-mail address."""

from __future__ import annotations

from overworld.domains.accounts import rules
from overworld.domains.accounts.mail.errors import TooManyMails
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.ports import Limiter
from overworld.platform.http.addresses import limited_as


class MailLimits:
    """Counts mails that are asked for; counts nothing and lets everybody through when not `enabled`.

    An e-mail address is named by its digest, and counted whether or not anybody has it.
    """

    def __init__(self, *, limiter: Limiter, enabled: bool, settings: AccountsSettings) -> None:
        self._limiter = limiter
        self._enabled = enabled
        self._email = rules.per_window(settings.mails_max, settings.mail_window_s)
        self._address = rules.per_window(settings.mails_from_address_max, settings.mail_window_s)

    async def count(self, email: str, address: str) -> None:
        """One more mail. Raises: TooManyMails."""
        if not self._enabled:
            return
        digest = rules.secret_hash(rules.folded(email)).hex()[:32]
        buckets = (
            (f"accounts.mail.address:{limited_as(address)}", self._address),
            (f"accounts.mail.email:{digest}", self._email),
        )
        for key, limit in buckets:
            taken = await self._limiter.take(key, limit)
            if not taken.allowed:
                raise TooManyMails(retry_after_s=taken.retry_after_s)
