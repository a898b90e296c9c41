-- A collection may be promised before it is paid. Who looks for what it did before finds the promise too, under its id; what
-- became of the promise is another transfer. The unique index on what was collected holds promises already: what was
-- promised is taken, and stays taken when the promise is let go.
CREATE OR REPLACE FUNCTION ledger.known(wanted uuid[]) RETURNS TABLE (
    id uuid, reference uuid, owner_id uuid, amount bigint, balance bigint, memo bigint
) LANGUAGE sql STABLE AS $$
    SELECT transfer.id, reference, owner_id, amount, balance, memo
    FROM ledger.transfer JOIN ledger.account ON account.id = credit_id
    WHERE transfer.id = ANY (wanted) AND kind IN (0, 1)
$$;
