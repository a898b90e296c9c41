"""Names, scopes, and what becomes of a refresh token, as tables and properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.accounts import rules
from overworld.domains.accounts.errors import BadEmail, BadUsername
from overworld.domains.accounts.types import RefreshMove, RefreshToken, Role, Session, TokenState, Way
from overworld.kernel.identity import Scope
from overworld.kernel.ports import Limit, Taken

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("Ann", "Ann"),
        ("ann bo", "ann bo"),
        ("x" * 50, "x" * 50),
        ("\uff21\uff4e\uff4e", "Ann"),
        ("Ünal", "Ünal"),
        ("山田太郎", "山田太郎"),
    ],
)
def test_a_username_is_kept_composed(given_name, kept):
    assert rules.username(given_name) == kept


@pytest.mark.parametrize(
    "name",
    ["", "an", "x" * 51, " ann", "ann ", "a  b", "a\u200bnn", "a\nnn", "a\x00nn", "___", "a\u202enn", "\ufdfa" * 3],
)
def test_a_username_that_deceives_or_does_not_fit_is_refused(name):
    with pytest.raises(BadUsername):
        rules.username(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ANN", "ann"), ("Straße", "STRASSE"), ("\uff21nn", "ann"), ("ﬁsh", "FISH"), ("Σίσυφος", "ΣΊΣΥΦΟΣ")],
)
def test_names_that_differ_by_case_or_width_fold_to_one(one, other):
    assert rules.folded(one) == rules.folded(other)


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing_more(text):
    assert rules.folded(rules.folded(text)) == rules.folded(text)


@given(st.text(max_size=60))
def test_an_accepted_username_fits_its_bounds_and_is_accepted_as_kept(text):
    try:
        kept = rules.username(text)
    except BadUsername:
        return
    assert 3 <= len(kept) <= 50
    assert rules.username(kept) == kept


@given(st.text(min_size=3, max_size=50), st.binary(min_size=5, max_size=5))
def test_a_name_with_an_ending_is_a_username_whenever_the_name_was(name, random):
    try:
        kept = rules.username(name)
    except BadUsername:
        return
    assert rules.username(rules.with_ending(kept, random)) == rules.with_ending(kept, random)


def test_endings_tell_all_random_bits_apart():
    assert rules.default_username(b"\x00\x00\x00\x00\x01") == "player-00000001"
    assert rules.default_username(b"\xff\xff\xff\xff\xff") == "player-zzzzzzzz"


@pytest.mark.parametrize("address", ["a@b", "a.b+c@example.org", "ünal@例え.jp"])
def test_an_email_address_is_kept_as_given(address):
    assert rules.email(address) == address


@pytest.mark.parametrize("address", ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\n", "a@\x00b", "\ufdfa" * 20 + "@b"])
def test_a_malformed_email_address_is_refused(address):
    with pytest.raises(BadEmail):
        rules.email(address)


def test_every_role_has_scopes_and_none_may_replay():
    assert {role: Scope.WORLD_REPLAY in rules.scopes_of(role) for role in Role} == dict.fromkeys(Role, False)


def test_only_admins_may_place_collectibles():
    """What is placed may be worth anything."""
    assert [role for role in Role if Scope.GAME_PLACE in rules.scopes_of(role)] == [Role.ADMIN]


def test_players_play_and_sponsors_only_see_their_account():
    assert rules.scope_claim(rules.scopes_of(Role.PLAYER)) == (
        "account.self chat.read chat.write game.play game.read ledger.read ledger.transfer location.read "
        "location.write realtime.connect telemetry.write"
    )
    assert rules.scopes_of(Role.SPONSOR) == {Scope.ACCOUNT_SELF}


def test_a_did_key_is_that_of_the_published_test_vector():
    """Source: did:key method v0.7, section "Ed25519 / X25519", first vector."""
    public_key = bytes.fromhex("2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6")
    assert rules.did_key(public_key) == "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


def session(revoked=False):
    return Session(
        id=UUID(int=1),
        account_id=UUID(int=2),
        way=Way.DEVICE,
        address="",
        user_agent="",
        created_at=NOW,
        used_at=NOW,
        ends_at=NOW + timedelta(days=30),
        revoked_at=NOW if revoked else None,
    )


@pytest.mark.parametrize(
    ("state", "age_s", "rotated_s_ago", "revoked", "move"),
    [
        (TokenState.LIVE, 0, None, False, RefreshMove.ROTATE),
        (TokenState.LIVE, 99, None, False, RefreshMove.ROTATE),
        (TokenState.LIVE, 100, None, False, RefreshMove.ENDED),
        (TokenState.LIVE, 0, None, True, RefreshMove.ENDED),
        (TokenState.ROTATED, 50, -1, False, RefreshMove.SIBLING),
        (TokenState.ROTATED, 50, 0, False, RefreshMove.SIBLING),
        (TokenState.ROTATED, 50, 10, False, RefreshMove.SIBLING),
        (TokenState.ROTATED, 50, 11, False, RefreshMove.REUSED),
        (TokenState.ROTATED, 50, 0, True, RefreshMove.ENDED),
        (TokenState.ROTATED, 100, 5, False, RefreshMove.ENDED),
        (TokenState.SPENT, 50, 0, False, RefreshMove.REUSED),
        (TokenState.SPENT, 50, 40, True, RefreshMove.ENDED),
        (TokenState.SPENT, 100, 60, False, RefreshMove.ENDED),
    ],
)
def test_refresh_tokens_are_judged_by_state_age_and_session(state, age_s, rotated_s_ago, revoked, move):
    rotated_at = None if rotated_s_ago is None else NOW - timedelta(seconds=rotated_s_ago)
    token = RefreshToken(state, NOW - timedelta(seconds=age_s), rotated_at)
    assert rules.judge_refresh(token, session(revoked), now=NOW, life_s=100, reuse_s=10) is move


def test_the_wait_is_for_one_token_not_for_a_full_bucket():
    limit = rules.per_window(5, 60)
    assert limit == Limit(per_s=5 / 60, burst=5)
    empty = Taken(allowed=True, remaining=0, reset_s=60.0, retry_after_s=0.0)
    assert rules.wait_s(empty, limit) == pytest.approx(12.0)
