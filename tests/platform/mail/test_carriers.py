"""Both carriers of mail: to a real SMTP server, protected or not, and into a folder."""

from __future__ import annotations

import ssl
from email import message_from_bytes
from email.policy import default
from typing import Any
from uuid import UUID

import pytest

from overworld.kernel.mail import TAKEN, Mail
from overworld.platform.mail import FolderCarrier, MailSettings, SmtpCarrier
from tests.certificates import make_pair
from tests.post_office import HOST, PostOffice


def mail(to: str = "ann@example.org", *, subject: str = "Grüße") -> Mail:
    return Mail(id=UUID(int=7), to=to, subject=subject, text="Žiga, 7 €\n")


def carrier(office: PostOffice, clock, *, trusting: ssl.SSLContext | None = None, **changed) -> SmtpCarrier:
    settings: dict[str, Any] = {"server": HOST, "port": office.port, "security": "none"}
    return SmtpCarrier(MailSettings(**settings | changed), sender_name="Ore", clock=clock, trusting=trusting)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make_pair(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server_tls(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


async def test_a_mail_arrives_as_it_was_written(clock):
    async with PostOffice().open() as office:
        assert await carrier(office, clock).carry([mail()]) == [TAKEN]
    [came] = office.mails
    assert (came["Subject"], came.get_content().replace("\r\n", "\n")) == ("Grüße", "Žiga, 7 €\n")
    assert (came["Message-ID"], came["From"]) == (
        "<00000000-0000-0000-0000-000000000007@localhost>",
        "Ore <overworld@localhost>",
    )
    assert came["Date"].datetime == clock.now()


async def test_the_connection_is_encrypted_before_the_password_and_the_mail_are_told(clock, pair, server_tls):
    async with PostOffice().open(tls=server_tls, login=True) as office:
        settings: dict[str, Any] = {"security": "starttls", "username": "ow", "password": office.password}
        carried = await carrier(office, clock, trusting=pair.trusting(), **settings).carry([mail()])
    assert (carried, office.encrypted, office.logins) == ([TAKEN], [True], [("ow", office.password)])


async def test_nothing_is_told_to_a_server_whose_certificate_is_not_trusted(clock, server_tls):
    async with PostOffice().open(tls=server_tls, login=True) as office:
        settings: dict[str, Any] = {"security": "starttls", "username": "ow", "password": office.password}
        [carried] = await carrier(office, clock, **settings).carry([mail()])
    assert (carried.taken, carried.again) == (False, True)
    assert (office.mails, office.logins) == ([], [])


async def test_nothing_is_told_to_a_server_that_cannot_encrypt(clock):
    async with PostOffice().open() as office:
        [carried] = await carrier(office, clock, security="starttls").carry([mail()])
    assert (carried.taken, carried.again, office.mails) == (False, True, [])


async def test_a_wrong_mail_password_is_worth_another_try_and_not_repeated(clock, pair, server_tls):
    async with PostOffice().open(tls=server_tls, login=True) as office:
        settings: dict[str, Any] = {"security": "starttls", "username": "ow", "password": "not this one"}
        [carried] = await carrier(office, clock, trusting=pair.trusting(), **settings).carry([mail()])
    assert (carried.taken, carried.again) == (False, True)
    assert "not this one" not in carried.error


@pytest.mark.parametrize("to", ["a b@example.org", "<x>@example.org", "a,b@example.org", "x@ex\nBcc: y@z.org", "@", ""])
async def test_an_address_that_mail_has_no_form_for_is_given_up(clock, tmp_path, to):
    async with PostOffice().open() as office:
        [carried] = await carrier(office, clock).carry([mail(to)])
    folder = FolderCarrier(tmp_path / "mail", sender="a@example.org", sender_name="", clock=clock)
    for one in (carried, *await folder.carry([mail(to)])):
        assert (one.taken, one.again) == (False, False)
    assert (office.mails, list(tmp_path.iterdir())) == ([], [])


async def test_text_cannot_begin_another_header(clock):
    async with PostOffice().open() as office:
        [carried] = await carrier(office, clock).carry([mail(subject="a\r\nBcc: eve@example.org")])
    assert (carried.taken, office.mails) == (False, [])


async def test_an_address_outside_ascii_arrives(clock):
    async with PostOffice().open() as office:
        assert await carrier(office, clock).carry([mail("žiga@example.org"), mail("a@bücher.example")]) == [TAKEN] * 2
    assert office.recipients == [["žiga@example.org"], ["a@xn--bcher-kva.example"]]


async def test_a_folder_keeps_mails_for_its_owner_alone(clock, tmp_path, caplog):
    folder = tmp_path / "mail"
    carried = await FolderCarrier(folder, sender="a@example.org", sender_name="Ore", clock=clock).carry([mail()])
    assert carried == [TAKEN]
    [file] = folder.iterdir()
    assert (file.name, file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (
        "20260601-120000-00000000-0000-0000-0000-000000000007.eml",
        0o600,
        0o700,
    )
    assert message_from_bytes(file.read_bytes(), policy=default)["To"] == "ann@example.org"
    assert "not sent" in caplog.text


async def test_a_folder_that_cannot_be_written_is_tried_again(clock, tmp_path):
    (tmp_path / "file").touch()
    folder = FolderCarrier(tmp_path / "file" / "mail", sender="a@example.org", sender_name="", clock=clock)
    [carried] = await folder.carry([mail()])
    assert (carried.taken, carried.again) == (False, True)


@pytest.mark.parametrize(
    "settings",
    [
        {"server": "mail.example", "username": "u", "security": "none"},
        {"sender": "nobody"},
        {"sender": "a@b\nBcc: c@d"},
        {"sender_name": "a\nb"},
    ],
)
def test_settings_that_would_tell_secrets_or_break_mails_are_refused(settings):
    with pytest.raises(ValueError, match=r"sender|password"):
        MailSettings(**settings)
