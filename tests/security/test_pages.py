"""Every answer tells browsers not to frame it, guess its type, leak where it was, or run what stands in it."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.security.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

PAGES = ("/", "/docs", "/docs/page.js", "/docs/page.css", "/openapi.json")
INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|\son\w+\s*=|javascript:|<style[^>]*>|\sstyle\s*=", re.IGNORECASE)


def directives(reply: httpx.Response) -> dict[str, list[str]]:
    """A content security policy, by directive."""
    parts = [part.split() for part in reply.headers["Content-Security-Policy"].split(";") if part.strip()]
    return {name: rest for name, *rest in parts}


async def files_of(stage: Stage) -> list[str]:
    """The pages, and every file that the map's page names."""
    page = (await stage.http.get("/")).text
    return [*PAGES, *(f"/{each.lstrip('/')}" for each in re.findall(r'(?:src|href)="([^":]*site/[^"]+)"', page))]


async def test_every_answer_is_guarded(stage):
    player = await stage.player()
    asked = [*await files_of(stage), "/none", "/v1/users/me", "/v1/none", "/.well-known/jwks.json", "/avatars/none"]
    for path in asked:
        for headers in (None, player.headers):
            reply = await stage.http.get(path, headers=headers)
            assert reply.headers["X-Frame-Options"] == "DENY", path
            assert reply.headers["X-Content-Type-Options"] == "nosniff", path
            assert reply.headers["Referrer-Policy"] == "no-referrer", path
            assert reply.headers["Cross-Origin-Opener-Policy"] == "same-origin", path
            policy = directives(reply)
            assert policy["frame-ancestors"] == ["'none'"], path
            assert policy["default-src"] == ["'none'"], path
            assert "Server" not in reply.headers or "/" not in reply.headers["Server"], path


async def test_no_page_may_run_what_stands_in_it(stage):
    """Neither its policy allows inline script or style, nor would it need to."""
    for path in await files_of(stage):
        reply = await stage.http.get(path)
        assert reply.status_code == 200, path
        policy = directives(reply)
        sources = {source for rest in policy.values() for source in rest}
        assert sources.isdisjoint({"'unsafe-inline'", "'unsafe-eval'", "*", "http:", "https:", "data:"} - {"data:"}), (
            path
        )
        assert "data:" not in policy.get("script-src", []), path
        if reply.headers["Content-Type"].startswith("text/html"):
            assert INLINE.findall(reply.text) == [], path
            assert (policy["base-uri"], policy["form-action"]) == (["'none'"], ["'none'"]), path


async def test_a_page_is_of_the_type_that_it_says(stage):
    for path in await files_of(stage):
        reply = await stage.http.get(path)
        assert "charset=utf-8" in reply.headers["Content-Type"].lower() or not reply.headers["Content-Type"].startswith(
            "text/html"
        ), path


async def test_what_a_page_was_asked_with_does_not_come_back_in_it(stage):
    mark = "<script>alert(1)</script>"
    for path in ("/", "/docs", "/none", f"/{mark}", "/v1/users/me", f"/v1/memberships/{mark}/verify"):
        reply = await stage.http.get(path, params={"q": mark}, headers={"Referer": mark, "User-Agent": mark})
        assert mark not in reply.text, path


async def test_who_comes_by_https_is_told_to_stay_there(stage):
    """The stage says that its clients do; without that setting nothing is sent, which the tests of the edge see to."""
    for path in [*await files_of(stage), "/none", "/v1/users/me"]:
        sent = (await stage.http.get(path)).headers["Strict-Transport-Security"]
        assert int(sent.partition("max-age=")[2].partition(";")[0]) >= 31_536_000
        assert "includeSubDomains" in sent
