"""Cursors of counts name an instant, or are none of ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from overworld.domains.analytics.asking import place_in
from overworld.platform.http import encode_cursor
from overworld.platform.http.errors import BadCursor


def test_a_cursor_names_an_instant_that_there_is_in_utc() -> None:
    assert place_in(encode_cursor("2026-06-01T02:00:00+02:00", "a", "b")) == (
        datetime(2026, 6, 1, tzinfo=UTC),
        "a",
        "b",
    )
    for no_instant in ("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "2026-06-01T00:00:00"):
        with pytest.raises(BadCursor):
            place_in(encode_cursor(no_instant, "a", "b"))
