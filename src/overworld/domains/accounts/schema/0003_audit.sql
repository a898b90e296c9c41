-- What staff did, and the chain over it (docs/concepts/audit.md). Entries come in with whatever made them true and wait
-- for nobody; the sealer gives each its number and its hash afterwards.
CREATE TABLE accounts.audit (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_id uuid,
    action text COLLATE "C" NOT NULL CHECK (length(action) BETWEEN 3 AND 64),
    target text COLLATE "C" NOT NULL CHECK (length(target) <= 256),
    before bytea CHECK (length(before) = 32),
    after bytea CHECK (length(after) = 32),
    address text NOT NULL,
    trace_id text NOT NULL,
    note text NOT NULL CHECK (length(note) <= 1000)
);

COMMENT ON COLUMN accounts.audit.actor_id IS 'no reference: an account may be erased, what it did stays';

CREATE INDEX audit_at ON accounts.audit (at, id);
CREATE INDEX audit_actor ON accounts.audit (actor_id, at, id);
CREATE INDEX audit_action ON accounts.audit (action, at, id);
CREATE INDEX audit_target ON accounts.audit (target, at, id);

CREATE TABLE accounts.audit_link (
    number bigint PRIMARY KEY CHECK (number >= 1),
    entry_id uuid NOT NULL UNIQUE REFERENCES accounts.audit,
    hash bytea NOT NULL CHECK (length(hash) = 32)
);

COMMENT ON COLUMN accounts.audit_link.hash IS 'SHA-256 of the hash before and the entry, so that it stands for all of them';

-- Which entries have no number yet. An entry cannot say so itself, for it never changes.
CREATE TABLE accounts.audit_waiting (
    entry_id uuid PRIMARY KEY,
    at timestamptz NOT NULL
);

CREATE FUNCTION accounts.audit_waits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO accounts.audit_waiting (entry_id, at) SELECT id, at FROM added;
    RETURN NULL;
END $$;

CREATE TRIGGER audit_waits AFTER INSERT ON accounts.audit
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION accounts.audit_waits();

CREATE FUNCTION accounts.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is only added to: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts.audit
FOR EACH STATEMENT EXECUTE FUNCTION accounts.refuse_change();

CREATE TRIGGER audit_link_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts.audit_link
FOR EACH STATEMENT EXECUTE FUNCTION accounts.refuse_change();
