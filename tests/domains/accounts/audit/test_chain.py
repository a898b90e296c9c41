"""The audit log: added to and never changed, in one chain, whoever writes at once and whoever alters it."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta

import asyncpg
import pytest

from overworld.domains.accounts.audit.errors import AuditBroken
from overworld.domains.accounts.audit.messages import AuditSealed
from overworld.domains.accounts.audit.types import Asked, Head
from overworld.domains.accounts.audit.wiring import build
from overworld.kernel.audit import digest_of
from tests.audited import staff
from tests.domains.accounts.audit.conftest import ANN


def recomputed(previous: bytes, row) -> bytes:
    """A hash made again as docs/concepts/audit.md says, from the row alone."""

    def field(value):
        if value is None:
            return b"\xff" * 4
        raw = value if isinstance(value, bytes) else str(value).encode()
        return len(raw).to_bytes(4, "big") + raw

    at = row["at"].isoformat().replace("+00:00", "Z")
    names = ("actor_id", "action", "target", "before", "after", "address", "trace_id", "note")
    return hashlib.sha256(
        previous + field(row["id"]) + field(at) + b"".join(field(row[name]) for name in names)
    ).digest()


async def rows_of(desk):
    async with desk.database.read() as tx:
        return await tx.fetch(
            "SELECT audit.*, number, hash FROM accounts.audit_link JOIN accounts.audit ON id = entry_id ORDER BY number"
        )


async def test_every_hash_stands_for_all_entries_before_it(desk):
    await desk.record(3, note="ünïcode\u2028 and \x1b")
    desk.clock.advance(timedelta(microseconds=17))
    async with desk.database.transaction() as tx:
        entry = staff(ANN).did("ledger.freeze", ANN, before=False, after=True)
        await desk.parts.trail.record(tx, [entry])
    assert await desk.parts.sealer.seal() == 4
    previous = hashlib.sha256(b"overworld audit log 1").digest()
    rows = await rows_of(desk)
    assert [row["number"] for row in rows] == [1, 2, 3, 4]
    for row in rows:
        previous = recomputed(previous, row)
        assert row["hash"] == previous
    assert (rows[3]["before"], rows[3]["after"]) == (digest_of(False), digest_of(True))
    assert desk.outbox.events == [AuditSealed(number=4, count=4, hash=previous.hex())]
    assert await desk.faults() == []


@pytest.mark.parametrize("table", ["audit", "audit_link"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {} = DEFAULT", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_what_is_kept_is_neither_changed_nor_removed(desk, table, change):
    await desk.record(2)
    await desk.parts.sealer.seal()
    column = "note" if table == "audit" else "hash"
    with pytest.raises(asyncpg.RestrictViolationError, match="only added to"):
        async with desk.database.transaction() as tx:
            await tx.execute(change.format(f"accounts.{table}", column))
    assert len(await rows_of(desk)) == 2


async def test_what_was_undone_was_not_done(desk):
    async def undone():
        async with desk.database.transaction() as tx:
            await desk.parts.trail.record(tx, [staff(ANN).did("gameplay.place", "coin")])
            raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        await undone()
    assert await desk.parts.sealer.seal() == 0


async def test_a_writer_that_commits_late_holds_nobody_up_and_is_sealed_later(desk):
    async with desk.database.transaction() as slow:
        await desk.parts.trail.record(slow, [staff(ANN).did("gameplay.place", "slow")])
        await desk.record(2)
        assert await desk.parts.sealer.seal() == 2
    assert await desk.parts.sealer.seal() == 1
    assert [row["target"] for row in await rows_of(desk)] == ["coin-0", "coin-1", "slow"]
    assert await desk.faults() == []


async def test_many_writers_and_many_sealers_make_one_chain(desk):
    twins = [build(database=desk.database, clock=desk.clock, ids=desk.ids, outbox=desk.outbox).sealer for _ in range(4)]

    async def write():
        for _ in range(5):
            await desk.record(2)

    async def seal(sealer):
        return sum([await sealer.seal() for _ in range(20)])

    *_, sealed = await asyncio.gather(*(write() for _ in range(4)), asyncio.gather(*map(seal, twins)))
    sealed_later = await desk.parts.sealer.seal()
    assert sum(sealed) + sealed_later == 40
    assert [row["number"] for row in await rows_of(desk)] == list(range(1, 41))
    assert await desk.faults() == []


@pytest.mark.parametrize(
    ("doctored", "fault"),
    [
        ("UPDATE accounts.audit SET note = 'for a friend' WHERE target = 'coin-1'", "entry 2 is not what was sealed"),
        ("UPDATE accounts.audit SET actor_id = NULL WHERE target = 'coin-1'", "entry 2 is not what was sealed"),
        ("DELETE FROM accounts.audit WHERE target = 'coin-1'", "entry 2 is gone"),
        ("DELETE FROM accounts.audit_link WHERE number = 2", "entry 2 is missing: 3 follows 1"),
        ("UPDATE accounts.audit_link SET hash = sha256('x') WHERE number = 2", "entry 2 is not what was sealed"),
        ("DELETE FROM accounts.audit_waiting", "1 entries are in no chain"),
    ],
)
async def test_who_switches_the_guards_off_is_found_out(desk, doctored, fault):
    await desk.record(3)
    await desk.parts.sealer.seal()
    await desk.record(1)
    assert await desk.faults() == []
    await desk.as_owner(doctored)
    assert fault in "\n".join(await desk.faults())


async def test_a_chain_that_was_cut_or_made_anew_does_not_end_as_it_did(desk):
    await desk.record(3)
    await desk.parts.sealer.seal()
    known = (await desk.parts.reading.verify()).head
    assert (await desk.parts.reading.verify(known)).faults == []
    await desk.as_owner(
        "DELETE FROM accounts.audit_link WHERE number = 3", "DELETE FROM accounts.audit WHERE target = 'coin-2'"
    )
    assert await desk.faults() == [], "by itself it looks whole"
    assert (await desk.parts.reading.verify(known)).faults == ["the chain ends at 2, before the known entry 3"]
    await desk.record(1)
    await desk.parts.sealer.seal()
    assert (await desk.parts.reading.verify(known)).faults == ["entry 3 has another hash than the known one"]
    assert (await desk.parts.reading.verify(Head(9, b""))).faults == ["the chain ends at 3, before the known entry 9"]


async def test_nothing_is_sealed_over_an_end_that_was_changed(desk):
    await desk.record(2)
    await desk.parts.sealer.seal()
    await desk.parts.sealer.check()
    await desk.as_owner("UPDATE accounts.audit SET target = 'another' WHERE target = 'coin-1'")
    await desk.record(1)
    for look in (desk.parts.sealer.seal, desk.parts.sealer.check):
        with pytest.raises(AuditBroken, match="entry 2"):
            await look()
    assert len(await rows_of(desk)) == 2


async def test_entries_that_nobody_seals_are_told_of(desk):
    await desk.record(1)
    await desk.parts.sealer.check()
    desk.clock.advance(timedelta(seconds=61))
    with pytest.raises(AuditBroken, match="waits to be sealed"):
        await desk.parts.sealer.check()
    await desk.parts.sealer.seal()
    await desk.parts.sealer.check()


async def test_texts_that_no_table_holds_are_mended(desk):
    async with desk.database.transaction() as tx:
        await desk.parts.trail.record(
            tx, [staff(ANN).did("gameplay.place", "a\x00b\ud800" + "c" * 999, note="n" * 2000)]
        )
    await desk.parts.sealer.seal()
    [kept] = await desk.parts.reading.found(Asked(), before=None, limit=9)
    assert kept.entry.target.startswith("ab?c")
    assert (len(kept.entry.note), await desk.faults()) == (1000, [])
