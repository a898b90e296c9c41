-- The log over all transfers (docs/ledger-audit.md): blocks of records, the Merkle tree in tiles, and the keys.

CREATE TABLE ledger.block (
    number bigint PRIMARY KEY CHECK (number >= 0),
    previous bytea NOT NULL CHECK (length(previous) = 32),
    first_index bigint NOT NULL CHECK (first_index >= 0),
    count int NOT NULL CHECK (count > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    at timestamptz NOT NULL,
    key_id bytea NOT NULL CHECK (length(key_id) = 16),
    signature bytea NOT NULL CHECK (length(signature) = 64),
    last_stamp bigint NOT NULL,
    last_settles boolean NOT NULL,
    last_id uuid NOT NULL,
    records bytea NOT NULL CHECK (length(records) = 128 * count),
    id_prefixes bytea NOT NULL CHECK (length(id_prefixes) = 4 * count)
);

COMMENT ON COLUMN ledger.block.id_prefixes IS
    'the first 4 bytes of each id hash: a proof finds its record by them without reading all of half a megabyte';

-- Which block a transfer is in: the first that ends at it or behind it. The order of the log is (stamp, settles, id):
-- a promise and what settles it may be of one transaction, and have one stamp.
CREATE UNIQUE INDEX block_last ON ledger.block (last_stamp, last_settles, last_id);

CREATE TABLE ledger.tile (
    level smallint NOT NULL CHECK (level >= 0),
    number bigint NOT NULL CHECK (number >= 0),
    hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, number)
);

-- Hashes do not compress, and a proof reads a few of them out of the middle.
ALTER TABLE ledger.block ALTER COLUMN records SET STORAGE EXTERNAL;
ALTER TABLE ledger.block ALTER COLUMN id_prefixes SET STORAGE EXTERNAL;
ALTER TABLE ledger.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- What makes pseudonyms and hides references, in blocks from `from_block` on. Deleting a row is how a player is forgotten.
CREATE TABLE ledger.account_secret (
    account_id bigint PRIMARY KEY,
    from_block bigint NOT NULL CHECK (from_block >= 0),
    key bytea NOT NULL CHECK (length(key) = 32)
);

-- The keys that sign. The private half is there as long as the key is the newest one.
CREATE TABLE ledger.signing_key (
    number int PRIMARY KEY CHECK (number >= 0),
    from_block bigint NOT NULL CHECK (from_block >= 0),
    made_at timestamptz NOT NULL,
    public_key bytea NOT NULL UNIQUE CHECK (length(public_key) = 32),
    issuer_id bytea NOT NULL CHECK (length(issuer_id) = 16),
    signature bytea NOT NULL CHECK (length(signature) = 64),
    private_pem text
);

-- What the sealed transfers add up to: what `ledger.account` would say if the log ended with the last block.
CREATE TABLE ledger.sealed_balance (
    account_id bigint PRIMARY KEY,
    debits_posted numeric(38) NOT NULL,
    credits_posted numeric(38) NOT NULL,
    debits_pending numeric(38) NOT NULL,
    credits_pending numeric(38) NOT NULL
) WITH (fillfactor = 60);

-- Promises that are sealed and not settled: what settles one bears the pseudonyms that it was sealed with.
CREATE TABLE ledger.sealed_promise (
    id uuid PRIMARY KEY,
    debit bytea NOT NULL CHECK (length(debit) = 16),
    credit bytea NOT NULL CHECK (length(credit) = 16)
);

-- In a cluster into which the ledger was restored from a dump, transaction ids begin anew. `ahead` is added to them, so
-- that the log goes on behind its end.
CREATE TABLE ledger.epoch (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    ahead bigint NOT NULL CHECK (ahead >= 0)
);

INSERT INTO ledger.epoch (ahead) VALUES (0);

CREATE OR REPLACE FUNCTION ledger.stamp() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT ahead + greatest(
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1, pg_current_xact_id()::text::bigint)
    FROM ledger.epoch
$$;

-- No transfer with a stamp below this can still appear.
CREATE FUNCTION ledger.horizon() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT ahead + pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM ledger.epoch
$$;

CREATE FUNCTION ledger.refuse_unsealing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of ledger.% refused: what was sealed stays', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER blocks_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.block
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unsealing();
CREATE TRIGGER tiles_stay BEFORE DELETE OR TRUNCATE ON ledger.tile
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unsealing();
CREATE TRIGGER signing_keys_stay BEFORE DELETE OR TRUNCATE ON ledger.signing_key
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unsealing();
CREATE TRIGGER account_secrets_are_not_exchanged BEFORE UPDATE ON ledger.account_secret
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_unsealing();

-- The last tile of a level may grow; what is in it already stays.
CREATE TRIGGER tiles_only_grow BEFORE UPDATE ON ledger.tile FOR EACH ROW
    WHEN ((NEW.level, NEW.number, substr(NEW.hashes, 1, length(OLD.hashes)))
        IS DISTINCT FROM (OLD.level, OLD.number, OLD.hashes))
    EXECUTE FUNCTION ledger.refuse_unsealing();

CREATE FUNCTION ledger.refuse_other_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.private_pem IS NULL
        AND (NEW.number, NEW.from_block, NEW.made_at, NEW.public_key, NEW.issuer_id, NEW.signature)
            = (OLD.number, OLD.from_block, OLD.made_at, OLD.public_key, OLD.issuer_id, OLD.signature)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE of ledger.signing_key refused: a key only loses its private half'
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER signing_keys_only_retire BEFORE UPDATE ON ledger.signing_key
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_other_key();

-- What the transfers between two marks, the second included, change in the totals of accounts.
CREATE FUNCTION ledger.changes(
    after_stamp bigint, after_settles boolean, after_id uuid, upto_stamp bigint, upto_settles boolean, upto_id uuid
) RETURNS TABLE (
    account_id bigint, debits_posted numeric, credits_posted numeric, debits_pending numeric, credits_pending numeric
) LANGUAGE sql STABLE AS $$
    WITH moved AS (
        SELECT made.debit_id, made.credit_id,
            CASE WHEN made.kind IN (0, 2) THEN made.amount ELSE 0 END AS posted,
            CASE made.kind WHEN 0 THEN 0 WHEN 1 THEN made.amount
                ELSE -(SELECT promised.amount FROM ledger.transfer AS promised WHERE promised.id = made.pending_id)
            END AS pending
        FROM ledger.transfer AS made
        WHERE made.stamp BETWEEN after_stamp AND upto_stamp
            AND (made.stamp, made.kind >= 2, made.id) > (after_stamp, after_settles, after_id)
            AND (made.stamp, made.kind >= 2, made.id) <= (upto_stamp, upto_settles, upto_id)
    )
    SELECT leg.account_id, sum(leg.debit), sum(leg.credit), sum(leg.promised), sum(leg.expected)
    FROM (
        SELECT debit_id, posted, 0, pending, 0 FROM moved
        UNION ALL
        SELECT credit_id, 0, posted, 0, pending FROM moved
    ) AS leg (account_id, debit, credit, promised, expected)
    GROUP BY leg.account_id
$$;
