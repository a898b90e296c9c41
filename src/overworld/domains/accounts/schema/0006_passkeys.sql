CREATE TABLE accounts.passkey (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts.account,
    credential_id bytea NOT NULL CONSTRAINT passkey_credential_unique UNIQUE CHECK (length(credential_id) <= 1023),
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    transports text[] NOT NULL,
    is_synced boolean NOT NULL,
    made_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE INDEX passkey_account ON accounts.passkey (account_id);

COMMENT ON COLUMN accounts.passkey.public_key IS 'COSE, as the authenticator gave it';
COMMENT ON COLUMN accounts.passkey.is_synced IS 'whether the authenticator says that it keeps a copy elsewhere';

CREATE TABLE accounts.passkey_ceremony (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    challenge bytea NOT NULL CHECK (length(challenge) = 32),
    account_id uuid REFERENCES accounts.account,
    session_id uuid,
    ends_at timestamptz NOT NULL,
    CHECK ((account_id IS NULL) = (session_id IS NULL))
);

CREATE INDEX passkey_ceremony_ends_at ON accounts.passkey_ceremony (ends_at);
CREATE INDEX passkey_ceremony_account ON accounts.passkey_ceremony (account_id) WHERE account_id IS NOT NULL;

COMMENT ON COLUMN accounts.passkey_ceremony.hash IS 'SHA-256 of the secret that whoever began it got';
COMMENT ON COLUMN accounts.passkey_ceremony.account_id IS 'who adds a passkey; NULL where somebody signs in by one';

CREATE TABLE accounts.totp (
    account_id uuid PRIMARY KEY REFERENCES accounts.account,
    secret bytea NOT NULL,
    made_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT 0
);

COMMENT ON COLUMN accounts.totp.secret IS 'sealed with accounts.signing_key_secret where that is set';
COMMENT ON COLUMN accounts.totp.last_step IS 'the time step of the last code taken: that one and earlier ones are over';

CREATE TABLE accounts.recovery_code (
    account_id uuid NOT NULL REFERENCES accounts.totp ON DELETE CASCADE,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (account_id, hash)
);

COMMENT ON COLUMN accounts.recovery_code.hash IS 'SHA-256 of the code, which is 80 random bits; used ones are gone';

ALTER TABLE accounts.session ADD COLUMN second_factor_at timestamptz;

COMMENT ON COLUMN accounts.session.second_factor_at IS 'when its owner last proved a second factor in it';
