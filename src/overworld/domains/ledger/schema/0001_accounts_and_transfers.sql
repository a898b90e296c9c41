-- `id` is a row number of this database and never leaves it: outside, an account is its owner, currency and code.
-- Totals only grow, so they outgrow a bigint long before a balance does.
CREATE TABLE ledger.account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL CHECK (length(currency) BETWEEN 1 AND 32),
    code text COLLATE "C" NOT NULL CHECK (length(code) BETWEEN 1 AND 32),
    debits_must_not_exceed_credits boolean NOT NULL,
    debits_posted numeric(38) NOT NULL DEFAULT 0,
    credits_posted numeric(38) NOT NULL DEFAULT 0,
    debits_pending numeric(38) NOT NULL DEFAULT 0,
    credits_pending numeric(38) NOT NULL DEFAULT 0,
    UNIQUE (owner_id, currency, code),
    CHECK (debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0),
    CONSTRAINT no_overdraft CHECK (
        NOT debits_must_not_exceed_credits OR debits_posted + debits_pending <= credits_posted
    )
) WITH (fillfactor = 60);

-- No foreign keys to account: a row joins two players, who may one day live in two databases.
CREATE TABLE ledger.transfer (
    id uuid PRIMARY KEY,
    debit_id bigint NOT NULL CHECK (debit_id > 0),
    credit_id bigint NOT NULL CHECK (credit_id > 0 AND credit_id <> debit_id),
    amount bigint NOT NULL CHECK (amount > 0),
    at timestamptz NOT NULL,
    code text COLLATE "C" NOT NULL CHECK (length(code) BETWEEN 1 AND 32),
    reference text COLLATE "C" NOT NULL CHECK (length(reference) <= 200)
);

CREATE INDEX transfer_debit ON ledger.transfer (debit_id, id);
CREATE INDEX transfer_credit ON ledger.transfer (credit_id, id);

-- Privileges do not bind a table's owner, and the embedded database has one role. The trigger stops mistakes; whoever
-- may drop a trigger is the business of the audit.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of ledger.% refused: what was posted stays; post a transfer back instead', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER transfers_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.transfer
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER accounts_stay BEFORE DELETE OR TRUNCATE ON ledger.account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- Opens what is missing of the accounts that `opens` marks, locks all, and reads their balances and those of the wanted
-- transfers that exist. An account that is not there has the id 0. Accounts are opened in the order of their names
-- before any is locked in the order of ids, so no two batches wait for each other in a ring. Each statement sees what
-- was committed while the one before it waited.
CREATE FUNCTION ledger.take(
    owner_ids uuid[], currencies text[], codes text[], opens boolean[], floors boolean[], wanted uuid[],
    OUT account_ids bigint[], OUT locked_ids bigint[], OUT balances numeric[],
    OUT ids uuid[], OUT debit_ids bigint[], OUT credit_ids bigint[], OUT amounts bigint[],
    OUT transfer_codes text[], OUT transfer_references text[]
) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.account (owner_id, currency, code, debits_must_not_exceed_credits)
    SELECT named.owner_id, named.currency, named.code, named.floors
    FROM unnest(owner_ids, currencies, codes, opens, floors) AS named (owner_id, currency, code, opens, floors)
    WHERE named.opens AND NOT EXISTS (
        SELECT FROM ledger.account AS known
        WHERE known.owner_id = named.owner_id AND known.currency = named.currency AND known.code = named.code
    )
    ORDER BY named.owner_id, named.currency COLLATE "C", named.code COLLATE "C"
    ON CONFLICT (owner_id, currency, code) DO NOTHING;

    SELECT array_agg(coalesce(account.id, 0) ORDER BY named.place) INTO account_ids
    FROM unnest(owner_ids, currencies, codes) WITH ORDINALITY AS named (owner_id, currency, code, place)
    LEFT JOIN ledger.account USING (owner_id, currency, code);

    SELECT coalesce(array_agg(locked.id), '{}'), coalesce(array_agg(locked.balance), '{}') INTO locked_ids, balances
    FROM (
        SELECT id, credits_posted - debits_posted AS balance FROM ledger.account
        WHERE id = ANY (account_ids) ORDER BY id FOR NO KEY UPDATE
    ) AS locked;

    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(debit_id), '{}'), coalesce(array_agg(credit_id), '{}'),
        coalesce(array_agg(amount), '{}'), coalesce(array_agg(code), '{}'), coalesce(array_agg(reference), '{}')
    INTO ids, debit_ids, credit_ids, amounts, transfer_codes, transfer_references
    FROM ledger.transfer WHERE id = ANY (wanted);
END $$;

-- Writes transfers and moves the balances of their locked accounts; false, with nothing written, when another
-- transaction has meanwhile committed a transfer with one of the ids. Rows go in the order of ids, so two batches with
-- the same ids wait in one direction.
CREATE FUNCTION ledger.write(
    ids uuid[], debit_ids bigint[], credit_ids bigint[], amounts bigint[], codes text[], refs text[],
    posted_at timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        INSERT INTO ledger.transfer (id, debit_id, credit_id, amount, code, reference, at)
        SELECT posted.*, posted_at
        FROM unnest(ids, debit_ids, credit_ids, amounts, codes, refs)
            AS posted (id, debit_id, credit_id, amount, code, reference)
        ORDER BY posted.id;
    EXCEPTION WHEN unique_violation THEN
        RETURN false;
    END;

    UPDATE ledger.account
    SET debits_posted = debits_posted + moved.debits, credits_posted = credits_posted + moved.credits
    FROM (
        SELECT leg.account_id, sum(leg.debit) AS debits, sum(leg.credit) AS credits
        FROM (
            SELECT debit_id, amount, 0 FROM unnest(debit_ids, amounts) AS out_leg (debit_id, amount)
            UNION ALL
            SELECT credit_id, 0, amount FROM unnest(credit_ids, amounts) AS in_leg (credit_id, amount)
        ) AS leg (account_id, debit, credit)
        GROUP BY leg.account_id
    ) AS moved
    WHERE account.id = moved.account_id;
    RETURN true;
END $$;
