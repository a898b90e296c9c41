-- The clubs of a game, and who has which number in them. Lock order: account, club, membership.
CREATE TABLE accounts.club (
    name text COLLATE "C" PRIMARY KEY,
    given integer NOT NULL DEFAULT 0 CHECK (given >= 0)
);

COMMENT ON TABLE accounts.club IS 'what the definition says of a club stands in the definition; here is what was given';
COMMENT ON COLUMN accounts.club.given IS 'the highest number given; grows in the transaction that gives the next, so none is left out';

CREATE TABLE accounts.membership (
    club text COLLATE "C" NOT NULL REFERENCES accounts.club,
    number integer NOT NULL CHECK (number >= 1),
    account_id uuid REFERENCES accounts.account ON DELETE SET NULL,
    proof bytea CHECK (length(proof) = 32),
    granted_at timestamptz NOT NULL,
    ends_at timestamptz CHECK (ends_at > granted_at),
    PRIMARY KEY (club, number),
    CONSTRAINT membership_one_number UNIQUE (account_id, club),
    CONSTRAINT membership_one_proof UNIQUE (club, proof)
);

COMMENT ON COLUMN accounts.membership.account_id IS 'NULL: its member was erased, and the number is retired';
COMMENT ON COLUMN accounts.membership.proof IS 'SHA-256 of the external account that proved it; erased with its member';
COMMENT ON COLUMN accounts.membership.ends_at IS 'NULL: it does not end';

CREATE FUNCTION accounts.forget_proof() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.proof := NULL;
    RETURN NEW;
END $$;

-- Whoever erases an account retires its numbers with it: the row stays, and says nothing of anybody.
CREATE TRIGGER membership_erased BEFORE UPDATE OF account_id ON accounts.membership
FOR EACH ROW WHEN (NEW.account_id IS NULL) EXECUTE FUNCTION accounts.forget_proof();
