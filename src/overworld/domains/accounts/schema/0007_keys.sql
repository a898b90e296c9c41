-- Keys of servers and of clients that only report, accounts that are suspended, and what staff note about them.
-- Lock order: account, api_key.
CREATE TABLE accounts.api_key (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts.account ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    hint text NOT NULL,
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    old_hash bytea UNIQUE CHECK (length(old_hash) = 32),
    old_ends_at timestamptz,
    life_s integer NOT NULL CHECK (life_s > 0),
    made_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    CHECK ((old_hash IS NULL) = (old_ends_at IS NULL)),
    CONSTRAINT api_key_ingest_writes_alone CHECK (NOT 'telemetry.write' = ANY (scopes) OR cardinality(scopes) = 1)
);

COMMENT ON COLUMN accounts.api_key.account_id IS 'whom its bearer acts as';
COMMENT ON COLUMN accounts.api_key.hint IS 'how the key begins, by which people tell keys apart';
COMMENT ON COLUMN accounts.api_key.hash IS 'SHA-256 of the key, which is 256 random bits';
COMMENT ON COLUMN accounts.api_key.old_hash IS 'of the key before the last rotation, good until old_ends_at';
COMMENT ON COLUMN accounts.api_key.used_at IS 'to about a minute';

CREATE INDEX api_key_account ON accounts.api_key (account_id);

ALTER TABLE accounts.account ADD COLUMN suspended_at timestamptz;
ALTER TABLE accounts.account ADD COLUMN suspended_why text CHECK (length(suspended_why) <= 500);

COMMENT ON COLUMN accounts.account.suspended_why IS 'for staff; its owner is not told';

CREATE INDEX account_by_name ON accounts.account (username_folded COLLATE "C");
CREATE INDEX account_with_role ON accounts.account (username_folded COLLATE "C") WHERE role <> 'player';
CREATE INDEX account_suspended ON accounts.account (username_folded COLLATE "C") WHERE suspended_at IS NOT NULL;

CREATE TABLE accounts.note (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts.account ON DELETE CASCADE,
    author_id uuid,
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 2000),
    at timestamptz NOT NULL
);

COMMENT ON COLUMN accounts.note.author_id IS 'no reference: an account may be erased, what it noted about others stays';

CREATE INDEX note_account ON accounts.note (account_id, id);

ALTER TABLE accounts.signing_key ADD COLUMN signs_from timestamptz;

COMMENT ON COLUMN accounts.signing_key.signs_from IS 'NULL: from made_at on. Published earlier, so that everybody knows it when it signs';
