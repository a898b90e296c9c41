"""Entity tags, preconditions, pages and cursors."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.platform.http import decode_cursor, encode_cursor, etag_of
from overworld.platform.http.errors import BadCursor


async def test_a_known_tag_gets_304_without_a_body(ask):
    tag = (await ask.get("/v1/card")).headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        reply = await ask.get("/v1/card", headers={"if-none-match": known})
        assert (reply.status_code, reply.content, reply.headers["etag"]) == (304, b"", tag)


async def test_another_tag_gets_the_value(ask):
    reply = await ask.get("/v1/card", headers={"if-none-match": '"other"'})
    assert (reply.status_code, reply.json()) == (200, {"level": 3})


@pytest.mark.parametrize("wanted", ['"other"', "", "W/" + etag_of({"level": 3})])
async def test_a_change_to_something_that_has_changed_is_412(ask, wanted):
    reply = await ask.put("/v1/card", json={"level": 4}, headers={"if-match": wanted})
    assert (reply.status_code, reply.json()["code"]) == (412, "http.precondition_failed")


@pytest.mark.parametrize("headers", [{}, {"if-match": etag_of({"level": 3})}, {"if-match": "*"}])
async def test_a_change_to_what_was_read_is_made(ask, headers):
    assert (await ask.put("/v1/card", json={"level": 4}, headers=headers)).status_code == 200


@given(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=50))
def test_a_cursor_gives_back_what_went_in(at: datetime, id: UUID, number: int, text: str):
    values = (at, id, number, text)
    assert decode_cursor(encode_cursor(*values), (datetime, UUID, int, str)) == values


@given(st.text(max_size=600))
def test_a_cursor_that_is_none_is_refused_never_a_bug(text: str):
    with pytest.raises(BadCursor):
        decode_cursor(text, (datetime, UUID))


def test_a_cursor_of_another_list_is_refused():
    with pytest.raises(BadCursor):
        decode_cursor(encode_cursor("name", 1), (datetime, UUID))


def test_a_cursor_deeper_than_any_of_ours_is_refused():
    with pytest.raises(BadCursor):
        decode_cursor("kZGR" * 128, (list,) * 2)
