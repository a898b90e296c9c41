-- Accounts elsewhere that people sign in with, wallets among them. Lock order: device, external, account.
CREATE TABLE accounts.external (
    issuer text COLLATE "C" NOT NULL CHECK (length(issuer) BETWEEN 1 AND 255),
    subject text COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    provider text COLLATE "C" NOT NULL,
    account_id uuid NOT NULL REFERENCES accounts.account ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    linked_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject),
    CONSTRAINT external_one_of_an_issuer UNIQUE (account_id, issuer)
);

COMMENT ON COLUMN accounts.external.issuer IS 'who vouches for it: accounts of two issuers never meet, whatever an operator calls them';
COMMENT ON COLUMN accounts.external.subject IS 'what the issuer calls the account for ever; never an e-mail address';
COMMENT ON COLUMN accounts.external.account_id IS 'claimed before the account is made, so that twins make one account';

-- Visits to a provider that somebody has begun. Each ends once, by its answer or by time.
CREATE TABLE accounts.external_flow (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    provider text COLLATE "C" NOT NULL,
    redirect_uri text,
    account_id uuid REFERENCES accounts.account ON DELETE CASCADE,
    ends_at timestamptz NOT NULL
);

CREATE INDEX external_flow_ends_at ON accounts.external_flow (ends_at);
CREATE INDEX external_flow_account ON accounts.external_flow (account_id) WHERE account_id IS NOT NULL;

COMMENT ON COLUMN accounts.external_flow.hash IS 'SHA-256 of the secret that its client keeps, from which state, nonce and verifier follow';
COMMENT ON COLUMN accounts.external_flow.account_id IS 'who links an account elsewhere; NULL: somebody signs in';

COMMENT ON COLUMN accounts.account.wallet_address IS 'not used any more: a wallet is an account elsewhere, of the issuer eip155';
