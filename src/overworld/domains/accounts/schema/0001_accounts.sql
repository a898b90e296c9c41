CREATE TABLE accounts.account (
    id uuid PRIMARY KEY,
    username text NOT NULL CHECK (length(username) BETWEEN 3 AND 50),
    username_folded text NOT NULL CONSTRAINT account_username_unique UNIQUE,
    email text CHECK (length(email) <= 255),
    email_folded text CONSTRAINT account_email_unique UNIQUE,
    password_hash text,
    role text NOT NULL DEFAULT 'player' CHECK (
        role IN ('player', 'moderator', 'advertiser', 'sponsor', 'auditor', 'government', 'admin', 'developer')
    ),
    did text NOT NULL,
    wallet_address text,
    settings jsonb NOT NULL DEFAULT '{}',
    security_version integer NOT NULL DEFAULT 1,
    security_version_at timestamptz,
    created_at timestamptz NOT NULL,
    signed_in_at timestamptz,
    CHECK ((email IS NULL) = (email_folded IS NULL))
);

CREATE INDEX account_security_version_at ON accounts.account (security_version_at)
WHERE security_version_at IS NOT NULL;

COMMENT ON COLUMN accounts.account.username_folded IS 'NFKC and case folded, so that look-alikes of case and width are one';
COMMENT ON COLUMN accounts.account.security_version IS 'claim sv: access tokens with less are void';
COMMENT ON COLUMN accounts.account.security_version_at IS 'when it last grew; NULL while it is the first';

CREATE TABLE accounts.device (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    account_id uuid NOT NULL REFERENCES accounts.account DEFERRABLE INITIALLY DEFERRED,
    made_at timestamptz NOT NULL
);

CREATE INDEX device_account ON accounts.device (account_id);

COMMENT ON COLUMN accounts.device.hash IS 'SHA-256 of the device id, which is a credential';
COMMENT ON COLUMN accounts.device.account_id IS 'claimed before the account is made, so that twins make one account';

CREATE TABLE accounts.session (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts.account,
    way text NOT NULL,
    address text NOT NULL,
    user_agent text NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE INDEX session_account ON accounts.session (account_id) WHERE revoked_at IS NULL;
CREATE INDEX session_ends_at ON accounts.session (ends_at);
CREATE INDEX session_revoked_at ON accounts.session (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE accounts.refresh_token (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    session_id uuid NOT NULL REFERENCES accounts.session ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'rotated', 'spent')),
    made_at timestamptz NOT NULL,
    rotated_at timestamptz
);

CREATE INDEX refresh_token_session ON accounts.refresh_token (session_id);

COMMENT ON COLUMN accounts.refresh_token.hash IS 'SHA-256 of the token, which is 256 random bits';

CREATE TABLE accounts.signing_key (
    kid text PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('active', 'retiring')),
    public_jwk jsonb NOT NULL,
    private_pem text,
    made_at timestamptz NOT NULL,
    ends_at timestamptz,
    CHECK (state <> 'active' OR private_pem IS NOT NULL),
    CHECK (state <> 'retiring' OR ends_at IS NOT NULL)
);

CREATE UNIQUE INDEX signing_key_one_active ON accounts.signing_key (state) WHERE state = 'active';
