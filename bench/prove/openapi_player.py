"""The player whom the proof of operations asks as: what they send, and what exists of theirs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import httpx
from schemathesis.core.file_samples import MEDIA_TYPE_FILE_SAMPLES

from bench.prove import ways_in

LJUBLJANA = {"lat": 46.0511, "lng": 14.5051}
VIEW = {"south": 46.04, "west": 14.49, "north": 46.06, "east": 14.52}
WEBHOOK_ROUTES = tuple(
    f"/{{webhook_id}}/{rest}" for rest in ("rotate", "ping", "deliveries", "deliveries/{delivery_id}/redeliver")
)
HANDLING = ("suspend", "restore", "role", "logout", "notes")
STAFF_ONLY = frozenset(
    [
        *(f"/v1/game/{noun}{rest}" for noun in ("collectibles", "coins") for rest in ("", "/{id}")),
        "/v1/game/items",
        "/v1/game/quests",
        "/v1/game/reload",
        "/v1/admin/location/{player}/history",
        "/v1/admin/location/{player}/shares",
        "/v1/admin/trust",
        *(f"/v1/admin/trust/{{player}}{rest}" for rest in ("", "/decide", "/held")),
        "/v1/admin/audit",
        *(f"/v1/admin/events/{what}" for what in ("topics", "lag", "dead-letters", "dead-letters/replay")),
        *(f"/v1/admin/keys{rest}" for rest in ("", "/{key_id}", "/{key_id}/rotate")),
        *(f"/v1/admin/users{rest}" for rest in ("", "/{user_id}", *(f"/{{user_id}}/{verb}" for verb in HANDLING))),
        *(f"/v1/admin/webhooks{rest}" for rest in ("", "/{webhook_id}", *WEBHOOK_ROUTES)),
        *(f"/v1/admin/fences{rest}" for rest in ("", "/import", "/{fence_id}")),
        *(f"/v1/admin/flags{rest}" for rest in ("", "/{key}", "/{key}/report", "/{key}/report.html")),
        "/v1/flags/bulk",
        *(f"/v1/analytics/{what}" for what in ("global", "events", "realtime", "funnel", "retention", "heatmap")),
        "/v1/analytics/users/{player_id}/metrics",
    ]
)
FLAG = {
    "variants": [{"name": "off", "value": False}, {"name": "on", "value": True}],
    "default": "off",
    "rules": [{}],
    "experiment": {"control": "off", "primary": {"name": "collections"}},
}
# Bodies that are the same every time.
_CREDENTIAL = {"id": "AAAA", "rawId": "AAAA", "type": "public-key"}
PLAIN: dict[str, dict[str, Any]] = {
    "/v1/admin/flags/{key}": FLAG,
    "/v1/flags": {"attributes": {"country": "SI"}},
    **{f"/graphql{rest}": {"query": "{ __typename }"} for rest in ("", "/stream")},
    **{f"/ofrep/v1/evaluate/flags{rest}": {"context": {"country": "SI"}} for rest in ("", "/{flag}")},
    "/v1/admin/events/dead-letters/replay": {"topic": "events.quest.completed"},
    "/v1/events": {"event": "shop_opened"},
    "/v1/events/batch": {"events": [{"event": "shop_opened"}]},
    "/v1/admin/keys": {"name": "a shop", "scopes": ["game.read"]},
    "/v1/admin/users/{user_id}/suspend": {"why": "bots"},
    "/v1/admin/users/{user_id}/restore": {"why": "a mistake"},
    "/v1/admin/users/{user_id}/role": {"role": "moderator"},
    "/v1/admin/users/{user_id}/notes": {"text": "look again"},
    "/v1/location/visibility": {"visible": True},
    "/v1/location/home": LJUBLJANA | {"radius_m": 200},
    "/v1/auth/passkey/register/finish": {
        "ceremony": "x",
        "credential": _CREDENTIAL | {"response": {"clientDataJSON": "e30", "attestationObject": "oA"}},
    },
    "/v1/auth/passkey/login/finish": {
        "ceremony": "x",
        "credential": _CREDENTIAL
        | {"response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA"}},
    },
    **{f"/v1/auth/totp/{what}": {"code": "123456"} for what in ("confirm", "verify", "recovery", "remove")},
    "/v1/users/me": {
        "locale": "sl",
        "settings": {"volume": 0.5},
        "privacy": {"findable": True, "progress": True, "badges": True, "memberships": True},
    },
}
TOKEN = re.compile(r"^([\w-]{43})$", re.MULTILINE)
PICTURE = MEDIA_TYPE_FILE_SAMPLES["image/png"]
PICTURE_TYPE = "image/png"
_PASSWORD = "a password"  # noqa: S105 - of accounts that live as long as the proof
_SEALED_S = 10.0


class Player:
    """Somebody who is signed in and stands on a collectible; `renew` becomes somebody else, on another one."""

    def __init__(self, client: httpx.Client, *, key: str, mails: Path) -> None:
        self._client = client
        self._key = key
        self._mails = mails
        self.renew()
        self._friend = self.registers()["username"]
        self.renew()
        self._transfer = self._sealed()

    def renew(self) -> None:
        """Becomes somebody whose session nobody has ended."""
        self._name = uuid4().hex
        grant = self._client.post("/v1/auth/device", json={"device_id": self._name}).raise_for_status().json()
        self.id = grant["user"]["id"]
        self.headers = {"Authorization": f"Bearer {grant['access_token']}"}

    def registers(self) -> dict[str, Any]:
        """Becomes somebody who has just registered, with an address that is not confirmed; what was sent."""
        sent = self.body("/v1/auth/register")
        grant = self._client.post("/v1/auth/register", json=sent).raise_for_status().json()
        self.headers = {"Authorization": f"Bearer {grant['access_token']}"}
        self._account = {"email": sent["email"], "password": sent["password"]}
        return sent

    def _mailed(self, email: str, subject: str) -> str:
        """The token of the mail to an address; the server writes it into a file, for it has no mail server."""
        until_s = monotonic() + _SEALED_S
        while True:
            for file in self._mails.glob("*.eml"):
                text = file.read_text()
                token = TOKEN.search(text)
                if email in text and subject in text and token:
                    return token[1]
            if monotonic() > until_s:
                raise TimeoutError("a mail was not written")
            sleep(0.05)

    def body(self, path: str) -> dict[str, Any]:  # noqa: PLR0912 - one case for each path
        """What a POST or PUT to a path may truthfully hold; nothing where nothing is known."""
        body = PLAIN.get(path) or self._of_standing(path) or self._of_mail(path) or ways_in.body(path, self.post)
        match path:
            case "/v1/auth/register":
                name = uuid4().hex[:16]
                body = {"email": f"{name}@example.org", "username": name, "password": _PASSWORD}
            case "/v1/auth/login":
                body = self._account
            case "/v1/auth/device":
                body = {"device_id": uuid4().hex}
            case "/v1/auth/refresh":
                grant = self.post("/v1/auth/device", {"device_id": self._name})
                body = {"refresh_token": grant["refresh_token"]}
            case "/v1/location/update":
                body = LJUBLJANA | {"accuracy_m": 5, "timestamp": datetime.now(UTC).isoformat()}
            case "/v1/location/share":
                body = {"to": self._friend, "sight": "live", "expires_in_s": 3_600}
            case "/v1/admin/fences" | "/v1/admin/fences/{fence_id}":
                place = {"type": "Point", "coordinates": [LJUBLJANA["lng"], LJUBLJANA["lat"]]}
                body = {"name": "Square", "geometry": place, "radius_m": 50, "dwell_s": 60}
            case "/v1/admin/fences/import":
                place = {"type": "Point", "coordinates": [LJUBLJANA["lng"], LJUBLJANA["lat"]]}
                feature = {"type": "Feature", "geometry": place, "properties": {"name": "Square", "radius_m": 50}}
                body = {"type": "FeatureCollection", "features": [feature]}
            case "/v1/admin/flags":
                body = FLAG | {"key": f"f{uuid4().hex[:16]}"}
            case "/v1/flags/bulk":
                body = {"flags": [self.flag()], "players": [{"player_id": self.id}]}
            case "/v1/game/collectibles" | "/v1/game/coins":
                closes_at = datetime.now(UTC) + timedelta(hours=1)
                body = {"items": [LJUBLJANA | {"type": "gold", "closes_at": closes_at.isoformat()}]}
            case "/v1/game/quests":
                quest = {"title": "Walk", "objectives": [{"kind": "walk", "metres": 100}]}
                body = {"id": f"q{uuid4().hex[:16]}", "quest": quest}
            case "/v1/game/items":
                body = {"to": self._friend, "items": {"cookie": 1}, "badges": ["baker"]}
            case "/v1/admin/webhooks":
                body = {"url": "https://example.org/hook", "topics": ["events.level.reached"], "active": False}
            case "/v1/game/sync":
                now = datetime.now(UTC).isoformat()
                action = LJUBLJANA | {"action": "collect", "target": "x", "at": now, "monotonic_ms": 1}
                actions = [action | {"request_id": uuid4().hex}]
                body = {"device": "phone", "boot": "1", "sent_at": now, "sent_monotonic_ms": 1, "actions": actions}
            case "/v1/tokens/transfer":
                self._collect()
                body = {"to": self._friend, "currency": "coin", "amount": "1"}
        return body

    def headers_for(self, path: str) -> dict[str, str]:
        """What a request to a path brings along; the developer key where only staff get in."""
        return self.headers | ({"Overworld-Key": self._key} if path in STAFF_ONLY else {})

    def _of_standing(self, path: str) -> dict[str, Any]:
        if path == "/v1/users/me/standing/appeal":
            self._suspected()
            return {"text": "I ride a train to work"}
        is_decision = path == "/v1/admin/trust/{player}/decide"
        return {"decision": "clear", "note": "A train, indeed."} if is_decision else {}

    def _of_mail(self, path: str) -> dict[str, Any]:
        match path:
            case "/v1/auth/password":
                return {"current_password": self.registers()["password"], "password": uuid4().hex}
            case "/v1/auth/password/forgot" | "/v1/auth/email":
                return {"email": f"{uuid4().hex[:16]}@example.org"}
            case "/v1/auth/password/reset":
                email = self.registers()["email"]
                self._client.post("/v1/auth/password/forgot", json={"email": email}).raise_for_status()
                return {"token": self._mailed(email, "a new password"), "password": uuid4().hex}
            case "/v1/auth/email/confirm":
                return {"token": self._mailed(self.registers()["email"], "confirm your e-mail address")}
        return {}

    def _suspected(self) -> None:
        """Has staff set the player's gate, so that there is something to appeal against."""
        until = datetime.now(UTC) + timedelta(hours=1)
        body = {"decision": "set", "gate": "review", "until": until.isoformat(), "note": "We are looking."}
        path = "/v1/admin/trust/{player}/decide"
        answer = self._client.post(path.format(player=self.id), json=body, headers=self.headers_for(path))
        answer.raise_for_status()

    def _collect(self) -> None:
        """Takes what lies under the player's feet, where `truths` has put them."""
        [coin] = self._get("/v1/game/collectibles/nearby", LJUBLJANA | {"radius_m": 1_500, "limit": 1})
        headers = self.headers | {"Idempotency-Key": uuid4().hex}
        self._client.post(f"/v1/game/collectibles/{coin['id']}/collect", json={}, headers=headers).raise_for_status()

    def placed(self) -> str:
        """The id of a collectible that was placed just now."""
        path = "/v1/game/collectibles"
        headers = self.headers_for(path) | {"Idempotency-Key": uuid4().hex}
        placed = self._client.post(path, json=self.body(path), headers=headers).raise_for_status().json()
        return str(placed["items"][0]["id"])

    def webhook(self) -> dict[str, str]:
        """The ids of a webhook that was made just now, the only one, and of a delivery to it."""
        path = "/v1/admin/webhooks"
        headers = self.headers_for(path)
        for known in self._get(path, {}):
            self._client.delete(f"{path}/{known['id']}", headers=headers).raise_for_status()
        body = self.body(path) | {"active": True}
        made = self._client.post(path, json=body, headers=headers).raise_for_status().json()["webhook"]["id"]
        pinged = self._client.post(f"{path}/{made}/ping", headers=headers).raise_for_status().json()
        return {"webhook_id": str(made), "delivery_id": str(pinged["id"])}

    def api_key(self) -> str:
        """The id of an API key that was made just now, the only good one."""
        path = "/v1/admin/keys"
        headers = self.headers_for(path)
        for known in self._get(path, {}):
            self._client.delete(f"{path}/{known['id']}", headers=headers)
        made = self._client.post(path, json=self.body(path), headers=headers).raise_for_status().json()
        return str(made["key"]["id"])

    def stranger(self) -> str:
        """The id of somebody who joined just now."""
        return str(self.post("/v1/auth/device", {"device_id": uuid4().hex})["user"]["id"])

    def fence(self) -> str:
        """The id of a geofence that staff made just now."""
        path = "/v1/admin/fences"
        made = self._client.post(path, json=self.body(path), headers=self.headers_for(path)).raise_for_status().json()
        return str(made["id"])

    def flag(self) -> str:
        """The key of a flag that staff made just now, which measures."""
        path = "/v1/admin/flags"
        made = self._client.post(path, json=self.body(path), headers=self.headers_for(path)).raise_for_status().json()
        return str(made["key"])

    def chisel(self, *, worn: bool) -> str:
        """The id of a tool that the player was given just now; a worn one was collected with."""
        tool_id = str(self._granted({"tools": ["chisel"]})["tools"][0]["id"])
        if worn:
            headers = self.headers | {"Idempotency-Key": uuid4().hex}
            self._client.post(f"/v1/game/tools/{tool_id}/equip", json={}, headers=headers).raise_for_status()
            self._stand()
            self._collect()
        return tool_id

    def cookie(self) -> str:
        """The name of an item that the player was given just now."""
        return str(self._granted({"items": {"cookie": 1}})["items"][0]["id"])

    def quest(self, *, met: bool) -> str:
        """The id of a quest that staff assigned to the player just now; a met one was collected for."""
        path, name = "/v1/game/quests", f"q{uuid4().hex[:16]}"
        made = {"title": "Collect", "objectives": [{"kind": "collect", "count": 1}]}
        body = {"id": name, "quest": made, "players": [self.id]}
        self._client.post(path, json=body, headers=self.headers_for(path)).raise_for_status()
        until_s = monotonic() + _SEALED_S
        while met and not self._get(f"{path}/{name}/history", {})[0]["met"]:
            if monotonic() > until_s:
                raise TimeoutError("a quest was not counted")
            self._stand()
            self._collect()
            sleep(0.1)
        return name

    def share(self) -> str:
        """The id of a share that the player gave just now."""
        path = "/v1/location/share"
        headers = self.headers | {"Idempotency-Key": uuid4().hex}
        return str(self._client.post(path, json=self.body(path), headers=headers).raise_for_status().json()["id"])

    def avatar(self) -> str:
        """The file of a picture that the player shows since just now."""
        sent = self._client.post(
            "/v1/users/avatar", content=PICTURE, headers=self.headers | {"Content-Type": PICTURE_TYPE}
        )
        return str(sent.raise_for_status().json()["urls"]["64"]).rpartition("/")[2]

    def in_view(self) -> int:
        """What the live map calls somebody who stands in the city."""
        view = self._client.get("/v1/live/world", params=VIEW, headers=self.headers | {"Overworld-Key": self._key})
        return int(view.raise_for_status().json()["players"]["id"][0])

    def live_somewhere(self) -> None:
        """Tells a home."""
        path = "/v1/location/home"
        self._client.put(path, json=self.body(path), headers=self.headers).raise_for_status()

    def _granted(self, what: dict[str, Any]) -> dict[str, Any]:
        path = "/v1/game/items"
        headers = self.headers_for(path) | {"Idempotency-Key": uuid4().hex}
        reply = self._client.post(path, json={"to": self.id} | what, headers=headers).raise_for_status().json()
        obtained: dict[str, Any] = reply["obtained"]
        return obtained

    def truths(self) -> dict[str, Any]:
        """Values by the names of the parameters that take them."""
        coin, place = self._stand()
        self.post("/v1/auth/device", {"device_id": self._name})
        other = next(each for each in self._get("/v1/auth/sessions", {}) if not each["current"])
        names = {"id": coin, "name": "founders", "session_id": other["id"], "Idempotency-Key": self._name}
        names |= {"player": self.id, "player_id": self.id, "q": self._friend[:4]}
        names["query"] = "{ __typename }"
        names |= {"bbox": "14.49,46.04,14.52,46.06", "step": ["events.auth.login", "events.collectible.collected"]}
        return place | VIEW | names | {"radius_m": 500} | {"number": 0, "from": 0, "to": 0, "transfer": self._transfer}

    def _stand(self) -> tuple[str, dict[str, Any]]:
        """Goes to a collectible; its id, and where it is."""
        coin = self._get("/v1/game/collectibles/nearby", LJUBLJANA | {"radius_m": 1_500, "limit": 1})[0]
        place = {"lat": coin["lat"], "lng": coin["lng"]}
        self.post("/v1/location/update", place | {"accuracy_m": 5, "timestamp": datetime.now(UTC).isoformat()})
        return coin["id"], place

    def _sealed(self) -> str:
        """The id of a transfer that is in the public log: a coin is taken, and the block waited for."""
        coin, _ = self._stand()
        key = {"Idempotency-Key": uuid4().hex}
        self._client.post(
            f"/v1/game/collectibles/{coin}/collect", json={}, headers=self.headers | key
        ).raise_for_status()
        transfer = str(self._get("/v1/tokens/history", {"limit": 1})[0]["id"])
        until_s = monotonic() + _SEALED_S
        while self._client.get("/v1/ledger/proof", params={"transfer": transfer}).status_code != HTTPStatus.OK:
            if monotonic() > until_s:
                raise TimeoutError("a transfer was not sealed")
            sleep(0.01)
        return transfer

    def _get(self, path: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        reply = self._client.get(path, params=query, headers=self.headers | {"Overworld-Key": self._key})
        items: list[dict[str, Any]] = reply.raise_for_status().json()["items"]
        return items

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a path answers the player who sends this."""
        answer: dict[str, Any] = self._client.post(path, json=body, headers=self.headers).raise_for_status().json()
        return answer
