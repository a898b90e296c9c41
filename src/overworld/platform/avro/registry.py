"""A schema registry that others run, by Confluent's REST API, which Apicurio and Karapace answer too.

Source: Confluent, "Schema Registry API Reference".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from overworld.platform.avro.errors import RegistryRefused, RegistryUnavailable
from overworld.platform.avro.schema import Schema

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_SERVER_ERROR = 500
_BUSY = 429
_TOLD_MAX = 500


class _Registered(Struct):
    id: int


class _Text(Struct):
    schema: str


class SchemaRegistry:
    """Asks one registry; what it has answered once is not asked again, since numbers and schemas never change."""

    def __init__(self, url: str, *, user: str = "", password: str = "", timeout_s: float = 10.0) -> None:
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/",
            auth=httpx.BasicAuth(user, password) if user else None,
            timeout=timeout_s,
            headers={"Accept": _MEDIA_TYPE},
        )
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, Schema] = {}

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.aclose()

    async def require(self, subject: str, level: str) -> None:
        """Sets how new versions of a subject have to be compatible. Raises: RegistryRefused, RegistryUnavailable."""
        await self._ask("PUT", f"config/{quote(subject, safe='')}", {"compatibility": level})

    async def register(self, subject: str, text: str) -> int:
        """The number of a schema, which becomes the subject's next version unless it is one already.

        Raises: RegistryRefused, also when it is not compatible with what is there; RegistryUnavailable.
        """
        known = self._ids.get((subject, text))
        if known is not None:
            return known
        body = {"schema": text, "schemaType": "AVRO"}
        raw = await self._ask("POST", f"subjects/{quote(subject, safe='')}/versions", body)
        registered: int = _decoded(raw, _Registered).id
        self._ids[subject, text] = registered
        return registered

    async def schema(self, schema_id: int) -> Schema:
        """The schema of a number. Raises: RegistryRefused when there is none; RegistryUnavailable."""
        if schema_id not in self._schemas:
            raw = await self._ask("GET", f"schemas/ids/{schema_id}")
            self._schemas[schema_id] = msgspec.json.decode(_decoded(raw, _Text).schema)
        return self._schemas[schema_id]

    async def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> bytes:
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": _MEDIA_TYPE} if content else None
        try:
            answer = await self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"the schema registry does not answer: {error!r}") from error
        if answer.status_code >= _SERVER_ERROR or answer.status_code == _BUSY:
            raise RegistryUnavailable(f"the schema registry answers {answer.status_code}")
        if not answer.is_success:
            told = answer.text[:_TOLD_MAX]
            raise RegistryRefused(f"the schema registry answers {answer.status_code} to {method} {path}: {told}")
        return answer.content


def _decoded(raw: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise RegistryRefused(f"the schema registry answers something else than was asked: {error}") from error
