-- phase: contract
-- The narrow form of the books: one row per transfer with numbers in place of texts, promises (pending transfers),
-- hot accounts in stripes, frozen accounts. Stop the old build before this file: it cannot write the new rows.

ALTER TABLE ledger.account ADD COLUMN stripe smallint NOT NULL DEFAULT 0 CHECK (stripe BETWEEN 0 AND 63);
ALTER TABLE ledger.account ADD COLUMN frozen boolean NOT NULL DEFAULT false;
ALTER TABLE ledger.account DROP CONSTRAINT account_owner_id_currency_code_key;
ALTER TABLE ledger.account ADD CONSTRAINT account_named UNIQUE (owner_id, currency, code, stripe);
-- Of an account without a floor one stripe may have what another owes, so only the whole has a bound; see the rules.
ALTER TABLE ledger.account ADD CONSTRAINT no_overflow CHECK (
    NOT debits_must_not_exceed_credits OR credits_posted - debits_posted <= 4611686018427387904
);

COMMENT ON COLUMN ledger.account.stripe IS
    'a hot account is several rows, so that batches do not queue for one; what it holds is their sum';

ALTER TABLE ledger.transfer RENAME TO transfer_before;
ALTER TABLE ledger.transfer_before RENAME CONSTRAINT transfer_pkey TO transfer_before_pkey;
DROP INDEX ledger.transfer_debit;
DROP INDEX ledger.transfer_credit;

-- `stamp` is the place in the log of transfers: the greater of the writer's own transaction id and the highest id that
-- had finished when the row was written, as in the event log. No row below pg_snapshot_xmin can still appear.
-- `kind`: 0 posted, 1 pending, 2 post of a pending one, 3 void of one. `balance` is the credit account's after it and
-- `memo` a number of the caller's, where the caller wants to find them again.
-- No foreign keys to account: a row joins two players, who may one day live in two databases.
CREATE TABLE ledger.transfer (
    stamp bigint NOT NULL,
    id uuid NOT NULL,
    reference uuid NOT NULL,
    debit_id bigint NOT NULL CHECK (debit_id > 0),
    credit_id bigint NOT NULL CHECK (credit_id > 0 AND credit_id <> debit_id),
    amount bigint NOT NULL CHECK (amount > 0),
    at timestamptz NOT NULL,
    code smallint NOT NULL CHECK (code > 0),
    kind smallint NOT NULL CHECK (kind BETWEEN 0 AND 3),
    balance bigint,
    memo bigint,
    pending_id uuid CHECK ((pending_id IS NOT NULL) = (kind >= 2)),
    CONSTRAINT transfer_pkey PRIMARY KEY (id)
);

-- Until now every transfer was a collection, and its reference the collectible's id. One id in many hands was personal.
INSERT INTO ledger.transfer (stamp, id, reference, debit_id, credit_id, amount, at, code, kind)
SELECT 0, old.id, encode(substr(sha256(convert_to(old.reference, 'UTF8') ||
    CASE WHEN count(*) OVER (PARTITION BY old.reference) > 1 THEN uuid_send(payee.owner_id) ELSE '' END), 1, 16),
    'hex')::uuid, old.debit_id, old.credit_id, old.amount, old.at, 1, 0
FROM ledger.transfer_before AS old JOIN ledger.account AS payee ON payee.id = old.credit_id;

DROP TABLE ledger.transfer_before;

-- Code 1 is `collect`: what a reference names can be had once, whoever asks, in whatever process.
CREATE UNIQUE INDEX transfer_taken ON ledger.transfer (reference) WHERE code = 1;
CREATE UNIQUE INDEX transfer_settles ON ledger.transfer (pending_id) WHERE pending_id IS NOT NULL;
CREATE INDEX transfer_credit ON ledger.transfer (credit_id, at);
CREATE INDEX transfer_debit ON ledger.transfer (debit_id, at) WHERE code <> 1;
CREATE INDEX transfer_stamp ON ledger.transfer USING brin (stamp) WITH (pages_per_range = 16, autosummarize = on);

CREATE TRIGGER transfers_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.transfer
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- The promises that are open. What becomes of one is a transfer of kind 2 or 3.
CREATE TABLE ledger.pending (
    id uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

CREATE INDEX pending_expires ON ledger.pending (expires_at);

-- Ids that follow from an owner and a key also follow from this, so that nobody can guess one who guesses a key.
CREATE TABLE ledger.id_secret (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    value bytea NOT NULL CHECK (length(value) = 32)
);

INSERT INTO ledger.id_secret (value) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

DROP FUNCTION ledger.take;
DROP FUNCTION ledger.write;

-- What an account holds, for replies. A wallet never holds more than 2^62; what a stripe of issuance owes or has may
-- outgrow 64 bits, and nobody is told that.
CREATE FUNCTION ledger.held(account ledger.account) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT least(greatest(account.credits_posted - account.debits_posted, -9223372036854775807), 9223372036854775807)::bigint
$$;

CREATE FUNCTION ledger.stamp() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1, pg_current_xact_id()::text::bigint)
$$;

-- Opens what is missing of the accounts that `opens` marks, and gives the ids of all, 0 for one that is not there. A
-- stripe that is new in this build is frozen where the account is.
CREATE FUNCTION ledger.open(
    owner_ids uuid[], currencies text[], codes text[], stripes smallint[], opens boolean[], floors boolean[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.account (owner_id, currency, code, stripe, debits_must_not_exceed_credits, frozen)
    SELECT named.owner_id, named.currency, named.code, named.stripe, named.floors, EXISTS (
        SELECT FROM ledger.account AS other
        WHERE other.owner_id = named.owner_id AND other.currency = named.currency AND other.code = named.code
            AND other.frozen
    )
    FROM unnest(owner_ids, currencies, codes, stripes, opens, floors)
        AS named (owner_id, currency, code, stripe, opens, floors)
    WHERE named.opens AND NOT EXISTS (
        SELECT FROM ledger.account AS known
        WHERE known.owner_id = named.owner_id AND known.currency = named.currency AND known.code = named.code
            AND known.stripe = named.stripe
    )
    ORDER BY named.owner_id, named.currency COLLATE "C", named.code COLLATE "C", named.stripe
    ON CONFLICT (owner_id, currency, code, stripe) DO NOTHING;

    RETURN (
        SELECT array_agg(coalesce(account.id, 0) ORDER BY named.place)
        FROM unnest(owner_ids, currencies, codes, stripes) WITH ORDINALITY
            AS named (owner_id, currency, code, stripe, place)
        LEFT JOIN ledger.account USING (owner_id, currency, code, stripe)
    );
END $$;

-- Opens accounts, locks all, and reads what a batch is judged by. Accounts are opened in the order of their names
-- before any is locked in the order of ids, so no two batches wait for each other in a ring. Each statement sees what
-- was committed while the one before it waited. The arrays from `ids` on hold the transfers with one of the wanted
-- ids, the promises with one of `promises` and what settled those; `taken` the references of exclusive codes that somebody
-- has. `fresh` are the accounts that this transaction made: until it commits, their numbers may yet go to others.
CREATE FUNCTION ledger.take(
    owner_ids uuid[], currencies text[], codes text[], stripes smallint[], opens boolean[], floors boolean[],
    wanted uuid[], promises uuid[], refs uuid[],
    OUT account_ids bigint[], OUT locked bigint[], OUT posted numeric[], OUT promised numeric[], OUT frozen boolean[],
    OUT fresh bigint[], OUT ids uuid[], OUT debit_ids bigint[], OUT credit_ids bigint[], OUT amounts bigint[], OUT transfer_codes smallint[],
    OUT kinds smallint[], OUT transfer_refs uuid[], OUT memos bigint[], OUT pending_ids uuid[],
    OUT taken uuid[], OUT open_ids uuid[], OUT open_until timestamptz[]
) LANGUAGE plpgsql AS $$
BEGIN
    account_ids := ledger.open(owner_ids, currencies, codes, stripes, opens, floors);

    SELECT coalesce(array_agg(row.id), '{}'), coalesce(array_agg(row.held), '{}'),
        coalesce(array_agg(row.debits_pending), '{}'), coalesce(array_agg(row.frozen), '{}'),
        coalesce(array_agg(row.id) FILTER (WHERE row.made_by = pg_current_xact_id()::xid), '{}')
    INTO locked, posted, promised, frozen, fresh
    FROM (
        SELECT account.id, account.credits_posted - account.debits_posted AS held, account.debits_pending, account.frozen,
            account.xmin AS made_by
        FROM ledger.account WHERE id = ANY (account_ids) ORDER BY id FOR NO KEY UPDATE
    ) AS row;

    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(debit_id), '{}'), coalesce(array_agg(credit_id), '{}'),
        coalesce(array_agg(amount), '{}'), coalesce(array_agg(code), '{}'), coalesce(array_agg(kind), '{}'),
        coalesce(array_agg(reference), '{}'), coalesce(array_agg(memo), '{}'), coalesce(array_agg(pending_id), '{}')
    INTO ids, debit_ids, credit_ids, amounts, transfer_codes, kinds, transfer_refs, memos, pending_ids
    FROM ledger.transfer WHERE id = ANY (wanted || promises) OR pending_id = ANY (promises);

    SELECT coalesce(array_agg(reference), '{}') INTO taken FROM ledger.transfer
    WHERE code = 1 AND reference = ANY (refs);
    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(expires_at), '{}') INTO open_ids, open_until
    FROM ledger.pending WHERE id = ANY (promises);
END $$;

-- Writes transfers and moves their accounts, which `take` has locked; false, with nothing written, when another
-- transaction has meanwhile committed one with the same id, promise or reference. `released` is what leaves the pending
-- totals: the whole of a promise that a row settles. Rows go in the order of references, as everywhere,
-- so two batches wait in one direction.
CREATE FUNCTION ledger.write(
    ids uuid[], debit_ids bigint[], credit_ids bigint[], amounts bigint[], codes smallint[], kinds smallint[],
    refs uuid[], memos bigint[], balances bigint[], pending_ids uuid[], released bigint[], expires timestamptz[],
    posted_at timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    place_in_log bigint := ledger.stamp();
BEGIN
    BEGIN
        INSERT INTO ledger.transfer
            (stamp, id, debit_id, credit_id, amount, code, kind, reference, memo, balance, pending_id, at)
        SELECT place_in_log, posted.*, posted_at
        FROM unnest(ids, debit_ids, credit_ids, amounts, codes, kinds, refs, memos, balances, pending_ids)
            AS posted (id, debit_id, credit_id, amount, code, kind, ref)
        ORDER BY ref, id;
    EXCEPTION WHEN unique_violation THEN
        RETURN false;
    END;

    UPDATE ledger.account
    SET debits_posted = debits_posted + moved.debit, debits_pending = debits_pending + moved.debit_pending,
        credits_posted = credits_posted + moved.credit, credits_pending = credits_pending + moved.credit_pending
    FROM (
        SELECT account_id, sum(debit) AS debit, sum(debit_pending) AS debit_pending, sum(credit) AS credit,
            sum(credit_pending) AS credit_pending
        FROM unnest(debit_ids, credit_ids, amounts, kinds, released) AS t (debit_id, credit_id, amount, kind, let_go)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN kind IN (0, 2) THEN amount ELSE 0 END AS now,
                CASE WHEN kind = 1 THEN amount ELSE 0 END - let_go AS later
        ) AS part
        CROSS JOIN LATERAL (VALUES (debit_id, now, later, 0, 0), (credit_id, 0, 0, now, later))
            AS leg (account_id, debit, debit_pending, credit, credit_pending)
        GROUP BY account_id
    ) AS moved
    WHERE account.id = moved.account_id;

    INSERT INTO ledger.pending (id, expires_at)
    SELECT * FROM unnest(ids, expires) AS promise (id, expires_at) WHERE promise.expires_at IS NOT NULL;
    DELETE FROM ledger.pending WHERE id = ANY (pending_ids);
    RETURN true;
END $$;

-- The door for those who post in SQL of their own, in the caller's transaction: `move`, then `record` what was moved.
--
-- `move` changes totals at once and gives what each account holds afterwards: it may be called first and corrected later
-- in the same transaction, for whatever is refused in the end. It raises check_violation when something may speak against
-- a part of the batch: an account that is missing or frozen, or one with a floor that cannot pay all that the batch takes
-- from what it had before, or cannot take all that the batch brings on top of that; where it does not raise, no order of
-- the transfers could be refused. `accounts` are ascending and distinct. With
-- these planner settings the only plan is the loop over them in their order, so they are locked in it.
CREATE FUNCTION ledger.move(accounts bigint[], debits bigint[], credits bigint[]) RETURNS bigint[] LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    held bigint[];
    sound boolean;
BEGIN
    WITH moved AS (
        UPDATE ledger.account
        SET debits_posted = debits_posted + net.debit, credits_posted = credits_posted + net.credit
        FROM unnest(accounts, debits, credits) WITH ORDINALITY AS net (id, debit, credit, place)
        WHERE account.id = net.id
        RETURNING net.place, ledger.held(account) AS held, NOT account.frozen AND (
            NOT account.debits_must_not_exceed_credits
            OR (account.credits_posted - account.debits_posted - account.debits_pending >= net.credit
                AND account.credits_posted - account.debits_posted + net.debit <= 4611686018427387904)
        ) AS sound
    )
    SELECT array_agg(moved.held ORDER BY place), bool_and(moved.sound) AND count(*) = cardinality(accounts)
    INTO held, sound FROM moved;
    IF sound IS NOT TRUE THEN
        RAISE EXCEPTION 'not everything can be posted' USING ERRCODE = 'check_violation';
    END IF;
    RETURN held;
END $$;

-- Writes the posted transfers of a batch whose accounts `move` has moved: all, or those whose place in `refused` is 0.
-- `debits` and `credits` are places in `accounts`, from 1. Raises unique_violation for an id or an exclusive reference
-- that somebody committed meanwhile. Rows go in the order of references, so two batches wait in one direction.
CREATE FUNCTION ledger.record(
    accounts bigint[], debits integer[], credits integer[], amounts bigint[], ids uuid[], codes smallint[], refs uuid[],
    memos bigint[], balances bigint[], refused smallint[], posted_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    place_in_log bigint := ledger.stamp();
BEGIN
    INSERT INTO ledger.transfer (stamp, id, debit_id, credit_id, amount, code, kind, reference, memo, balance, at)
    SELECT place_in_log, id, accounts[d], accounts[c], amount, code, 0, ref, memo, held, posted_at
    FROM unnest(ids, debits, credits, amounts, codes, refs, memos, balances, refused)
        AS posted (id, d, c, amount, code, ref, memo, held, refusal)
    WHERE coalesce(refusal, 0) = 0
    ORDER BY ref, id;
END $$;

-- The posted transfers that have one of the ids, for a caller who looks for what it did before.
CREATE FUNCTION ledger.known(wanted uuid[]) RETURNS TABLE (
    id uuid, reference uuid, owner_id uuid, amount bigint, balance bigint, memo bigint
) LANGUAGE sql STABLE AS $$
    SELECT transfer.id, reference, owner_id, amount, balance, memo
    FROM ledger.transfer JOIN ledger.account ON account.id = credit_id
    WHERE transfer.id = ANY (wanted) AND kind = 0
$$;

-- Which references of exclusive transfers somebody has.
CREATE FUNCTION ledger.taken(refs uuid[]) RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(reference), '{}') FROM ledger.transfer WHERE code = 1 AND reference = ANY (refs)
$$;

-- Posts a whole batch in one go when nothing can speak against any of it; otherwise NULL, with nothing changed and no lock
-- kept. Gives what each account holds afterwards.
CREATE FUNCTION ledger.post_all(
    accounts bigint[], paid bigint[], received bigint[], debits integer[], credits integer[], amounts bigint[], ids uuid[],
    codes smallint[], refs uuid[], memos bigint[], posted_at timestamptz
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    held bigint[];
BEGIN
    held := ledger.move(accounts, paid, received);
    PERFORM ledger.record(accounts, debits, credits, amounts, ids, codes, refs, memos, NULL, NULL, posted_at);
    RETURN held;
EXCEPTION WHEN check_violation OR unique_violation THEN
    RETURN NULL;
END $$;
