"""With a certificate of its own the socket speaks TLS 1.3, and nothing else."""

import asyncio
import ssl

import pytest

from overworld.client import Socket, Unreachable
from overworld.domains.realtime.tls import ServerTls, TlsUnusable
from tests.certificates import make_pair


@pytest.fixture
def pair(tmp_path):
    return make_pair(tmp_path)


def server(pair):
    return ServerTls(certificate=pair.certificate, key=pair.key)


async def connected(site, tls, scheme="wss"):
    site.house.token()

    async def token():
        return "token"

    return await Socket.connect(f"{scheme}://127.0.0.1:{site.gateway.port}/v1/realtime", token=token, tls=tls)


async def certificate_shown(site, context):
    """What the server shows to a new connection, and the version and protocol that were agreed on."""
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", site.gateway.port, ssl=context)
    line = writer.get_extra_info("ssl_object")
    told = line.getpeercert(binary_form=True), line.version(), line.selected_alpn_protocol()
    writer.transport.abort()
    return told


async def test_the_client_talks_to_it_both_ways(open_site, pair, square):
    async with open_site(tls=server(pair).context) as site, await connected(site, pair.trusting()) as socket:
        assert (await socket.subscribe([square[2], "chat:global"])).refused == []
        event = await socket.events.get()
        assert event.type == "players.nearby"
        big = {"channel": "chat:global", "text": "x" * 500}
        await socket.ask("chat.message", data=big)
        while (event := await socket.events.get()).type != "chat.message":
            continue
        assert event.data.text == big["text"]


async def test_it_agrees_on_tls_1_3_and_http_1_1(open_site, pair):
    async with open_site(tls=server(pair).context) as site:
        shown = await certificate_shown(site, pair.trusting())
        assert shown == (pair.fingerprint(), "TLSv1.3", "http/1.1")


async def test_an_older_version_is_turned_away(open_site, pair, caplog):
    old = pair.trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with open_site(tls=server(pair).context) as site:
        with pytest.raises(Unreachable):
            await connected(site, old)
    assert caplog.records == []


async def test_a_client_that_does_not_know_the_certificate_does_not_go_on(open_site, pair, caplog):
    async with open_site(tls=server(pair).context) as site:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await connected(site, None)
    assert caplog.records == [], "what strangers do to a port is no error of ours"


async def test_plain_text_is_turned_away_and_disturbs_nobody(open_site, pair):
    async with open_site(tls=server(pair).context) as site, await connected(site, pair.trusting()) as socket:
        with pytest.raises(Unreachable):
            await connected(site, None, scheme="ws")
        assert (await socket.subscribe(["system"])).channels == ["system"]


async def test_a_renewed_certificate_serves_new_connections_and_keeps_old_ones(open_site, tmp_path, pair):
    tls = server(pair)
    async with open_site(tls=tls.context) as site, await connected(site, pair.trusting()) as socket:
        before = pair.fingerprint()
        renewed = make_pair(tmp_path)
        assert renewed.fingerprint() != before
        tls.renew()
        assert (await certificate_shown(site, renewed.trusting()))[0] == renewed.fingerprint()
        assert (await socket.subscribe(["system"])).channels == ["system"]


async def test_a_renewal_that_is_wrong_changes_nothing(open_site, tmp_path, pair):
    """The new certificate with the old key: neither half may be taken."""
    tls, trusting, before = server(pair), pair.trusting(), pair.fingerprint()
    async with open_site(tls=tls.context) as site:
        other = make_pair(tmp_path, "other")
        pair.certificate.write_bytes(other.certificate.read_bytes())
        with pytest.raises(TlsUnusable, match="does not belong"):
            tls.renew()
        assert (await certificate_shown(site, trusting))[0] == before


def test_files_that_cannot_be_used_are_told_with_what_would_be_right(tmp_path, pair):
    other, locked = make_pair(tmp_path, "other"), make_pair(tmp_path, "locked", passphrase=b"secret")
    (tmp_path / "junk").write_text("junk")
    wrong = {
        (pair.certificate, other.key): "does not belong to the certificate",
        (locked.certificate, locked.key): "the key is encrypted",
        (pair.certificate, tmp_path / "none"): "tls_key.*none cannot be read: No such file",
        (tmp_path, pair.key): "tls_certificate.*cannot be read: Is a directory",
        (tmp_path / "junk", pair.key): "BEGIN CERTIFICATE",
        (pair.key, pair.certificate): "BEGIN CERTIFICATE",
    }
    for (certificate, key), told in wrong.items():
        with pytest.raises(TlsUnusable, match=told):
            ServerTls(certificate=certificate, key=key)
