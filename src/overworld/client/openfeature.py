"""Flags of a running server for the OpenFeature SDK: `pip install overworld[openfeature]`.

    from openfeature import api
    from overworld.client.openfeature import OverworldProvider

    api.set_provider(OverworldProvider("http://127.0.0.1:7400", token=key))
    shows_map = api.get_client().get_boolean_value("better-map", False, EvaluationContext(player_id))

Each evaluation asks the server, by the OpenFeature Remote Evaluation Protocol, and counts as an exposure where the flag
is measured; `expose` False in the context only looks. With a player's token the context needs no targeting key; with
that of a server, an API key with `game.read` and `flags.evaluate`, it is the player's id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import (
    ErrorCode,
    FlagNotFoundError,
    GeneralError,
    InvalidContextError,
    OpenFeatureError,
    ParseError,
    TargetingKeyMissingError,
    TypeMismatchError,
)
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from overworld.client.http import trusted

Object = Sequence[FlagValueType] | Mapping[str, FlagValueType]

_NOT_FOUND, _TOO_MANY, _ERROR_STATUS = 404, 429, 400
_PAUSE_S = 1.0
_RAISED: Mapping[str, Callable[[str], OpenFeatureError]] = {
    ErrorCode.TARGETING_KEY_MISSING.value: TargetingKeyMissingError,
    ErrorCode.INVALID_CONTEXT.value: InvalidContextError,
    ErrorCode.PARSE_ERROR.value: ParseError,
}


class _Given(msgspec.Struct):
    key: str
    value: Any
    variant: str | None = None
    reason: str = Reason.UNKNOWN.value
    metadata: dict[str, Any] = {}


class _Problem(msgspec.Struct):
    title: str = "the server refused"
    detail: str | None = None
    code: str | None = None
    error_code: str | None = msgspec.field(name="errorCode", default=None)


_given = msgspec.json.Decoder(_Given).decode
_problem = msgspec.json.Decoder(_Problem).decode
_encode = msgspec.json.Encoder().encode


class OverworldProvider(AbstractProvider):
    """Resolves flags, synchronously or not. `token` is a player's access token or an API key, or gives one."""

    def __init__(self, url: str, *, token: str | Callable[[], str], timeout_s: float = 5.0) -> None:
        super().__init__()
        self._token = token
        self._http = httpx.Client(base_url=url, timeout=timeout_s, verify=trusted())
        self._http_async = httpx.AsyncClient(base_url=url, timeout=timeout_s, verify=trusted())
        self._paused_until_s = 0.0

    def get_metadata(self) -> Metadata:
        """What the provider is called."""
        return Metadata(name="overworld")

    def shutdown(self) -> None:
        """Closes the connections of synchronous calls; `aclose` closes all."""
        self._http.close()

    async def aclose(self) -> None:
        """Closes all connections."""
        self._http.close()
        await self._http_async.aclose()

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """A flag that is true or false."""
        return _typed(self._ask(flag_key, evaluation_context), _boolean)

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """A flag that is true or false."""
        return _typed(await self._ask_async(flag_key, evaluation_context), _boolean)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A flag that is text."""
        return _typed(self._ask(flag_key, evaluation_context), _text)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A flag that is text."""
        return _typed(await self._ask_async(flag_key, evaluation_context), _text)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """A flag that is a whole number."""
        return _typed(self._ask(flag_key, evaluation_context), _integer)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """A flag that is a whole number."""
        return _typed(await self._ask_async(flag_key, evaluation_context), _integer)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A flag that is a number; whole ones are taken too."""
        return _typed(self._ask(flag_key, evaluation_context), _number)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A flag that is a number; whole ones are taken too."""
        return _typed(await self._ask_async(flag_key, evaluation_context), _number)

    def resolve_object_details(
        self, flag_key: str, default_value: Object, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Object]:
        """A flag that is an object or a list."""
        return _typed(self._ask(flag_key, evaluation_context), _object)

    async def resolve_object_details_async(
        self, flag_key: str, default_value: Object, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Object]:
        """A flag that is an object or a list."""
        return _typed(await self._ask_async(flag_key, evaluation_context), _object)

    def _ask(self, flag: str, context: EvaluationContext | None) -> _Given:
        try:
            answer = self._http.request(**self._request(flag, context))
        except httpx.HTTPError as error:
            raise GeneralError(f"no answer from the server: {error!r}") from error
        return self._answer(answer)

    async def _ask_async(self, flag: str, context: EvaluationContext | None) -> _Given:
        try:
            answer = await self._http_async.request(**self._request(flag, context))
        except httpx.HTTPError as error:
            raise GeneralError(f"no answer from the server: {error!r}") from error
        return self._answer(answer)

    def _request(self, flag: str, context: EvaluationContext | None) -> dict[str, Any]:
        """Raises: GeneralError while the server wants to be left alone."""
        if time.monotonic() < self._paused_until_s:
            raise GeneralError("the server asked for a pause")
        said: dict[str, Any] = {} if context is None else dict(context.attributes)
        if context is not None and context.targeting_key:
            said["targetingKey"] = context.targeting_key
        token = self._token if isinstance(self._token, str) else self._token()
        return {
            "method": "POST",
            "url": f"/ofrep/v1/evaluate/flags/{quote(flag, safe='')}",
            "content": _encode({"context": said}),
            "headers": {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        }

    def _answer(self, answer: httpx.Response) -> _Given:
        """What was given. Raises: an OpenFeatureError that says why not."""
        if answer.status_code < _ERROR_STATUS:
            try:
                return _given(answer.content)
            except msgspec.MsgspecError as error:
                raise ParseError(f"the server answered something else: {error}") from error
        if answer.status_code == _TOO_MANY:
            pause_s = answer.headers.get("retry-after", "")
            self._paused_until_s = time.monotonic() + (float(pause_s) if pause_s.isdigit() else _PAUSE_S)
        try:
            problem = _problem(answer.content)
        except msgspec.MsgspecError:
            problem = _Problem(title=f"the server answered {answer.status_code}")
        said = f"{problem.detail or problem.title} ({problem.code or answer.status_code})"
        if answer.status_code == _NOT_FOUND:
            raise FlagNotFoundError(said)
        raise _RAISED.get(problem.error_code or "", GeneralError)(said)


def _typed(given: _Given, read: Callable[[Any], Any]) -> FlagResolutionDetails[Any]:
    """The details, if the value is of the type that was asked for. Raises: TypeMismatchError."""
    try:
        value = read(given.value)
    except TypeError as error:
        raise TypeMismatchError(f"{given.key} is {type(given.value).__name__}") from error
    reason = Reason[given.reason] if given.reason in Reason.__members__ else Reason.UNKNOWN
    return FlagResolutionDetails(value=value, variant=given.variant, reason=reason, flag_metadata=given.metadata)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError


def _number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise TypeError


def _object(value: Any) -> Object:
    if isinstance(value, dict | list):
        return value
    raise TypeError
