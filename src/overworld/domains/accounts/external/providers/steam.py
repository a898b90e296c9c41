"""Steam, which speaks OpenID 2.0. Source: OpenID Authentication 2.0, sections 9 to 11."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

from overworld.domains.accounts.external.errors import NotProved, ProviderUnavailable
from overworld.domains.accounts.external.types import Answer, Asked
from overworld.kernel.clock import Clock
from overworld.platform.outbound import Fetcher, FetchFailed

STEAM = "https://steamcommunity.com/openid"

_NAMESPACE = "http://specs.openid.net/auth/2.0"
_ANYBODY = f"{_NAMESPACE}/identifier_select"
_SIGNED = frozenset({"op_endpoint", "claimed_id", "identity", "return_to", "response_nonce", "assoc_handle"})
_NONCE_AGE_MAX = timedelta(minutes=10)
_NONCE_TIME = 20
_OK = 200


class Steam:
    """Sends people to Steam, and has Steam confirm what they bring back. `root` is where it answers."""

    takes_id_tokens = False

    def __init__(self, *, fetcher: Fetcher, clock: Clock, root: str = STEAM) -> None:
        self.issuer = root
        self._endpoint = f"{root}/login"
        self._claimed = re.compile(re.escape(f"{root}/id/") + r"([0-9]{1,20})", re.ASCII)
        self._fetcher = fetcher
        self._clock = clock

    async def url(self, asked: Asked) -> str:
        parts = urlsplit(asked.redirect_uri)
        query = {
            "openid.ns": _NAMESPACE,
            "openid.mode": "checkid_setup",
            "openid.return_to": _return_to(asked),
            "openid.realm": f"{parts.scheme}://{parts.netloc}",
            "openid.identity": _ANYBODY,
            "openid.claimed_id": _ANYBODY,
        }
        return f"{self._endpoint}?{urlencode(query)}"

    async def proved(self, asked: Asked, answer: Answer) -> str:
        fields = answer.openid or {}
        subject = self._subject(fields, asked)
        try:
            found = await self._fetcher.post_form(self._endpoint, fields | {"openid.mode": "check_authentication"})
        except FetchFailed as failed:
            raise ProviderUnavailable(reason=f"Steam: {failed}") from failed
        if found.status != _OK:
            raise ProviderUnavailable(reason=f"Steam answered {found.status}")
        confirmed = dict(
            line.split(":", 1) for line in found.body.decode("utf-8", "replace").splitlines() if ":" in line
        )
        if confirmed.get("ns") != _NAMESPACE or confirmed.get("is_valid") != "true":
            raise NotProved(reason="Steam does not confirm it")
        return subject

    def _subject(self, fields: dict[str, str], asked: Asked) -> str:
        """The Steam id that the fields claim for this visit. Raises: NotProved."""
        claimed = self._claimed.fullmatch(fields.get("openid.claimed_id", ""))
        faults = {
            "mode": fields.get("openid.mode") != "id_res",
            "namespace": fields.get("openid.ns") != _NAMESPACE,
            "endpoint": fields.get("openid.op_endpoint") != self._endpoint,
            "return_to": fields.get("openid.return_to") != _return_to(asked),
            "identity": fields.get("openid.identity") != fields.get("openid.claimed_id"),
            "unsigned": not set(fields.get("openid.signed", "").split(",")) >= _SIGNED,
            "nonce": not self._is_fresh(fields.get("openid.response_nonce", "")),
            "other fields": any(not name.startswith("openid.") for name in fields),
        }
        if claimed is None or any(faults.values()):
            raise NotProved(reason=f"Steam: {', '.join(name for name, wrong in faults.items() if wrong) or 'claim'}")
        return claimed[1]

    def _is_fresh(self, nonce: str) -> bool:
        try:
            made_at = datetime.strptime(nonce[:_NONCE_TIME], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            return False
        return abs(self._clock.now() - made_at) <= _NONCE_AGE_MAX


def _return_to(asked: Asked) -> str:
    """Our page with the state, which Steam signs with the rest: so an answer is good for this visit alone."""
    return (
        f"{asked.redirect_uri}{'&' if urlsplit(asked.redirect_uri).query else '?'}{urlencode({'state': asked.state})}"
    )
