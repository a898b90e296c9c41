-- One claim in one call and one transaction: the same checks, rows and columns as `gameplay.claim` has for a batch. Locks
-- come in one order (player, wallet, payer), the payer's last, so that a hot one is held as short as can be. No hint to
-- the readers of the log: one for each claim would let only one transaction commit at a time.
CREATE SCHEMA bench;

CREATE FUNCTION bench.claim(
    claim_id uuid, ref uuid, target text, claimant uuid, wallet bigint, payer bigint, worth bigint, gain bigint,
    event bytea, placed_key bytea, on_day date, levels bigint[], daily_cap integer, topics text[], level_event text,
    event_id uuid, happened timestamptz,
    OUT status integer, OUT total bigint, OUT reached integer, OUT holds bigint, OUT paid bigint,
    OUT kept_digest bytea, OUT kept_code text, OUT kept_body bytea
) LANGUAGE plpgsql AS $$
DECLARE
    before gameplay.player;
    earlier record;
    counted integer;
    sound boolean;
BEGIN
    SELECT * INTO before FROM gameplay.player WHERE id = claimant FOR NO KEY UPDATE;
    SELECT amount, balance, memo INTO earlier FROM ledger.transfer WHERE id = claim_id AND kind = 0;
    IF FOUND THEN
        status := 1; total := earlier.memo / 1024; reached := earlier.memo % 1024;
        holds := earlier.balance; paid := earlier.amount;
        RETURN;
    END IF;
    SELECT digest, code, body INTO kept_digest, kept_code, kept_body FROM platform.idempotency
    WHERE account_id = claimant AND key_hash = uuid_send(claim_id);
    IF FOUND THEN
        status := 2;
        RETURN;
    END IF;
    counted := CASE WHEN before.day >= on_day THEN before.collected_on_day ELSE 0 END;
    IF counted >= daily_cap THEN
        status := 3;
    ELSIF EXISTS (SELECT FROM ledger.transfer WHERE code = 1 AND reference = ref) THEN
        status := 4;
    END IF;
    IF status IS NOT NULL THEN
        INSERT INTO platform.idempotency (account_id, key_hash, digest, code, body, kept_at)
        VALUES (claimant, uuid_send(claim_id), uuid_send(ref),
            CASE status WHEN 3 THEN 'gameplay.cap_reached' ELSE 'gameplay.already_collected' END,
            convert_to(format('{"detail":null,"fields":{"collectible_id":"%s"}}', target), 'UTF8'), happened);
        RETURN;
    END IF;
    IF placed_key IS NOT NULL AND EXISTS (
        SELECT FROM gameplay.placed WHERE collectible_id = placed_key AND withdrawn_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'it was withdrawn' USING ERRCODE = 'check_violation';
    END IF;

    total := before.experience + gain;
    reached := greatest(before.level, width_bucket(total, levels) + 1);
    UPDATE gameplay.player SET experience = total, level = reached, day = greatest(before.day, on_day),
        collected_on_day = counted + 1, collected = before.collected + 1 WHERE id = claimant;
    UPDATE ledger.account SET credits_posted = credits_posted + worth WHERE id = wallet AND NOT frozen
    RETURNING ledger.held(account) INTO holds;
    INSERT INTO ledger.transfer (stamp, id, debit_id, credit_id, amount, code, kind, reference, memo, balance, at)
    VALUES (ledger.stamp(), claim_id, payer, wallet, worth, 1, 0, ref, total * 1024 + reached, holds, happened);
    INSERT INTO eventlog.outbox (at, topics, events) VALUES (happened,
        topics[1:CASE WHEN reached > before.level THEN 2 ELSE 1 END],
        '['::bytea || event || CASE WHEN reached > before.level THEN convert_to(',' ||
            format(level_event, event_id, claimant, reached, before.level, total), 'UTF8') ELSE '' END || ']'::bytea);
    UPDATE ledger.account SET debits_posted = debits_posted + worth WHERE id = payer AND NOT frozen
    RETURNING NOT debits_must_not_exceed_credits OR debits_posted + debits_pending <= credits_posted INTO sound;
    IF holds IS NULL OR sound IS NOT TRUE THEN
        RAISE EXCEPTION 'it cannot be paid' USING ERRCODE = 'check_violation';
    END IF;
    status := 0; paid := worth;
END $$;
