"""The live map's page as it is served: whole, cached for as long as it may be, and under a policy of its own."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.app import site
from overworld.kernel.clock import FixedClock
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.http.errors import Unauthenticated
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics

BUNDLE = Path(str(files("overworld.app") / "site_bundle"))
BYTES_MAX = 2_500_000
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


class Nobody:
    """Knows no token and no key."""

    def verify(self, token: str) -> Any:
        raise Unauthenticated

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


@pytest.fixture
async def http(clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a token, at the real edge."""
    app: Any = build_http(
        routes=site.routes(),
        verifier=Nobody(),
        keys=Nobody(),
        limiter=MemoryLimiter(monotonic_s=clock.monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        yield client


def named_in(text: str) -> set[str]:
    """The files of the bundle that a text names."""
    return {file.name for file in (BUNDLE / "site").iterdir() if file.name in text}


def test_every_file_of_the_bundle_is_named_by_the_page_or_by_another_and_weighs_little():
    texts = [(BUNDLE / "index.html").read_text(), *(file.read_text() for file in (BUNDLE / "site").glob("*.js"))]
    assert set().union(*map(named_in, texts)) == {file.name for file in (BUNDLE / "site").iterdir()}
    assert sum(file.stat().st_size for file in BUNDLE.rglob("*") if file.is_file()) < BYTES_MAX


async def test_the_page_is_asked_for_anew_and_not_sent_twice(http):
    page = await http.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    again = await http.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    # A browser replaces the headers that it kept with those of the 304.
    assert again.headers["content-security-policy"] == page.headers["content-security-policy"]
    changed = await http.get("/", headers={"If-None-Match": '"another"'})
    assert changed.content == page.content


async def test_every_file_that_the_page_names_is_served_for_good_and_of_its_type(http):
    page = (await http.get("/")).text
    names = re.findall(r'"\./(site/[^"]+)"', page)
    assert len(names) >= 3
    for name in names:
        reply = await http.get(f"/{name}")
        assert reply.content == (BUNDLE / name).read_bytes()
        assert reply.headers["cache-control"] == "public, max-age=2592000, immutable"
        kind = name.rpartition(".")[2]
        assert reply.headers["content-type"].partition(";")[0] == TYPES[kind]


async def test_the_policy_lets_nothing_in_from_elsewhere_and_no_code_from_blobs(http):
    policy = (await http.get("/")).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert {rules[name] for name in ("script-src", "worker-src", "style-src", "connect-src")} == {"'self'"}
    assert "http" not in policy


async def test_files_are_packed_for_who_can_unpack_them(http):
    name = next((BUNDLE / "site").glob("*.js")).name
    async with http.stream("GET", f"/site/{name}", headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join([part async for part in packed.aiter_raw()])
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(raw) == (BUNDLE / "site" / name).read_bytes()
    plain = await http.get(f"/site/{name}", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize("name", ["missing.js", "..%2Findex.html", "index.html", "licenses.md"])
async def test_what_the_page_does_not_name_is_not_served(http, name):
    reply = await http.get(f"/site/{name}")
    assert reply.status_code == 404
    assert reply.headers["cache-control"] == "no-store"
