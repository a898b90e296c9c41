-- What was withdrawn is little beside all that was ever placed, and every claim for something placed asks for it.
CREATE INDEX placed_withdrawn ON gameplay.placed (collectible_id) WHERE withdrawn_at IS NOT NULL;

-- `gameplay.claim` for less: it does what that of 0004 does, in its order, and says the same. That one stays for servers
-- of the build before, and goes with a later file.
--
-- What only losers need comes in one piece, and is taken to pieces only for them: `targets`, texts with commas in between,
-- and `events`, with a line feed in between. `placed` is the keys of those that were placed, 14 bytes each. `days` count from
-- 1970. `alone` says that no player and no reference comes twice: then no claim changes what another leads to.
CREATE FUNCTION gameplay.claim(
    ids uuid[], refs uuid[], targets text, player_at integer[], wallet_at integer[], payer_at integer[],
    amounts bigint[], gains bigint[], events text, placed bytea, alone boolean,
    r_ids uuid[], r_refs uuid[], r_player_at integer[], r_codes text[], r_bodies bytea[],
    players uuid[], days integer[], gained bigint[], claimed integer[], gears bigint[], worn_at bigint[],
    accounts bigint[], paid bigint[], received bigint[],
    levels bigint[], daily_cap integer, collect smallint, topics text[], level_event text, event_id uuid,
    happened timestamptz,
    OUT statuses smallint[], OUT experiences bigint[], OUT reached integer[], OUT balances bigint[],
    OUT r_statuses smallint[],
    OUT known_ids uuid[], OUT known_refs uuid[], OUT known_owners uuid[], OUT known_amounts bigint[],
    OUT known_balances bigint[], OUT known_memos bigint[],
    OUT kept_ids bytea[], OUT kept_digests bytea[], OUT kept_codes text[], OUT kept_bodies bytea[]
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    before bigint[];
    level_before integer[];
    counted integer[];
    sound boolean;
    held bigint[];
    taken uuid[];
    memos bigint[];
    changed boolean;
    lost boolean;
    rose boolean;
BEGIN
    WITH credited AS (
        UPDATE gameplay.player
        SET experience = player.experience + one.gained, day = greatest(player.day, '1970-01-01'::date + one.day),
            collected_on_day = one.claimed
                + CASE WHEN player.day >= '1970-01-01'::date + one.day THEN player.collected_on_day ELSE 0 END,
            collected = player.collected + one.claimed
        FROM unnest(players, days, gained, claimed, gears, worn_at) WITH ORDINALITY
            AS one (id, day, gained, claimed, gear, worn_at, place)
        WHERE player.id = one.id
        RETURNING place, player.experience - one.gained AS experience, player.level,
            player.collected_on_day - one.claimed AS on_day, one.gained, one.claimed,
            one.claimed = 0
                OR player.gear = one.gear AND player.collected <= coalesce(one.worn_at, player.collected) AS geared
    )
    SELECT array_agg(credited.experience ORDER BY place), array_agg(credited.level ORDER BY place),
        array_agg(credited.on_day ORDER BY place),
        count(*) = cardinality(players) AND bool_and(geared) AND bool_and(credited.on_day >= daily_cap
            OR credited.on_day + credited.claimed <= daily_cap) AND bool_and(experience + credited.gained < 2::bigint ^ 53)
    INTO before, level_before, counted, sound FROM credited;
    IF sound IS NOT TRUE THEN
        RAISE EXCEPTION 'not decided item by item' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (
        SELECT FROM generate_series(1, length(placed), 14) AS key (at)
        JOIN gameplay.placed AS lying ON lying.collectible_id = substr(placed, key.at, 14)
        WHERE lying.withdrawn_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'something was withdrawn' USING ERRCODE = 'check_violation';
    END IF;
    IF cardinality(accounts) > 0 THEN
        held := ledger.move(accounts, paid, received);
    END IF;

    SELECT coalesce(array_agg(known.id), '{}'), array_agg(known.reference), array_agg(known.owner_id),
        array_agg(known.amount), array_agg(known.balance), array_agg(known.memo)
    INTO known_ids, known_refs, known_owners, known_amounts, known_balances, known_memos
    FROM ledger.known(ids || r_ids) AS known;
    SELECT coalesce(array_agg(kept.key_hash), '{}'), array_agg(kept.digest), array_agg(kept.code), array_agg(kept.body)
    INTO kept_ids, kept_digests, kept_codes, kept_bodies
    FROM unnest(ids || r_ids, player_at || r_player_at) AS claim (id, at)
    JOIN platform.idempotency AS kept ON kept.account_id = players[claim.at] AND kept.key_hash = uuid_send(claim.id);
    taken := ledger.taken(refs);

    IF alone THEN
        SELECT coalesce(array_agg(status ORDER BY place), '{}'), coalesce(array_agg(experience ORDER BY place), '{}'),
            coalesce(array_agg(level ORDER BY place), '{}'), coalesce(array_agg(balance ORDER BY place), '{}'),
            array_agg(experience * 1024 + level ORDER BY place), bool_or(status <> 0), bool_or(level > earlier)
        INTO statuses, experiences, reached, balances, memos, lost, rose
        FROM (
            SELECT place, status, experience, balance, level_before[player] AS earlier,
                greatest(level_before[player], width_bucket(experience, levels) + 1) AS level
            FROM (
                SELECT place, status, player, before[player] + CASE status WHEN 0 THEN gain ELSE 0 END AS experience,
                    held[wallet] - CASE status WHEN 0 THEN 0 ELSE amount END AS balance
                FROM (
                    SELECT claim.*, CASE
                        WHEN id = ANY (known_ids) THEN 1
                        WHEN uuid_send(id) = ANY (kept_ids) THEN 2
                        WHEN counted[player] >= daily_cap THEN 3
                        WHEN ref = ANY (taken) THEN 4
                        ELSE 0 END AS status
                    FROM unnest(ids, refs, player_at, wallet_at, amounts, gains) WITH ORDINALITY
                        AS claim (id, ref, player, wallet, amount, gain, place)
                ) AS judged
            ) AS summed
        ) AS answered;
    ELSE
        SELECT coalesce(array_agg(status ORDER BY place), '{}'), coalesce(array_agg(experience ORDER BY place), '{}'),
            coalesce(array_agg(level ORDER BY place), '{}'), coalesce(array_agg(balance ORDER BY place), '{}'),
            array_agg(experience * 1024 + level ORDER BY place), bool_or(status <> 0), bool_or(level > earlier)
        INTO statuses, experiences, reached, balances, memos, lost, rose
        FROM (
            SELECT place, player, status, experience, balance, level_before[player] AS earlier,
                greatest(level_before[player], width_bucket(experience, levels) + 1) AS level
            FROM (
                SELECT place, player, status,
                    before[player] + coalesce((sum(gain) FILTER (WHERE status = 0) OVER of_player)::bigint, 0) AS experience,
                    held[wallet] - received[wallet]
                        + coalesce((sum(amount) FILTER (WHERE status = 0) OVER of_wallet)::bigint, 0) AS balance
                FROM (
                    SELECT *, CASE WHEN hoped = 0 AND row_number() OVER (PARTITION BY ref, hoped ORDER BY place) > 1
                        THEN 4 ELSE hoped END AS status
                    FROM (
                        SELECT claim.*, CASE
                            WHEN id = ANY (known_ids) THEN 1
                            WHEN uuid_send(id) = ANY (kept_ids) THEN 2
                            WHEN counted[player] >= daily_cap THEN 3
                            WHEN ref = ANY (taken) THEN 4
                            ELSE 0 END AS hoped
                        FROM unnest(ids, refs, player_at, wallet_at, amounts, gains) WITH ORDINALITY
                            AS claim (id, ref, player, wallet, amount, gain, place)
                    ) AS judged
                ) AS ranked
                WINDOW of_player AS (PARTITION BY player ORDER BY place), of_wallet AS (PARTITION BY wallet ORDER BY place)
            ) AS summed
        ) AS answered;
    END IF;

    IF 0 = ANY (statuses) THEN
        PERFORM ledger.record(accounts, payer_at, wallet_at, amounts, ids, array_fill(collect, ARRAY[cardinality(ids)]),
            refs, memos, balances, statuses, happened);
    END IF;
    IF lost OR rose THEN
        PERFORM gameplay.correct(statuses, player_at, gains, players, before, level_before, counted, reached);
    END IF;
    IF lost THEN
        PERFORM gameplay.take_back(statuses, wallet_at, payer_at, amounts, accounts);
    END IF;
    IF 0 = ANY (statuses) THEN
        PERFORM gameplay.tell(lost OR rose, statuses, player_at, players, level_before, experiences, reached, events,
            topics, level_event, event_id, happened);
    END IF;

    SELECT coalesce(array_agg(CASE WHEN id = ANY (known_ids) THEN 1 WHEN uuid_send(id) = ANY (kept_ids) THEN 2 ELSE 0 END
        ORDER BY place), '{}')
    INTO r_statuses FROM unnest(r_ids) WITH ORDINALITY AS refused (id, place);
    IF lost OR cardinality(r_ids) > 0 THEN
        INSERT INTO platform.idempotency (account_id, key_hash, digest, code, body, kept_at)
        SELECT players[player], uuid_send(id), uuid_send(ref), code, body, happened
        FROM (
            SELECT player, id, ref, code, body FROM unnest(r_player_at, r_ids, r_refs, r_codes, r_bodies, r_statuses)
                AS refused (player, id, ref, code, body, status) WHERE status = 0 AND code IS NOT NULL
            UNION ALL
            SELECT player, id, ref, CASE status WHEN 3 THEN 'gameplay.cap_reached' ELSE 'gameplay.already_collected' END,
                convert_to(format('{"detail":null,"fields":{"collectible_id":"%s"%s}}', target,
                    CASE status WHEN 3 THEN format(',"daily_cap":%s', daily_cap) ELSE '' END), 'UTF8')
            FROM unnest(player_at, ids, refs, string_to_array(targets, ','), statuses)
                AS loser (player, id, ref, target, status) WHERE status >= 3
        ) AS answer
        ORDER BY players[player], id;
    END IF;
END $$;

-- Takes back from the losers what their progress was credited, and writes the levels that were reached. The rows are locked.
CREATE FUNCTION gameplay.correct(
    statuses smallint[], player_at integer[], gains bigint[], players uuid[], before bigint[], level_before integer[],
    counted integer[], reached integer[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gameplay.player
    SET experience = before[one.player] + one.gained, level = one.level,
        collected_on_day = counted[one.player] + one.won, collected = player.collected - (one.claimed - one.won)
    FROM (
        SELECT claim.player, coalesce(sum(gain) FILTER (WHERE status = 0), 0) AS gained,
            count(*) FILTER (WHERE status = 0) AS won, count(*) AS claimed,
            greatest(level_before[claim.player], max(level) FILTER (WHERE status = 0)) AS level
        FROM unnest(player_at, statuses, gains, reached) AS claim (player, status, gain, level)
        GROUP BY claim.player
    ) AS one
    WHERE player.id = players[one.player] AND (one.won < one.claimed OR one.level > level_before[one.player]);
END $$;

-- Takes back from wallets and payers what losers moved. The rows are locked.
CREATE FUNCTION gameplay.take_back(
    statuses smallint[], wallet_at integer[], payer_at integer[], amounts bigint[], accounts bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ledger.move(array_agg(id ORDER BY id), array_agg(-paid ORDER BY id), array_agg(-received ORDER BY id))
    FROM (
        SELECT accounts[leg.at] AS id, sum(leg.paid)::bigint AS paid, sum(leg.received)::bigint AS received
        FROM unnest(wallet_at, payer_at, amounts, statuses) AS claim (wallet, payer, amount, status)
        CROSS JOIN LATERAL (VALUES (wallet, 0, amount), (payer, amount, 0)) AS leg (at, paid, received)
        WHERE status <> 0
        GROUP BY leg.at
    ) AS back
    HAVING count(*) > 0;
END $$;

-- Writes one row of events for the winners: each collection, and after it the level it lifted its player to. Where all won
-- and nobody rose, not `mixed`, the events are told as they came.
CREATE FUNCTION gameplay.tell(
    mixed boolean, statuses smallint[], player_at integer[], players uuid[], level_before integer[], experiences bigint[],
    reached integer[], events text, topics text[], level_event text, event_id uuid, happened timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    told text;
    rose boolean := false;
BEGIN
    IF mixed THEN
        SELECT string_agg(event || CASE WHEN level > earlier THEN ',' || format(level_event,
                left(event_id::text, 15) || substr(gen_random_uuid()::text, 16), players[player], level, earlier, experience)
                ELSE '' END, ',' ORDER BY place), bool_or(level > earlier)
        INTO told, rose
        FROM (
            SELECT place, player, event, level, experience,
                coalesce(lag(level) OVER (PARTITION BY player ORDER BY place), level_before[player]) AS earlier
            FROM unnest(statuses, player_at, experiences, reached, string_to_array(events, E'\n')) WITH ORDINALITY
                AS claim (status, player, experience, level, event, place)
            WHERE status = 0
        ) AS won;
    ELSE
        told := replace(events, E'\n', ',');
    END IF;
    PERFORM eventlog.append(happened, topics[1:CASE WHEN rose THEN 2 ELSE 1 END], convert_to('[' || told || ']', 'UTF8'));
END $$;
