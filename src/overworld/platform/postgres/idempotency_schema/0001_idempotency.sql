CREATE TABLE platform.idempotency (
    account_id uuid NOT NULL,
    key_hash bytea NOT NULL CHECK (length(key_hash) = 16),
    digest bytea NOT NULL CHECK (length(digest) = 16),
    code text,
    body bytea NOT NULL,
    kept_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, key_hash)
);

CREATE INDEX idempotency_kept_at ON platform.idempotency USING brin (kept_at);

COMMENT ON COLUMN platform.idempotency.key_hash IS 'BLAKE2b-128 of the key the client chose: any text, any length';
COMMENT ON COLUMN platform.idempotency.digest IS 'BLAKE2b-128 of what was asked under the key';
COMMENT ON COLUMN platform.idempotency.code IS 'code of the refusal; NULL when the command was carried out';
