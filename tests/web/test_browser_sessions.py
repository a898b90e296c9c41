"""Sessions in cookies, in a real browser: what scripts see of them, and what pages of elsewhere can do with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page

from bench.browser import STRANGER
from bench.servers import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ASK = """async ([path, method, body, proved]) => {
  const csrf = document.cookie.split("; ").find((part) => part.startsWith("overworld-csrf="))?.slice(15) ?? "";
  const headers = { "Content-Type": "application/json", "Overworld-Tokens": "cookie" };
  if (proved) headers["X-CSRF-Token"] = csrf;
  const reply = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const text = await reply.text();
  return { status: reply.status, body: text ? JSON.parse(text) : null };
}"""
FORM = """([url, type]) => {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: url, enctype: type, target: "sink" });
  const field = document.createElement("input");
  Object.assign(field, { name: '{"all": true, "x": "', value: '"}' });
  form.append(field);
  document.body.append(form);
  form.submit();
}"""
FETCH = """([url, options]) => fetch(url, { credentials: "include", ...options })
  .then((reply) => reply.type === "opaque" ? "opaque" : reply.status, (error) => error.name)"""
UNTYPED = """(url) => fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body: new Blob(["{}"]) })
  .then((reply) => reply.type)"""
IMAGE = """(url) => new Promise((done) => {
  const image = new Image();
  image.onload = () => done("shown");
  image.onerror = () => done("refused");
  image.src = url;
})"""
FRAME = """(url) => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.onload = () => done();
  frame.src = url;
  document.body.append(frame);
})"""
SOCKET = """(url) => new Promise((done) => {
  const socket = new WebSocket(url);
  socket.onopen = () => socket.send(JSON.stringify({ type: "subscribe", channels: ["location:cell:89c25a314"] }));
  socket.onmessage = (event) => done(event.data);
  socket.onclose = (event) => done(`closed ${event.code}`);
})"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path_factory.mktemp("sessions") / "data") as started:
        yield started


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Iterator[int]:
    """The port of a web server of somebody else on this machine."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "evil.html").write_text('<!doctype html><title>x</title><body><iframe name="sink"></iframe>')
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as listening:
        thread = Thread(target=listening.serve_forever)
        thread.start()
        yield listening.server_address[1]
        listening.shutdown()
        thread.join()


@asynccontextmanager
async def signed_in(browser, server: ServerProcess) -> AsyncIterator[tuple[BrowserContext, Page]]:
    """A browser whose user is signed in at our page."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await go_home(page, server)
        reply = await ask(page, "/v1/auth/device", "POST", {"device_id": f"browser-{uuid4()}"})
        assert (reply["status"], reply["body"]["token_type"]) == (201, "Cookie")
        yield context, page
    finally:
        await context.close()


async def go_home(page: Page, server: ServerProcess) -> None:
    """Opens our page without the scripts that draw its map, which takes seconds of a core.

    From then on nothing stands between page and server: a browser asks for no leave (CORS) where something does.
    """
    await page.route("**/*.js", lambda route: route.abort())
    await page.goto(server.http)
    await page.unroute_all()


async def ask(page: Page, path: str, method: str = "GET", body: Any = None, *, proved: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(ASK, [path, method, body, proved])
    return found


async def kept(context: BrowserContext) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in await context.cookies()}


async def test_a_page_of_ours_lives_from_sign_in_to_sign_out_without_seeing_a_token(browser, server):
    async with signed_in(browser, server) as (context, page):
        seen = await page.evaluate("() => document.cookie")
        assert seen.startswith("overworld-csrf=") and "access" not in seen and "refresh" not in seen
        cookies = {cookie["name"]: cookie for cookie in await context.cookies()}
        assert all(cookie["sameSite"] == "Strict" for cookie in cookies.values())
        assert [name for name in sorted(cookies) if cookies[name]["httpOnly"]] == [
            "overworld-access",
            "overworld-refresh",
        ]
        assert (await ask(page, "/v1/users/me"))["status"] == 200
        unproved = await ask(page, "/v1/auth/logout", "POST", proved=False)
        assert (unproved["status"], unproved["body"]["code"]) == (403, "http.bad_csrf_token")
        before = await kept(context)
        assert (await ask(page, "/v1/auth/refresh/cookie", "POST"))["status"] == 200
        after = await kept(context)
        assert after["overworld-refresh"] != before["overworld-refresh"]
        assert (await ask(page, "/v1/auth/logout", "POST"))["status"] == 204
        assert await kept(context) == {}
        assert (await ask(page, "/v1/users/me"))["status"] == 401


async def test_all_tabs_of_a_browser_may_refresh_at_once(browser, server):
    async with signed_in(browser, server) as (context, page):
        tabs = [page, *[await context.new_page() for _ in range(2)]]
        for tab in tabs[1:]:
            await go_home(tab, server)
        replies = await asyncio.gather(*(ask(tab, "/v1/auth/refresh/cookie", "POST") for tab in tabs * 2))
        assert {reply["status"] for reply in replies} <= {200, 409}, replies
        assert [(await ask(tab, "/v1/users/me"))["status"] for tab in tabs] == [200, 200, 200]


@pytest.mark.parametrize(("host", "refused"), [("127.0.0.1", "http.not_our_page"), (STRANGER, "http.unauthenticated")])
async def test_a_page_of_another_origin_changes_nothing(browser, server, elsewhere, host, refused):
    async with signed_in(browser, server) as (context, page):
        before, sessions = await kept(context), (await ask(page, "/v1/auth/sessions"))["body"]["items"]
        mark = len(server.log.read_text())
        evil = await context.new_page()
        await evil.goto(f"http://{host}:{elsewhere}/evil.html")
        logout = f"{server.http}/v1/auth/logout"
        for target in (logout, f"{server.http}/v1/auth/device"):
            for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
                async with evil.expect_event("framenavigated"):
                    await evil.evaluate(FORM, [target, kind])
        assert await evil.evaluate(UNTYPED, logout) == "opaque"
        assert await evil.evaluate(UNTYPED, f"{server.http}/v1/auth/refresh/cookie") == "opaque"
        json = {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": "{}"}
        wish = {"method": "POST", "headers": {"Overworld-Tokens": "cookie", "X-CSRF-Token": before["overworld-csrf"]}}
        for options in (json, wish, {"method": "DELETE"}, {}):
            assert await evil.evaluate(FETCH, [logout, options]) == "TypeError"
        assert await evil.evaluate(FETCH, [f"{server.http}/v1/users/me", {}]) == "TypeError"
        assert await evil.evaluate(IMAGE, f"{server.http}/v1/users/me") == "refused"

        # What needs a preflight never left the browser. Another port is the same site, so the browser did send the
        # cookies, and the server says that they do not count; a stranger's page gets none sent.
        told = [msgspec.json.decode(line) for line in server.log.read_text()[mark:].splitlines()]
        came = [(one["route"], one["code"]) for one in told if one.get("method") == "POST"]
        assert came == [
            *[("/v1/auth/logout", refused)] * 3,
            *[("/v1/auth/device", "http.unsupported_media_type")] * 3,
            ("/v1/auth/logout", refused),
            ("/v1/auth/refresh/cookie", refused),
        ]
        assert await kept(context) == before
        assert (await ask(page, "/v1/auth/sessions"))["body"]["items"] == sessions


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/users/me"])
async def test_no_page_of_ours_is_shown_in_a_frame_of_another(browser, server, elsewhere, path):
    async with signed_in(browser, server) as (context, _):
        evil = await context.new_page()
        await evil.goto(f"http://127.0.0.1:{elsewhere}/evil.html")
        await evil.evaluate(FRAME, f"{server.http}{path}")
        assert evil.frames[-1].url == "chrome-error://chromewebdata/"


async def test_cookies_open_no_socket(browser, server, elsewhere):
    async with signed_in(browser, server) as (context, _):
        evil = await context.new_page()
        await evil.goto(f"http://127.0.0.1:{elsewhere}/evil.html")
        said = await evil.evaluate(SOCKET, server.realtime)
        assert "auth" in said, said
