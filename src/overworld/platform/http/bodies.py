"""Bodies are read within bounds and decoded straight into the Struct a handler asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import msgspec
from litestar import Request
from litestar.dto import AbstractDTO
from litestar.openapi.spec import Reference, Schema
from litestar.types import Empty, HTTPRequestEvent, Receive
from litestar.typing import FieldDefinition

from overworld.platform.http.errors import BadRequest, BodyTooLarge, ClientLeft, RequestTimedOut
from overworld.platform.http.plans import Plan, plan_of
from overworld.platform.http.problems import body_fault, fault

_NUL = b"\\u0000"


class BodyReader:
    """Reads one body, at most `bytes_max` of it and for at most `timeout_s` from now."""

    __slots__ = ("_bytes_max", "_deadline_s", "_receive", "_taken", "more")

    def __init__(self, receive: Receive, *, bytes_max: int, timeout_s: float) -> None:
        self._receive = receive
        self._bytes_max = bytes_max
        self._deadline_s = asyncio.get_running_loop().time() + timeout_s
        self._taken = 0
        self.more = True

    async def chunk(self) -> bytes:
        """The next part; `more` says whether another follows. Raises: RequestTimedOut; ClientLeft; BodyTooLarge."""
        try:
            async with asyncio.timeout_at(self._deadline_s):
                message = await self._receive()
        except TimeoutError as error:
            raise RequestTimedOut from error
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part = cast("HTTPRequestEvent", message).get("body", b"")
        self._taken += len(part)
        if self._taken > self._bytes_max:
            raise BodyTooLarge(bytes_max=self._bytes_max)
        self.more = bool(message.get("more_body", False))
        return part

    async def whole(self) -> bytes:
        """Everything. Raises: as `chunk`."""
        parts = [await self.chunk()]
        while self.more:
            parts.append(await self.chunk())
        return parts[0] if len(parts) == 1 else b"".join(parts)


class EdgeRequest(Request[Any, Any, Any]):
    """A request whose body is bounded in size and time, by the plan of its route."""

    async def body(self) -> bytes:
        """The whole body. Raises: as `BodyReader.chunk`."""
        if self._body is Empty:
            self._body = await self.reader().whole()
        return self._body

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in parts; can be read once. Raises: as `BodyReader.chunk`."""
        reader = self.reader()
        while reader.more:
            yield await reader.chunk()

    def reader(self) -> BodyReader:
        """What reads the body, once."""
        return body_reader(plan_of(self.scope), self.receive)


def body_reader(plan: Plan, receive: Receive) -> BodyReader:
    """What reads a body within the bounds of its route."""
    return BodyReader(receive, bytes_max=plan.body_bytes_max, timeout_s=plan.body_timeout_s)


def decoded(plan: Plan, value: bytes) -> Any:
    """The Struct of a JSON body. Raises: BadRequest with the place and the reason."""
    if _NUL in value and "\x00" in _texts(value):
        raise BadRequest(errors=[fault("body", "", "Text must not contain U+0000")])
    try:
        return plan.decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise body_fault(error) from error


class StrictBody(AbstractDTO[Any]):
    """Decodes JSON bodies by msgspec in one step, strictly: no number in a string, no unknown field.

    Litestar's own way goes over untyped dictionaries and then converts leniently. The decoder is in the route's plan.
    """

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Nothing to prepare: `plan_routes` makes the decoder."""

    def decode_bytes(self, value: bytes) -> Any:
        """The Struct of a JSON body. Raises: BadRequest with the place and the reason."""
        return decoded(plan_of(self.asgi_connection.scope), value)

    def decode_builtins(self, value: dict[str, Any]) -> Any:
        """The Struct of a form. Raises: BadRequest with the place and the reason."""
        try:
            return msgspec.convert(value, plan_of(self.asgi_connection.scope).decoder.type, strict=False)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise body_fault(error) from error

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        schema: Reference | Schema = schema_creator.for_field_definition(field_definition)
        return schema

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Any:
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        return False


def _texts(value: bytes) -> str:
    """The JSON text with its escapes undone, roughly: enough to see whether a NUL would come out of it."""
    return value.decode("utf-8", "replace").replace("\\\\", "").replace("\\u0000", "\x00")
