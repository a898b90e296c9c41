"""The receiver in docs/concepts/webhooks.md takes what is signed, once, and refuses the rest."""

from __future__ import annotations

import threading
import time
from http.server import HTTPServer
from typing import Any

import pytest

from overworld.domains.webhooks import rules
from overworld.platform.outbound import Poster
from tests.docs.pages import every_page

SECRET = bytes(range(32))


@pytest.fixture
def receiver(monkeypatch) -> Any:
    monkeypatch.setenv("WEBHOOK_SECRET", rules.secret_text(SECRET))
    [page] = [page for page in every_page() if page.file == "docs/concepts/webhooks.md"]
    [code] = [block.text for block in page.blocks if block.language == "python"]
    made: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(code, page.file, "exec"), made)  # noqa: S102 - it is our own page
    made["Receiver"].log_message = lambda *_args: None
    server = HTTPServer(("127.0.0.1", 0), made["Receiver"])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


async def test_the_receiver_takes_what_is_signed_once_and_nothing_else(receiver, capfd):
    poster, now_s = Poster(private_allowed=True), int(time.time())

    async def send(*, id: str = "a", secrets=(SECRET,), timestamp_s: int = now_s, body: bytes = b'{"n": 1}') -> int:
        headers = {
            "webhook-id": id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": rules.signatures(secrets, id=id, timestamp_s=timestamp_s, body=b'{"n": 1}'),
        }
        posted = await poster.post(f"http://127.0.0.1:{receiver}/", headers=headers, body=body)
        assert posted.status is not None, posted
        return posted.status

    assert await send() == 204
    assert await send() == 204, "a second time it is taken, and not acted upon"
    assert await send(id="b", secrets=(b"o" * 32, SECRET)) == 204, "either secret does while they are rotated"
    assert await send(id="c", secrets=(b"o" * 32,)) == 401
    assert await send(id="d", body=b'{"n": 2}') == 401
    assert await send(id="e", timestamp_s=now_s - 301) == 401
    await poster.close()
    assert capfd.readouterr().out == '{"n": 1}\n' * 2
