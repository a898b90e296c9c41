CREATE TABLE gameplay.player (
    id uuid PRIMARY KEY,
    experience bigint NOT NULL DEFAULT 0 CHECK (experience >= 0),
    level integer NOT NULL DEFAULT 1 CHECK (level >= 1),
    day date NOT NULL DEFAULT '1970-01-01',
    collected_on_day integer NOT NULL DEFAULT 0 CHECK (collected_on_day >= 0)
) WITH (fillfactor = 60);

COMMENT ON COLUMN gameplay.player.collected_on_day IS 'collections on `day` (UTC), counted against the daily cap';

CREATE TABLE gameplay.collection (
    collectible_id bytea NOT NULL CHECK (length(collectible_id) = 14),
    taker_id uuid NOT NULL,
    player_id uuid NOT NULL,
    collected_at timestamptz NOT NULL,
    PRIMARY KEY (collectible_id, taker_id)
);

COMMENT ON COLUMN gameplay.collection.taker_id IS
    'for whom it is gone: everyone (nil) when the collectible is shared, its player when it is personal';

CREATE TABLE gameplay.secret (
    name text PRIMARY KEY,
    value bytea NOT NULL
);

-- Creating before locking, each in id order, is what keeps crossing batches free of deadlocks; in one function it
-- is one round trip, and its second statement sees the rows that another batch committed while the first one waited.
CREATE FUNCTION gameplay.lock_players(wanted uuid[]) RETURNS SETOF gameplay.player
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO gameplay.player (id)
    SELECT id FROM unnest(wanted) AS new (id) ORDER BY id
    ON CONFLICT (id) DO NOTHING;
    RETURN QUERY SELECT * FROM gameplay.player WHERE id = ANY (wanted) ORDER BY id FOR NO KEY UPDATE;
END
$$;
