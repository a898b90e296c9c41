"""Sessions of our own pages: the same tokens as everybody's, put into cookies that no script can read."""

from __future__ import annotations

from uuid import UUID

from litestar.datastructures import Cookie
from litestar.response import Response

from overworld.domains.accounts.messages import Grant, InCookies
from overworld.kernel.ports import TokenVerifier
from overworld.kernel.refusals import Fault
from overworld.platform.http import Browser, Caller


class Pages:
    """Answers sign-ins and what follows from them, in the way that the caller keeps its session."""

    def __init__(self, *, verifier: TokenVerifier, refresh_token_s: int) -> None:
        self.verifier = verifier
        self._refresh_s = refresh_token_s

    def given(self, grant: Grant, caller: Caller, *, status: int = 200) -> Response[Grant | InCookies]:
        """The reply to a sign-in, whose route `gives_session`: with the tokens, or with cookies where it asked so.

        Cookies that were there are replaced and never looked at, so nobody's earlier session becomes this one.
        """
        if caller.browser is None or not caller.browser.wants_cookies:
            return Response(grant, status_code=status)
        return Response(InCookies.of(grant), status_code=status, cookies=self.cookies(grant, caller.browser))

    def renewed(self, grant: Grant, caller: Caller) -> Response[Grant | InCookies]:
        """The reply that carries new tokens of a caller who was signed in: in cookies when that came by cookie."""
        if caller.browser is None or not caller.is_by_cookie:
            return Response(grant)
        return Response(InCookies.of(grant), cookies=self.cookies(grant, caller.browser))

    def cookies(self, grant: Grant, browser: Browser) -> list[Cookie]:
        """The cookies that hold a whole session."""
        return browser.filled(
            self._session(grant.access_token),
            access=grant.access_token,
            access_s=grant.expires_in,
            refresh=grant.refresh_token,
            refresh_s=self._refresh_s,
        )

    def access(self, token: str, *, life_s: int, caller: Caller) -> list[Cookie] | None:
        """The cookie for a new access token of the caller's session; None where that does not live in cookies."""
        if caller.browser is None or not caller.is_by_cookie:
            return None
        return caller.browser.filled(self._session(token), access=token, access_s=life_s)

    def _session(self, token: str) -> UUID:
        """The session of a token that was just made."""
        session_id = self.verifier.verify(token).sid
        if session_id is None:
            raise Fault("an access token without a session")
        return session_id
