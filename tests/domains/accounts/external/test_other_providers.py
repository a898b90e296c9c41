"""Steam, OAuth 2.0 without ID tokens, Apple's secret, and providers that do not answer as they should."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from overworld.domains.accounts.external.errors import NotProved, ProviderUnavailable, RedirectRefused
from overworld.domains.accounts.external.messages import SignInExternal
from overworld.domains.accounts.external.providers.build import build_providers
from overworld.domains.accounts.external.providers.documents import STALE_S, Documents
from overworld.domains.accounts.external.providers.oauth2 import DISCORD, Endpoints, OAuth2, X
from overworld.domains.accounts.external.providers.redeem import Client
from overworld.domains.accounts.external.providers.steam import Steam
from overworld.domains.accounts.external.rules import asked
from overworld.domains.accounts.external.types import ProviderSettings, SignInSettings
from overworld.platform.outbound import Fetched, Fetcher, FetchFailed
from tests.domains.accounts.conftest import HERE
from tests.domains.accounts.external.conftest import settings_of
from tests.domains.accounts.external.issuing import BACK
from tests.domains.accounts.external.steam_server import running

GABE = "76561197960287930"


@pytest.fixture
def steam():
    with running() as server:
        yield server


@pytest.fixture
async def fetcher():
    opened = Fetcher(private_allowed=True)
    yield opened
    await opened.close()


@pytest.fixture
async def steam_hall(open_hall, steam, fetcher, clock):
    provider = Steam(fetcher=fetcher, clock=clock, root=steam.root)
    async with open_hall(settings_of(), providers={"steam": provider}) as opened:
        yield opened


@pytest.mark.slow
class TestSteam:
    async def brought(self, hall, steam, **changes):
        visit = await hall.visits.begin("steam", BACK, account_id=None)
        sent = dict(parse_qsl(urlsplit(visit.url).query))
        assert sent["openid.realm"] == "http://127.0.0.1:9"
        fields = steam.answer(sent, steam_id=GABE, at=hall.house.clock.now()) | changes
        return SignInExternal(flow=visit.flow, openid=fields)

    async def test_the_whole_visit_makes_an_account_and_then_finds_it(self, steam_hall, steam):
        made = await steam_hall.external.sign_in("steam", await self.brought(steam_hall, steam), origin=HERE)
        found = await steam_hall.external.sign_in("steam", await self.brought(steam_hall, steam), origin=HERE)
        assert (made.is_new, found.is_new, found.grant.user.id) == (True, False, made.grant.user.id)
        [way] = await steam_hall.external.ways(made.grant.user.id)
        assert (way.way, way.account) == ("steam", GABE)

    async def test_what_was_changed_on_the_way_is_refused(self, steam_hall, steam):
        other = f"{steam.root}/id/76561197960265728"
        for changes in (
            {"openid.claimed_id": other},
            {"openid.claimed_id": other, "openid.identity": other},
            {"openid.claimed_id": f"{steam.root}/id/1/../2", "openid.identity": f"{steam.root}/id/1/../2"},
            {"openid.op_endpoint": "https://evil.example/openid/login"},
            {"openid.return_to": f"{BACK}?state=of-another-visit"},
            {"openid.mode": "cancel"},
            {"openid.signed": "return_to,response_nonce"},
            {"openid.sig": "0" * 40},
            {"openid.response_nonce": "yesterday"},
            {"state": "x"},
        ):
            with pytest.raises(NotProved):
                await steam_hall.external.sign_in(
                    "steam", await self.brought(steam_hall, steam, **changes), origin=HERE
                )

    async def test_what_was_said_for_one_visit_is_no_answer_to_another(self, steam_hall, steam):
        stolen = await self.brought(steam_hall, steam)
        mine = await steam_hall.visits.begin("steam", BACK, account_id=None)
        with pytest.raises(NotProved) as caught:
            await steam_hall.external.sign_in(
                "steam", SignInExternal(flow=mine.flow, openid=stolen.openid), origin=HERE
            )
        assert "return_to" in caught.value.fields["reason"]

    async def test_an_old_answer_is_refused(self, steam_hall, steam):
        visit = await steam_hall.visits.begin("steam", BACK, account_id=None)
        sent = dict(parse_qsl(urlsplit(visit.url).query))
        at = steam_hall.house.clock.now() - timedelta(minutes=11)
        command = SignInExternal(flow=visit.flow, openid=steam.answer(sent, steam_id=GABE, at=at))
        with pytest.raises(NotProved):
            await steam_hall.external.sign_in("steam", command, origin=HERE)

    async def test_an_app_has_no_id_token_of_it(self, steam_hall):
        with pytest.raises(RedirectRefused):
            await steam_hall.visits.begin("steam", None, account_id=None)


@pytest.mark.slow
async def test_a_provider_of_oauth_is_asked_who_it_was(open_hall, issuer, fetcher):
    """As Discord and X are, against a real provider that also says so at an endpoint."""
    endpoints = Endpoints(
        issuer="https://discord.com",
        authorization=f"{issuer.url}/auth",
        token=f"{issuer.url}/token",
        who=f"{issuer.url}/me",
        subject=("sub",),
        scopes=("openid",),
    )
    client = Client(id="overworld", secret=lambda: "the secret of overworld")
    provider = OAuth2(endpoints=endpoints, client=client, scopes=(), fetcher=fetcher)
    async with open_hall(settings_of(), providers={"discord": provider}) as hall:
        for is_new in (True, False):
            visit = await hall.visits.begin("discord", BACK, account_id=None)
            brought = await asyncio.to_thread(issuer.visit, visit.url, who="80351110224678912")
            command = SignInExternal(flow=visit.flow, state=brought["state"], code=brought["code"])
            entered = await hall.external.sign_in("discord", command, origin=HERE)
            assert entered.is_new is is_new
        [way] = await hall.external.ways(entered.grant.user.id)
        assert (way.way, way.account) == ("discord", "80351110224678912")


class TestPresets:
    def built(self, clock, **providers):
        settings = SignInSettings(providers={name: ProviderSettings(**each) for name, each in providers.items()})
        return build_providers(settings, fetcher=Fetcher(), clock=clock)

    async def test_known_names_need_no_issuer(self, clock):
        client = {"client_id": "ours"}
        built = self.built(clock, google=client, apple=client, discord=client, x=client, steam={})
        assert {name: each.issuer for name, each in built.items()} == {
            "google": "https://accounts.google.com",
            "apple": "https://appleid.apple.com",
            "discord": "https://discord.com",
            "x": "https://x.com",
            "steam": "https://steamcommunity.com/openid",
        }
        assert {name for name, each in built.items() if each.takes_id_tokens} == {"google", "apple"}

    async def test_where_people_are_sent_says_what_the_provider_wants(self, clock):
        built = self.built(clock, discord={"client_id": "ours"}, twitter={"preset": "x", "client_id": "ours"}, steam={})
        visit = asked("secret", BACK)
        for name, endpoints in (("discord", DISCORD), ("twitter", X)):
            url = httpx.URL(await built[name].url(visit))
            assert str(url.copy_with(query=None)) == endpoints.authorization
            assert url.params["scope"] == " ".join(endpoints.scopes)
            assert url.params["code_challenge_method"] == "S256"
            assert url.params["state"] == visit.state
            assert visit.verifier not in str(url)
        steam = httpx.URL(await built["steam"].url(visit))
        assert steam.host == "steamcommunity.com"

    async def test_apples_secret_is_a_token_of_five_minutes(self, clock):
        key = ECKey.generate_key("P-256")
        apple = {"client_id": "example.play", "team_id": "T", "key_id": "K"}
        built = self.built(clock, apple=apple | {"private_key": key.as_pem(private=True).decode()})
        token = jwt.decode(built["apple"]._client.secret(), key, algorithms=["ES256"])
        now_s = clock.now_us() // 1_000_000
        assert token.header["kid"] == "K"
        assert token.claims == {
            "iss": "T",
            "sub": "example.play",
            "aud": "https://appleid.apple.com",
            "iat": now_s,
            "exp": now_s + 300,
        }

    def test_what_an_operator_got_wrong_is_told(self):
        for name, wrong in (
            ("wallet", ProviderSettings(issuer="https://a.example", client_id="c")),
            ("acme", ProviderSettings(client_id="c")),
            ("acme", ProviderSettings(issuer="https://a.example")),
            ("acme", ProviderSettings(preset="google", issuer="https://a.example", client_id="c")),
            ("apple", ProviderSettings(client_id="c", client_secret="s")),
        ):
            with pytest.raises(ValueError, match="providers"):
                SignInSettings(providers={name: wrong})


class ScriptedFetcher(Fetcher):
    """Answers with what it was given, in turn; an exception is raised."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = list(answers)
        self.asked = []

    async def get(self, url, *, headers=None):
        self.asked.append(url)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Fetched(200, answer)


METADATA = (
    b'{"issuer":"https://a.example","authorization_endpoint":"https://a.example/auth",'
    b'"token_endpoint":"https://a.example/token","jwks_uri":"https://a.example/jwks"}'
)


class TestDocuments:
    async def test_they_are_read_once_in_an_hour(self, clock):
        fetcher = ScriptedFetcher(METADATA, METADATA)
        documents = Documents("https://a.example", fetcher=fetcher, clock=clock)
        await asyncio.gather(*(documents.metadata() for _ in range(5)))
        assert fetcher.asked == ["https://a.example/.well-known/openid-configuration"]
        clock.advance(timedelta(hours=1))
        await documents.metadata()
        assert len(fetcher.asked) == 2

    async def test_the_old_ones_serve_while_the_issuer_is_away_but_not_for_ever(self, clock):
        fetcher = ScriptedFetcher(METADATA, FetchFailed("away"), FetchFailed("away"))
        documents = Documents("https://a.example", fetcher=fetcher, clock=clock)
        first = await documents.metadata()
        clock.advance(timedelta(hours=2))
        assert await documents.metadata() == first
        clock.advance(timedelta(seconds=STALE_S))
        with pytest.raises(ProviderUnavailable):
            await documents.metadata()

    async def test_an_issuer_that_is_away_is_asked_ever_more_seldom(self, clock):
        fetcher = ScriptedFetcher(*[FetchFailed("away")] * 3, METADATA)
        documents = Documents("https://a.example", fetcher=fetcher, clock=clock)
        asked_at_s = []
        for second in range(7):
            before = len(fetcher.asked)
            with pytest.raises(ProviderUnavailable):
                await documents.metadata()
            asked_at_s += [second] * (len(fetcher.asked) - before)
            clock.advance(timedelta(seconds=1))
        await documents.metadata()
        assert (asked_at_s, len(fetcher.asked)) == ([0, 1, 3], 4)

    async def test_what_is_not_the_issuers_own_is_refused(self, clock):
        for broken in (
            METADATA.replace(b'"issuer":"https://a.example"', b'"issuer":"https://b.example"'),
            METADATA.replace(b"https://a.example/jwks", b"http://169.254.169.254/latest"),
            METADATA.replace(b"https://a.example/token", b"file:///etc/passwd"),
            b"[" * 5_000,
            b"{}",
            b"",
        ):
            documents = Documents("https://a.example", fetcher=ScriptedFetcher(broken), clock=clock)
            with pytest.raises(ProviderUnavailable):
                await documents.metadata()

    async def test_shared_secrets_among_the_keys_are_passed_over(self, clock):
        keys = (
            b'{"keys":[{"kty":"oct","kid":"1","k":"AAAA"},{"kty":"RSA","use":"enc","kid":"2","n":"AQAB","e":"AQAB"}]}'
        )
        documents = Documents("https://a.example", fetcher=ScriptedFetcher(METADATA, keys), clock=clock)
        with pytest.raises(ProviderUnavailable):
            await documents.keys()
