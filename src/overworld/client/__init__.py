"""A client of a running server: HTTP calls and the socket, typed and asynchronous.

It shares nothing with the server but the kernel's vocabulary, so what works here works for any client that keeps to
`docs/protocol.md`.

    async with Api("http://127.0.0.1:7400") as api:
        await api.device("my-device-0001")
        async with await Socket.connect("ws://127.0.0.1:7401/v1/realtime", token=api.access_token) as socket:
            verdict = await socket.report(fix)
"""

from overworld.client.errors import Closed, Refused, Unreachable
from overworld.client.http import Api
from overworld.client.messages import Acted, Collected, Event, Fix, Page, Session, User, Verdict
from overworld.client.socket import Socket

__all__ = [
    "Acted",
    "Api",
    "Closed",
    "Collected",
    "Event",
    "Fix",
    "Page",
    "Refused",
    "Session",
    "Socket",
    "Unreachable",
    "User",
    "Verdict",
]
