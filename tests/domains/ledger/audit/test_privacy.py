"""A public export is no trace of where people were.

The attacker has the export, the game's table, and the id and place of every collectible of the area. He does not have
the keys of accounts. He tries to tell which collectibles one player took, and who is who from month to month. The same
attacker, given the keys of the two accounts, succeeds: what he tries is worth trying.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from overworld.app.game import check, found
from overworld.domains.gameplay.rules import spawn_table
from overworld.domains.gameplay.spawns import Spawns
from overworld.domains.gameplay.types import Spawn
from overworld.geo import cells
from overworld.kernel.clock import to_us
from overworld.kernel.ids import IdSource, keyed_id, uuid7_ms
from tests.domains.ledger.audit.chronicle import PENDING, POST_PENDING, START, Chronicle, Transfer

ISSUANCE, VICTIM = 1, 2
SECRET = b"what the server makes ids with"
PLAYERS = {who: UUID(int=who) for who in range(2, 7)}
HASHES = ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s", "sha3_256")
TAGS = (b"", b"reference", b"pseudonym", b"overworld.ledger.id", b"overworld.ledger", b"collect")


class Attacker:
    """What he knows, and what he makes of it."""

    def __init__(self, export: Path, area: Sequence[Spawn], *, keys: Iterable[bytes] = ()) -> None:
        self.area = area
        self.texts = {path.name: path.read_text() for path in export.iterdir() if path.suffix in (".json", ".jsonl")}
        self.transfers = [json.loads(line) for line in self.texts["transfers.jsonl"].splitlines()]
        self.balances = [json.loads(line) for line in self.texts["balances.jsonl"].splitlines()]
        self.keys = list(keys)

    def walk(self) -> list[Spawn]:
        """The collectibles that he finds in the export, in the order in which they were taken."""
        taken = {transfer["reference_hash"]: index for index, transfer in enumerate(self.transfers)}
        ids = {transfer["id_hash"]: index for index, transfer in enumerate(self.transfers)}
        known = taken | ids
        found = [(known[guess], spawn) for spawn in self.area for guess in self.guesses_at(spawn) if guess in known]
        return [spawn for _, spawn in sorted(found, key=lambda each: each[0])]

    def guesses_at(self, spawn: Spawn) -> Iterator[str]:
        """Everything that a collectible could look like to one who made it from what is public."""
        for plain in self.plain_forms(spawn):
            yield plain.hex()[:32]
            yield plain.hex()[-32:]
            for tag, name in itertools.product(TAGS, HASHES):
                yield hashlib.new(name, tag + plain).hexdigest()[:32]
            for key, tag in itertools.product(self.guessable_keys(), TAGS):
                yield hmac.digest(key, tag + plain, "sha256").hex()[:32]

    def plain_forms(self, spawn: Spawn) -> set[bytes]:
        """Its id as text, as bytes, and as the 16 bytes of a reference, however they may be cut or filled.

        And the ids of the claims of everybody who is known to play, if they came with the collectible as their key.
        """
        raw = urlsafe_b64decode(spawn.id)
        guesses = itertools.product((b"", bytes(32)), PLAYERS.values())
        ids = (keyed_id(secret, player_id, spawn.id).bytes for secret, player_id in guesses)
        return {spawn.id.encode(), raw, spawn.key, raw[:16], raw[-16:], *references_of(spawn), *ids}

    def guessable_keys(self) -> list[bytes]:
        """The keys that he was given, alone and in pairs; else none, zeros, and whatever is public."""
        pairs = [one + other for one, other in itertools.permutations(self.keys, 2)]
        public = [bytes.fromhex(json.loads(line)["public_key"]) for line in self.texts["keys.jsonl"].splitlines()]
        return [*self.keys, *pairs, b"", bytes(32), bytes(64), *public]

    def pseudonyms(self, month: str) -> set[str]:
        """Who moved wallets in a month."""
        return {row["account"] for row in self.balances if row["month"] == month and row["account_code"] == 1}

    def linked(self, month: str, next_month: str) -> set[tuple[str, str]]:
        """Pairs of pseudonyms of two months that he takes for one account."""
        one, other = self.pseudonyms(month), self.pseudonyms(next_month)
        same = {(name, name) for name in one & other}
        hashed = {(name, guess) for name in one for guess in self.next_names(name, next_month) if guess in other}
        return same | hashed | self.linked_by_promises(one, other) | self.linked_by_sums(month, next_month)

    def next_names(self, name: str, next_month: str) -> Iterator[str]:
        """What the next pseudonym would be if it followed from the last."""
        plain = bytes.fromhex(name)
        for tag, algorithm in itertools.product((b"", next_month.encode(), b"pseudonym" + next_month.encode()), HASHES):
            yield hashlib.new(algorithm, plain + tag).hexdigest()[:32]
            yield hashlib.new(algorithm, tag + plain).hexdigest()[:32]
        yield hmac.digest(plain, b"pseudonym" + next_month.encode(), "sha256").hex()[:32]
        for key in self.keys:
            yield hmac.digest(key, b"pseudonym" + next_month.encode(), "sha256").hex()[:32]

    def linked_by_promises(self, one: set[str], other: set[str]) -> set[tuple[str, str]]:
        """A promise and what settles it name each other."""
        promised = {transfer["id_hash"]: transfer for transfer in self.transfers if transfer["kind"] == "pending"}
        pairs = set()
        for transfer in self.transfers:
            promise = promised.get(transfer["pending_id_hash"])
            if promise is None:
                continue
            for side in ("debit", "credit"):
                if promise[side] != transfer[side] and promise[side] in one and transfer[side] in other:
                    pairs.add((promise[side], transfer[side]))
        return pairs

    def linked_by_sums(self, month: str, next_month: str) -> set[tuple[str, str]]:
        """What somebody held at the end of a month, found again in the next: a balance carried over."""
        held = {row["account"]: int(row["credits_minor"]) - int(row["debits_minor"]) for row in self.balances_of(month)}
        return {
            (name, row["account"])
            for name, minor in held.items()
            for row in self.balances_of(next_month)
            if str(minor) in (row["debits_minor"], row["credits_minor"], row.get("balance_minor"))
        }

    def balances_of(self, month: str) -> list[dict[str, str]]:
        return [row for row in self.balances if row["month"] == month and row["account_code"] == 1]


def references_of(spawn: Spawn) -> list[bytes]:
    """The 16 bytes that a claim keeps as its reference, and what it could be made of."""
    return [reference_of(spawn), spawn.key.rjust(16, b"\0"), spawn.key.ljust(16, b"\0")]


def reference_of(spawn: Spawn) -> bytes:
    """What a claim does keep. He is given it, though it leads back to the collectible for nobody without a secret."""
    return spawn.reference.bytes


NewId = Callable[[Chronicle, int, Spawn], bytes]
"""The id of the transfer by which somebody collects something."""


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A victim who walks through an area in two months, among four others, and the public export of it all."""
    return play(tmp_path_factory.mktemp("public") / "export", lambda log, who, spawn: new_id(log))


def new_id(log: Chronicle) -> bytes:
    return IdSource(lambda: to_us(log.now), log.random.randbytes)().bytes


def play(folder: Path, id_of: NewId) -> tuple[Chronicle, list[Spawn], list[Spawn], Path]:
    game = check(found("ore"))
    table = spawn_table(game.collectibles, game.progression, {currency.code: currency for currency in game.currencies})
    spawns = Spawns(key=b"secret of the server", table=table, cells_cached_max=100)
    around = cells.cover_cap(43.3209, 21.8958, 1_000, spawns.cell_level, 100)
    area = spawns.in_cells(around, window=spawns.window_at(to_us(START)))
    walked, others = area[:12], area[12:40]
    log = Chronicle()

    def collects(mine: Sequence[Spawn], theirs: Sequence[Spawn]) -> tuple[list[Spawn], list[Transfer]]:
        takes = [*((VICTIM, spawn) for spawn in mine), *((3 + n % 4, spawn) for n, spawn in enumerate(theirs))]
        log.random.shuffle(takes)
        return [spawn for who, spawn in takes if who == VICTIM], [
            log.transfer(
                ISSUANCE, who, spawn.kind.value_minor, reference=reference_of(spawn), id=id_of(log, who, spawn)
            )
            for who, spawn in takes
        ]

    first, transfers = collects(walked[:6], others[:14])
    promise = log.transfer(ISSUANCE, VICTIM, 977, kind=PENDING, id=new_id(log))
    log.seal([*transfers, promise])
    log.now += timedelta(days=20)
    second, transfers = collects(walked[6:], others[14:])
    log.seal([*transfers, log.transfer(ISSUANCE, VICTIM, 977, kind=POST_PENDING, settles=promise, id=new_id(log))])
    return log, area, first + second, log.export(folder)


def account_key(log: Chronicle, account: int) -> bytes:
    return bytes(log.account_keys[account - 1])


def test_a_walk_cannot_be_rebuilt_from_an_export(played):
    _, area, sealed, export = played

    assert len(sealed) == 12
    assert len(area) > 30
    assert Attacker(export, area).walk() == []


@pytest.mark.slow
def test_a_walk_cannot_be_rebuilt_from_the_keys_that_clients_choose(tmp_path):
    """A client may send the collectible's id as its Idempotency-Key: the transfer's id must not be guessed by it."""

    def claimed(_log: Chronicle, who: int, spawn: Spawn) -> bytes:
        return keyed_id(SECRET, PLAYERS[who], spawn.id).bytes

    _, area, _, export = play(tmp_path / "export", claimed)

    assert Attacker(export, area).walk() == []


@pytest.mark.slow
def test_with_the_keys_of_both_accounts_it_can(played):
    """So the attack is a good one, and destroying the player's key is what ends it."""
    log, area, sealed, export = played
    keys = [account_key(log, ISSUANCE), account_key(log, VICTIM)]

    assert Attacker(export, area, keys=keys).walk() == sealed


@pytest.mark.slow
def test_the_key_of_one_side_alone_is_not_enough(played):
    log, area, _, export = played

    assert Attacker(export, area, keys=[account_key(log, ISSUANCE)]).walk() == []


def test_pseudonyms_of_two_months_cannot_be_tied_together(played):
    """Not even by a promise of one month that is settled in the next."""
    log, area, _, export = played
    attacker = Attacker(export, area)

    assert len(attacker.pseudonyms("2026-11")) == 5
    assert len(attacker.pseudonyms("2026-12")) >= 5
    assert {pair for pair in attacker.linked("2026-11", "2026-12") if pair[0] != pair[1]} == set()
    assert Attacker(export, area, keys=[account_key(log, VICTIM)]).linked("2026-11", "2026-12")


def test_no_time_of_an_id_shines_through(played):
    """Ids carry milliseconds; nothing in an export may hold the 48 bits of a moment near the play."""
    log, _, _, export = played
    now_ms = uuid7_ms(IdSource(lambda: to_us(log.now))())
    near = range(now_ms - 90 * 86_400_000, now_ms + 86_400_000)
    fields = [bytes.fromhex(value) for transfer in Attacker(export, []).transfers for value in hex_of(transfer)]

    moments = [field[at : at + 6] for field in fields for at in range(len(field) - 5)]

    assert not [moment for moment in moments if int.from_bytes(moment, "big") in near]
    assert UUID(bytes=IdSource(lambda: to_us(log.now))().bytes).int >> 80 in near


def hex_of(transfer: dict[str, object]) -> list[str]:
    names = ("id_hash", "debit", "credit", "reference_hash", "pending_id_hash")
    return [str(transfer[name]) for name in names if transfer[name]]
