"""What stands in mails, and what an operator may make of it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from overworld.domains.accounts.mail.errors import BadMailText
from overworld.domains.accounts.mail.letters import read_letters
from overworld.domains.accounts.mail.types import Addressee, Kind, Waiting

TO = Addressee("ann@example.org", UUID(int=1))


def waiting(kind: Kind) -> Waiting:
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    return Waiting(id=UUID(int=2), kind=kind, account_id=UUID(int=1), email=TO.email, address="192.0.2.1", made_at=at)


@pytest.mark.parametrize("kind", Kind)
def test_every_built_in_text_is_filled_to_the_end(kind):
    mail = read_letters("", game="Ore", link="").write(waiting(kind), TO, token="T" * 43, life_s=86_400)
    assert mail.subject.startswith("Ore: ")
    assert "$" not in mail.text
    assert "01 June 2026 at 12:00 UTC" in mail.text or "T" * 43 in mail.text


def test_a_link_carries_the_token_behind_the_hash_where_no_server_sees_it():
    letters = read_letters("", game="Ore", link="https://play.example/account")
    mail = letters.write(waiting(Kind.RESET_PASSWORD), TO, token="abc", life_s=1_800)
    assert "\nhttps://play.example/account#purpose=reset_password&token=abc\n" in mail.text


def test_texts_of_the_operator_go_before_the_built_in_ones(tmp_path):
    (tmp_path / "reset_password.txt").write_text("Subject: Novo geslo za $game\n\nKoda: $token, velja $life, $$5\n")
    letters = read_letters(str(tmp_path), game="Rudnik", link="")
    mail = letters.write(waiting(Kind.RESET_PASSWORD), TO, token="abc", life_s=7_200)
    assert (mail.subject, mail.text) == ("Novo geslo za Rudnik", "Koda: abc, velja 2 hours, $5\n")
    assert letters.write(waiting(Kind.EMAIL_CHANGED), TO).subject == "Rudnik: your e-mail address was changed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no subject", "does not begin with"),
        ("Subject: a\n\n$how $username", "names $username"),
        ("Subject: a\n\n$how costs 5 $", "begins no name"),
        ("Subject: a\n\nnothing", "names neither"),
        ("Subject: $toke\n\n$how", "names $toke"),
    ],
)
def test_a_text_that_cannot_be_used_stops_the_start_and_is_named(tmp_path, text, said):
    (tmp_path / "reset_password.txt").write_text(text)
    with pytest.raises(BadMailText, match=r"reset_password\.txt") as refused:
        read_letters(str(tmp_path), game="Ore", link="")
    assert said in str(refused.value)


def test_a_folder_of_texts_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(BadMailText, match="there is no folder"):
        read_letters(str(tmp_path / "none"), game="Ore", link="")
