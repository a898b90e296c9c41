"""Who is calling: what a handler gets as `caller: Caller`."""

from __future__ import annotations

from typing import Protocol

from overworld.kernel.audit import Staff
from overworld.kernel.identity import Principal
from overworld.kernel.refusals import Refusal
from overworld.platform.http.browser import Browser
from overworld.platform.http.errors import Unauthenticated


class KeyScopes(Protocol):
    """What the header `Overworld-Key` adds to its bearer's token."""

    def scopes(self, key: str) -> frozenset[str]:
        """The scopes of a key; none when there is no such key."""
        ...


class Caller:
    """Who is calling and from where. `scopes` are the token's and the key's together.

    `browser` is there where cookies were sent or are asked for; `is_by_cookie` says that they are who is calling.
    """

    __slots__ = (
        "_refusal",
        "address",
        "browser",
        "idempotency_key",
        "is_by_cookie",
        "maybe",
        "scopes",
        "trace_id",
        "user_agent",
    )

    def __init__(
        self,
        *,
        maybe: Principal | None,
        address: str,
        user_agent: str,
        scopes: frozenset[str],
        trace_id: str,
        idempotency_key: str | None = None,
        refusal: Refusal | None = None,
        browser: Browser | None = None,
        is_by_cookie: bool = False,
    ) -> None:
        self.maybe = maybe
        self.address = address
        self.user_agent = user_agent
        self.scopes = scopes
        self.trace_id = trace_id
        self.idempotency_key = idempotency_key
        self.browser = browser
        self.is_by_cookie = is_by_cookie
        self._refusal = refusal

    @property
    def principal(self) -> Principal:
        """The verified principal.

        Raises: the verifier's refusal when a token was given and is no good; Unauthenticated when there was none.
        """
        if self.maybe is None:
            raise self._refusal or Unauthenticated()
        return self.maybe

    def require_no_bad_token(self) -> None:
        """For routes that are open to all. Raises: the verifier's refusal when a token was given and is no good."""
        if self.maybe is None and self._refusal is not None:
            raise self._refusal

    @property
    def staff(self) -> Staff:
        """The caller as the audit log names somebody of the staff; the route has to ask for a scope of staff.

        Raises: the verifier's refusal when a token was given and is no good.
        """
        self.require_no_bad_token()
        account_id = None if self.maybe is None else self.maybe.account_id
        return Staff(account_id=account_id, address=self.address, trace_id=self.trace_id)
