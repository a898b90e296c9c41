"""Sign-in with Ethereum: real signatures, and everything that is none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from overworld.domains.accounts.external.errors import NoSuchProvider, NotProved
from overworld.domains.accounts.external.messages import SignInWallet
from overworld.domains.accounts.external.wallet.message import parsed
from overworld.domains.accounts.external.wallet.signature import keccak256, signer, with_checksum
from overworld.domains.accounts.messages import SignInRefused
from overworld.kernel.clock import rfc3339
from tests.domains.accounts.conftest import HERE
from tests.domains.accounts.external.conftest import settings_of

N = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


class Wallet:
    """A key on secp256k1 that signs as wallets do, by OpenSSL."""

    def __init__(self, secret: int) -> None:
        self._key = ec.derive_private_key(secret, ec.SECP256K1())
        point = self._key.public_key().public_numbers()
        self.address = with_checksum(keccak256(point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big"))[-20:])

    def sign(self, text: str) -> bytes:
        """The 65 bytes of a wallet: r, s of the lower half, and which of the two keys it is."""
        data = text.encode()
        digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)
        r, s = decode_dss_signature(self._key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
        s = min(s, N - s)
        both = [r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v]) for v in (27, 28)]
        [right] = [each for each in both if signer(text, each) == self.address]
        return right


ANN, EVE = Wallet(0xA11CE), Wallet(0xE7E)


def message(nonce, at, *, address=ANN.address, domain="play.example", uri="https://play.example/sign-in", **fields):
    """A message as a wallet shows it, other lines by name."""
    lines = {"Version": "1", "Chain ID": "1", "Nonce": nonce, "Issued At": rfc3339(at)} | fields
    rows = "\n".join(f"{name}: {value}" for name, value in lines.items() if value is not None)
    return (
        f"{domain} wants you to sign in with your Ethereum account:\n{address}\n\nPlay the game.\n\nURI: {uri}\n{rows}"
    )


def signed(text, wallet=ANN):
    return SignInWallet(message=text, signature="0x" + wallet.sign(text).hex())


@pytest.fixture
async def wallets(open_hall):
    async with open_hall(settings_of()) as opened:
        yield opened


class TestSignature:
    def test_a_published_signature_names_its_account(self):
        """The vector of eth_account's documentation."""
        signature = bytes.fromhex(
            "e6ca9bba58c88611fad66a6ce8f996908195593807c4b38bd528d2cff09d4eb3"
            "3e5bfbbf4d3e39b1a2fd816a7680c19ebebaf3a141b239934ad43cb33fcec8ce1c"
        )
        assert signer("I♥SF", signature) == "0x5ce9454909639D2D17A3F753ce7d93fa0b9aB12E"

    def test_checksums_are_those_of_the_standard(self):
        """The examples of EIP-55."""
        for address in (
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ):
            assert with_checksum(bytes.fromhex(address[2:])) == address

    @settings(max_examples=12)
    @given(st.integers(1, N - 1), st.text(st.characters(codec="utf-8"), max_size=50))
    def test_every_key_is_found_under_what_it_signed_and_nothing_else(self, secret, text):
        wallet = Wallet(secret)
        signature = wallet.sign(text)
        assert signer(text, signature) == wallet.address
        assert signer(text + "!", signature) != wallet.address

    def test_what_is_no_signature_is_nobodys(self):
        good = ANN.sign("x")
        r, s = good[:32], int.from_bytes(good[32:64], "big")
        other_half = (N - s).to_bytes(32, "big")
        for broken in (
            b"",
            good[:64],
            good + b"\0",
            bytes(65),
            b"\xff" * 65,
            good[:64] + b"\x1d",
            bytes(32) + good[32:],
            r + bytes(32) + good[64:],
            r + other_half + good[64:],
            N.to_bytes(32, "big") + good[32:],
        ):
            assert signer("x", broken) is None


@pytest.mark.slow
class TestSignIn:
    async def asked(self, hall, **changes):
        challenge = await hall.visits.challenge(account_id=None)
        return message(challenge.nonce, hall.house.clock.now(), **changes)

    async def refused(self, hall, command):
        with pytest.raises(NotProved) as caught:
            await hall.external.sign_in_wallet(command, origin=HERE)
        return caught.value.fields["reason"]

    async def test_a_wallet_makes_an_account_and_then_finds_it(self, wallets):
        made = await wallets.external.sign_in_wallet(signed(await self.asked(wallets)), origin=HERE)
        found = await wallets.external.sign_in_wallet(signed(await self.asked(wallets)), origin=HERE)
        assert (made.is_new, found.is_new, found.grant.user.id) == (True, False, made.grant.user.id)
        me = await wallets.house.accounts.profiles.me(made.grant.user.id)
        assert me.wallet_address == ANN.address

    async def test_an_address_is_one_however_it_is_written(self, wallets):
        made = await wallets.external.sign_in_wallet(signed(await self.asked(wallets)), origin=HERE)
        text = await self.asked(wallets, address=ANN.address.lower())
        assert (await wallets.external.sign_in_wallet(signed(text), origin=HERE)).grant.user.id == made.grant.user.id

    async def test_a_nonce_is_good_once(self, wallets):
        command = signed(await self.asked(wallets))
        await wallets.external.sign_in_wallet(command, origin=HERE)
        assert await self.refused(wallets, command) == "no such visit any more"
        [event] = wallets.house.outbox.of(SignInRefused)
        assert event.reason == "not_proved"

    async def test_a_nonce_that_nobody_gave_is_refused(self, wallets):
        text = message("0123456789abcdef", wallets.house.clock.now())
        assert await self.refused(wallets, signed(text)) == "no such visit any more"

    async def test_what_another_signed_is_refused(self, wallets):
        text = await self.asked(wallets)
        assert "signed by another" in await self.refused(wallets, signed(text, EVE))
        assert "no such visit" in await self.refused(wallets, signed(text))

    async def test_what_was_signed_for_another_page_or_time_is_refused(self, wallets):
        now = wallets.house.clock.now()
        for reason, changes in (
            ("domain", {"domain": "evil.example", "uri": "https://evil.example/"}),
            ("domain", {"domain": "play.example.evil.example", "uri": "https://play.example.evil.example/"}),
            ("URI", {"uri": "https://evil.example/"}),
            ("URI", {"uri": "https://play.example@evil.example/"}),
            ("URI", {"uri": "ftp://play.example/"}),
            ("URI", {"domain": "http://play.example"}),
            ("chain", {"Chain ID": "137"}),
            ("EIP-4361", {"Version": "2"}),
            ("old", {"Issued At": rfc3339(now - timedelta(minutes=12))}),
            ("future", {"Issued At": rfc3339(now + timedelta(minutes=2))}),
            ("expired", {"Expiration Time": rfc3339(now)}),
            ("not yet", {"Not Before": rfc3339(now + timedelta(minutes=2))}),
            ("instant", {"Issued At": "2026-13-01T00:00:00Z"}),
            ("offset", {"Issued At": "2026-11-26T00:00:00.000"}),
            ("checksum", {"address": "0x" + ANN.address[2:].swapcase()}),
        ):
            assert reason in await self.refused(wallets, signed(await self.asked(wallets, **changes))), changes

    async def test_where_no_domain_is_set_no_wallet_signs_in(self, open_hall):
        async with open_hall(settings_of(wallet_domains=())) as hall:
            with pytest.raises(NoSuchProvider):
                await hall.visits.challenge(account_id=None)


class TestMessage:
    def test_the_example_of_the_standard_is_read(self):
        text = (
            "example.com wants you to sign in with your Ethereum account:\n"
            "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n\n"
            "I accept the ExampleOrg Terms of Service: https://example.com/tos\n\n"
            "URI: https://example.com/login\nVersion: 1\nChain ID: 1\nNonce: 32891756\n"
            "Issued At: 2021-09-30T16:25:24Z\nResources:\n"
            "- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n"
            "- https://example.com/my-web2-claim.json"
        )
        found = parsed(text)
        assert (found.domain, found.nonce, found.chain_id, found.scheme) == ("example.com", "32891756", 1, None)
        without = text.replace("I accept the ExampleOrg Terms of Service: https://example.com/tos\n", "")
        assert parsed(without) == found

    @given(st.text(max_size=200))
    def test_any_other_text_is_refused(self, text):
        with pytest.raises(NotProved):
            parsed(text)
