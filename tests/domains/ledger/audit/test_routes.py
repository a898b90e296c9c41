"""The log over HTTP, behind the real edge: open to all, cacheable, and enough to prove a transfer with."""

from __future__ import annotations

from base64 import b64decode
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.domains.ledger import SCHEMA, build
from overworld.domains.ledger.audit import merkle, records
from overworld.kernel.clock import SystemClock
from overworld.platform.http import HttpSettings, LimitSettings, build_http, encode_cursor
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.domains.ledger.audit.vault import Vault, mint, move, wallet
from tests.domains.ledger.bank import CURRENCIES
from tests.domains.ledger.test_routes import NoKeys, Tokens


@pytest.fixture
async def vault(open_database, clock):
    """Five blocks of one to five transfers; `moves` are those of the last."""
    async with open_database(SCHEMA) as database:
        opened = Vault(database, clock)
        await opened.sealer.prepare()
        await opened.post(mint(0, 1000))
        await opened.seal_all()
        for count in range(2, 6):
            opened.moves = [move(wallet(0), wallet(1 + number), 1 + count) for number in range(count)]
            await opened.post(*opened.moves)
            await opened.seal_all()
        yield opened


@pytest.fixture
async def ask(vault):
    """Asks without a token."""
    app: Any = build_http(
        routes=build(database=vault.database, clock=vault.clock, currencies=CURRENCIES).routes,
        verifier=Tokens(),
        keys=NoKeys(),
        limiter=MemoryLimiter(monotonic_s=SystemClock().monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:

        async def asked(path: str, *, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
            return await client.get(f"/v1/ledger/{path}", params=query or None, headers=headers)

        yield asked


def path_of(reply: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(step) for step in reply["path"]]


async def test_blocks_come_newest_first_in_pages(ask):
    first = (await ask("blocks", limit=3)).json()
    second = (await ask("blocks", limit=3, cursor=first["cursor"])).json()

    assert [block["number"] for block in first["items"] + second["items"]] == [4, 3, 2, 1, 0]
    assert second["cursor"] is None
    assert [block["count"] for block in first["items"]] == [5, 4, 3]


async def test_a_cursor_beyond_every_block_begins_at_the_newest(ask):
    """Cursors are not signed: any number may come in one."""
    everything = (await ask("blocks")).json()["items"]
    for number in (2**63, 2**64 - 1):
        assert (await ask("blocks", cursor=encode_cursor(number))).json()["items"] == everything != []


async def test_a_transfer_is_proved_by_its_id_alone(ask, vault):
    for posted in vault.moves:
        proof = (await ask("proof", transfer=posted.id)).json()

        record, block = bytes.fromhex(proof["record"]), proof["block"]
        assert records.decode(record).id_hash == records.id_hash(posted.id.bytes)
        assert merkle.included(
            merkle.leaf_hash(record),
            index=proof["index"],
            size=block["tree_size"],
            proof=path_of(proof),
            root=bytes.fromhex(block["root"]),
        )


async def test_each_block_is_shown_to_go_on_where_each_earlier_one_ended(ask):
    for old in range(5):
        for new in range(old, 5):
            shown = (await ask("consistency", **{"from": old, "to": new})).json()
            sizes = shown["from_block"]["tree_size"], shown["to_block"]["tree_size"]
            roots = bytes.fromhex(shown["from_block"]["root"]), bytes.fromhex(shown["to_block"]["root"])
            assert merkle.consistent(
                from_size=sizes[0], to_size=sizes[1], from_root=roots[0], to_root=roots[1], proof=path_of(shown)
            )
            assert shown == (await ask("consistency", **{"from": new, "to": old})).json()


async def test_a_block_has_its_records(ask):
    shown = (await ask("blocks/3")).json()
    raw = b64decode(shown["records"])

    assert len(raw) == 128 * shown["block"]["count"] == 128 * 4
    assert {records.decode(raw[at : at + 128]).amount_minor for at in range(0, len(raw), 128)} == {5}


async def test_the_keys_are_those_of_the_blocks(ask, vault):
    await vault.sealer.turn_key()

    keys = (await ask("keys")).json()["items"]

    assert [(key["number"], key["from_block"]) for key in keys] == [(0, 0), (1, 5)]
    assert {block["key_id"] for block in (await ask("blocks")).json()["items"]} == {keys[0]["key_id"]}
    assert keys[1]["issuer_id"] == keys[0]["key_id"]


@pytest.mark.parametrize("path", ["blocks/2", "consistency?from=1&to=3", "proof?transfer={}", "blocks", "keys"])
async def test_answers_may_be_kept_and_are_not_sent_twice(ask, vault, path):
    path = path.format(vault.moves[0].id)
    reply = await ask(path)
    again = await ask(path, headers={"If-None-Match": reply.headers["etag"]})

    assert reply.headers["cache-control"].startswith("public, max-age=")
    assert ("immutable" in reply.headers["cache-control"]) == (path not in ("blocks", "keys"))
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("blocks/5", 404, "ledger.no_such_block"),
        ("blocks/-1", 404, "ledger.no_such_block"),
        (f"blocks/{2**63}", 404, "ledger.no_such_block"),
        (f"blocks/{10**30}", 404, "ledger.no_such_block"),
        ("blocks?limit=201", 400, "http.bad_request"),
        ("blocks?cursor=zzz", 400, "http.bad_cursor"),
        ("consistency?from=0&to=5", 404, "ledger.no_such_block"),
        (f"consistency?from=0&to={2**70}", 404, "ledger.no_such_block"),
        ("consistency?from=-1&to=1", 400, "http.bad_request"),
        (f"proof?transfer={UUID(int=5)}", 404, "ledger.not_sealed"),
        ("proof?transfer=x", 400, "http.bad_request"),
        ("proof", 400, "http.bad_request"),
    ],
)
async def test_what_is_not_there_is_refused(ask, path, status, code):
    reply = await ask(path)

    assert (reply.status_code, reply.json()["code"]) == (status, code)


async def test_a_transfer_that_waits_for_its_block_is_not_proved_yet(ask, vault):
    waiting = mint(0, 5)
    await vault.post(waiting)

    assert (await ask("proof", transfer=waiting.id)).status_code == 404
    await vault.seal_all()
    assert (await ask("proof", transfer=waiting.id)).status_code == 200


async def test_records_whose_ids_look_alike_are_told_apart(ask, vault):
    """A block is searched by four bytes of each id's hash, which two may have in common."""
    wanted, other = vault.moves[0], vault.moves[1]
    async with vault.database.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        prefix = records.id_hash(wanted.id.bytes)[: records.PREFIX_BYTES]
        await tx.execute(
            "UPDATE ledger.block SET id_prefixes = decode(repeat(encode($1, 'hex'), count), 'hex')", prefix
        )

    proof = (await ask("proof", transfer=wanted.id)).json()

    assert records.decode(bytes.fromhex(proof["record"])).id_hash == records.id_hash(wanted.id.bytes)
    assert (await ask("proof", transfer=other.id)).status_code == 404
