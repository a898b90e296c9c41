"""Requests of browsers whose session is in cookies: what counts as our own page, and the CSRF token it shows."""

from __future__ import annotations

from collections.abc import Iterable
from hmac import compare_digest
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from litestar.datastructures import Cookie

from overworld.kernel.identity import Principal
from overworld.kernel.ports import TokenVerifier
from overworld.kernel.refusals import Refusal
from overworld.kernel.secretive import Secretive
from overworld.platform.http.cookies import CookieJar
from overworld.platform.http.errors import BadCsrfToken, BadRequest, CookiesNeedTls, NotOurPage, Unauthenticated

WISH = b"overworld-tokens"
CSRF = b"x-csrf-token"
SITE = b"sec-fetch-site"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_IN_COOKIES = b"cookie"
_OUR_PAGE, _TYPED_BY_THE_USER = b"same-origin", b"none"


class CsrfTokens(Protocol):
    """Makes and checks what a page of ours shows with each change; a token is good for one session."""

    def token(self, session_id: UUID) -> str:
        """The token of a session."""
        ...

    def session(self, token: str) -> UUID | None:
        """The session that a token was made for; None when it is not one of ours."""
        ...


class Renewal(Secretive, frozen=True):
    """A refresh token out of a cookie, and the session that the page's CSRF token is of."""

    refresh_token: str
    session_id: UUID


class Browser:
    """What one request shows of its browser: cookies, and where it comes from.

    A cookie proves who the user is and not who wrote the request. Browsers send it along with requests of other
    pages too: of this machine's other ports and of neighbouring domains `SameSite` lets through everything.
    """

    def __init__(
        self,
        *,
        method: str,
        head: dict[bytes, bytes],
        cookies: dict[str, str],
        jar: CookieJar | None,
        origin: bytes,
        csrf: CsrfTokens,
    ) -> None:
        self._is_safe = method in _SAFE
        self._head = head
        self._cookies = cookies
        self._jar = jar
        self._origin = origin
        self._csrf = csrf

    @property
    def wants_cookies(self) -> bool:
        """Whether a sign-in has to answer with cookies."""
        return WISH in self._head

    def check_wish(self) -> None:
        """Passes a sign-in that wants no cookies, or may have them.

        A page of elsewhere could sign its visitor in to an account of its own, and look at what they do in it.
        Raises: BadRequest, CookiesNeedTls, NotOurPage.
        """
        wish = self._head.get(WISH)
        if wish is None:
            return
        if wish != _IN_COOKIES:
            raise BadRequest(errors=[{"path": f"header.{WISH.decode()}", "reason": "Only `cookie` can be asked for"}])
        if self._jar is None:
            raise CookiesNeedTls
        if not self._is_from_our_page():
            raise NotOurPage

    def principal(self, verifier: TokenVerifier) -> Principal | None:
        """Who the access token in the cookie is of; None without one.

        Raises: NotOurPage; BadCsrfToken where the request changes something; the verifier's refusals.
        """
        token = self._cookies.get(self._jar.access) if self._jar is not None else None
        if token is None:
            return None
        if not self._is_from_our_page():
            raise NotOurPage
        principal = verifier.verify(token)
        if principal.sid is None:
            return None
        if not self._is_safe and self._shown_session() != principal.sid:
            raise BadCsrfToken
        return principal

    def renewal(self) -> Renewal:
        """What a refresh by cookie goes by. Raises: Unauthenticated without a cookie; NotOurPage; BadCsrfToken."""
        token = self._cookies.get(self._jar.refresh) if self._jar is not None else None
        if token is None:
            raise Unauthenticated("There is no refresh token in a cookie")
        if not self._is_from_our_page():
            raise NotOurPage
        session_id = self._shown_session()
        if session_id is None:
            raise BadCsrfToken
        return Renewal(token, session_id)

    def filled(
        self, session_id: UUID, *, access: str, access_s: int, refresh: str | None = None, refresh_s: int = 0
    ) -> list[Cookie]:
        """The cookies of a session's tokens; without a refresh token only the access token is replaced."""
        jar = self._open_jar()
        cookies = [jar.access_set(access, life_s=access_s)]
        if refresh is not None:
            cookies.append(jar.refresh_set(refresh, life_s=refresh_s))
            cookies.append(jar.csrf_set(self._csrf.token(session_id), life_s=refresh_s))
        return cookies

    def emptied(self) -> list[Cookie]:
        """What takes the cookies back."""
        return self._open_jar().emptied()

    def _open_jar(self) -> CookieJar:
        if self._jar is None:
            raise CookiesNeedTls
        return self._jar

    def _is_from_our_page(self) -> bool:
        """Source: Fetch metadata, section 2.3; what has no such header is an old browser, or none."""
        site, origin = self._head.get(SITE), self._head.get(b"origin")
        if site is not None:
            return site == _OUR_PAGE or (self._is_safe and site == _TYPED_BY_THE_USER)
        if origin is not None:
            return origin == self._origin
        return self._is_safe

    def _shown_session(self) -> UUID | None:
        """The session whose CSRF token stands in the cookie and, the same, in the header."""
        shown = self._head.get(CSRF, b"")
        kept = self._cookies.get(self._jar.csrf, "") if self._jar is not None else ""
        if not shown or not compare_digest(shown, kept.encode("latin-1")):
            return None
        return self._csrf.session(kept)


class Browsers:
    """Finds the browser behind a request.

    `tls` says that clients reach us by HTTPS; else cookies are for `plain` servers, reached by a name of this machine
    and through no proxy: where somebody develops.
    """

    def __init__(self, *, tls: bool, plain: bool, csrf: CsrfTokens) -> None:
        self._tls = tls
        self._plain = plain
        self._jar = CookieJar(tls=tls)
        self._csrf = csrf

    def of(self, *, method: str, head: dict[bytes, bytes], cookies: Iterable[bytes]) -> Browser:
        """The browser of a request; `cookies` are its `Cookie` headers."""
        host = head.get(b"host", b"")
        jar = self._jar if self._tls or (self._plain and _is_this_machine(host, head)) else None
        return Browser(
            method=method,
            head=head,
            cookies=jar.read(b"; ".join(cookies)) if jar is not None else {},
            jar=jar,
            origin=(b"https://" if self._tls else b"http://") + host,
            csrf=self._csrf,
        )


class NoCsrfTokens:
    """Where no session is in cookies: knows no token, so nothing is changed by cookie."""

    def token(self, session_id: UUID) -> str:
        """Raises: CookiesNeedTls."""
        raise CookiesNeedTls

    def session(self, token: str) -> UUID | None:
        """None."""
        return None


def _is_this_machine(host: bytes, head: dict[bytes, bytes]) -> bool:
    if b"x-forwarded-for" in head:
        return False
    try:
        name = urlsplit(f"//{host.decode('latin-1')}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False


def session_refusal(browser: Browser, verifier: TokenVerifier) -> tuple[Principal | None, Refusal | None]:
    """Who a browser's session is of, or why it does not count."""
    try:
        return browser.principal(verifier), None
    except Refusal as refusal:
        return None, refusal
