-- Mails about accounts: what waits to be sent, and the tokens that were sent (docs/concepts/mail.md).
ALTER TABLE accounts.account ADD COLUMN email_verified_at timestamptz;

COMMENT ON COLUMN accounts.account.email_verified_at IS 'when its owner showed that mail is read there; NULL: never';

CREATE TABLE accounts.mail (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('confirm_email', 'reset_password', 'password_changed', 'email_changed')),
    account_id uuid REFERENCES accounts.account ON DELETE CASCADE,
    email text NOT NULL CHECK (length(email) <= 255),
    address text NOT NULL,
    made_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    leased_until timestamptz,
    attempts integer NOT NULL DEFAULT 0
);

CREATE INDEX mail_next ON accounts.mail (next_at);
CREATE INDEX mail_account ON accounts.mail (account_id) WHERE account_id IS NOT NULL;

COMMENT ON TABLE accounts.mail IS 'what waits; no token is in it, for one is made when a mail is sent';
COMMENT ON COLUMN accounts.mail.account_id IS 'NULL: whose address it is, if anybody''s, is looked up when it is sent';
COMMENT ON COLUMN accounts.mail.address IS 'where whoever asked for it came from';
COMMENT ON COLUMN accounts.mail.leased_until IS 'until then a server sends it; if that dies, another does';

CREATE TABLE accounts.mail_token (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    purpose text NOT NULL CHECK (purpose IN ('confirm_email', 'reset_password')),
    account_id uuid NOT NULL REFERENCES accounts.account ON DELETE CASCADE,
    email text NOT NULL CHECK (length(email) <= 255),
    ends_at timestamptz NOT NULL
);

CREATE INDEX mail_token_account ON accounts.mail_token (account_id);
CREATE INDEX mail_token_ends_at ON accounts.mail_token (ends_at);

COMMENT ON COLUMN accounts.mail_token.hash IS 'SHA-256 of the token, which is 256 random bits';
COMMENT ON COLUMN accounts.mail_token.email IS 'where it was sent: whoever has the token reads mail there';
