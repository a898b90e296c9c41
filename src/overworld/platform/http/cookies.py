"""The cookies that hold a browser's session: their names, how they are read and how they are set."""

from __future__ import annotations

from collections import Counter

from litestar.datastructures import Cookie

REFRESH_PATH = "/v1/auth/"

_ACCESS, _REFRESH, _CSRF = "overworld-access", "overworld-refresh", "overworld-csrf"


class CookieJar:
    """Names, reads and sets the cookies. With `tls` a browser takes them from this host alone, by HTTPS alone.

    `__Host-` asks for the path `/`, so the refresh token, which goes to few routes, is `__Secure-`.
    Source: RFC 6265bis, section 4.1.3.
    """

    def __init__(self, *, tls: bool) -> None:
        self._tls = tls
        self.access = f"__Host-{_ACCESS}" if tls else _ACCESS
        self.refresh = f"__Secure-{_REFRESH}" if tls else _REFRESH
        self.csrf = f"__Host-{_CSRF}" if tls else _CSRF

    def read(self, header: bytes) -> dict[str, str]:
        """Our cookies of a `Cookie` header, by name. Of two with one name nobody knows who set which: both are left."""
        names = (self.access, self.refresh, self.csrf)
        pairs = [part.strip().partition("=") for part in header.decode("latin-1").split(";")]
        count = Counter(name for name, _, _ in pairs)
        return {name: value for name, _, value in pairs if name in names and value and count[name] == 1}

    def access_set(self, token: str, *, life_s: int) -> Cookie:
        """Sets the access token."""
        return self._cookie(self.access, token, life_s=life_s)

    def refresh_set(self, token: str, *, life_s: int) -> Cookie:
        """Sets the refresh token, which goes to the routes under `REFRESH_PATH` alone."""
        return self._cookie(self.refresh, token, life_s=life_s, path=REFRESH_PATH)

    def csrf_set(self, token: str, *, life_s: int) -> Cookie:
        """Sets the CSRF token, which our pages read and send back in a header."""
        return self._cookie(self.csrf, token, life_s=life_s, is_hidden=False)

    def emptied(self) -> list[Cookie]:
        """Takes them all back."""
        return [self.access_set("", life_s=0), self.refresh_set("", life_s=0), self.csrf_set("", life_s=0)]

    def _cookie(self, name: str, value: str, *, life_s: int, path: str = "/", is_hidden: bool = True) -> Cookie:
        return Cookie(
            key=name,
            value=value,
            max_age=life_s,
            path=path,
            secure=self._tls,
            httponly=is_hidden,
            samesite="strict",
        )
