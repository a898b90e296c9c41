-- The same as before, but of what a transaction made in a savepoint it also knows that it is `fresh`: savepoints have ids of
-- their own, which are no older than the transaction's, from which `age` counts.
CREATE OR REPLACE FUNCTION ledger.take(
    owner_ids uuid[], currencies text[], codes text[], stripes smallint[], opens boolean[], floors boolean[],
    wanted uuid[], promises uuid[], refs uuid[],
    OUT account_ids bigint[], OUT locked bigint[], OUT posted numeric[], OUT promised numeric[], OUT frozen boolean[],
    OUT fresh bigint[], OUT ids uuid[], OUT debit_ids bigint[], OUT credit_ids bigint[], OUT amounts bigint[], OUT transfer_codes smallint[],
    OUT kinds smallint[], OUT transfer_refs uuid[], OUT memos bigint[], OUT pending_ids uuid[],
    OUT taken uuid[], OUT open_ids uuid[], OUT open_until timestamptz[]
) LANGUAGE plpgsql AS $$
BEGIN
    account_ids := ledger.open(owner_ids, currencies, codes, stripes, opens, floors);

    SELECT coalesce(array_agg(row.id), '{}'), coalesce(array_agg(row.held), '{}'),
        coalesce(array_agg(row.debits_pending), '{}'), coalesce(array_agg(row.frozen), '{}'),
        coalesce(array_agg(row.id) FILTER (WHERE age(row.made_by) <= 0), '{}')
    INTO locked, posted, promised, frozen, fresh
    FROM (
        SELECT account.id, account.credits_posted - account.debits_posted AS held, account.debits_pending, account.frozen,
            account.xmin AS made_by
        FROM ledger.account WHERE id = ANY (account_ids) ORDER BY id FOR NO KEY UPDATE
    ) AS row;

    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(debit_id), '{}'), coalesce(array_agg(credit_id), '{}'),
        coalesce(array_agg(amount), '{}'), coalesce(array_agg(code), '{}'), coalesce(array_agg(kind), '{}'),
        coalesce(array_agg(reference), '{}'), coalesce(array_agg(memo), '{}'), coalesce(array_agg(pending_id), '{}')
    INTO ids, debit_ids, credit_ids, amounts, transfer_codes, kinds, transfer_refs, memos, pending_ids
    FROM ledger.transfer WHERE id = ANY (wanted || promises) OR pending_id = ANY (promises);

    SELECT coalesce(array_agg(reference), '{}') INTO taken FROM ledger.transfer
    WHERE code = 1 AND reference = ANY (refs);
    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(expires_at), '{}') INTO open_ids, open_until
    FROM ledger.pending WHERE id = ANY (promises);
END $$;
