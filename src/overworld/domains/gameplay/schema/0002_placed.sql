-- What staff, campaigns and quests put somewhere. A row is never changed but for `withdrawn_at`, once.
CREATE TABLE gameplay.placed (
    collectible_id bytea PRIMARY KEY CHECK (length(collectible_id) = 14),
    lat_deg double precision NOT NULL CHECK (lat_deg BETWEEN -90 AND 90),
    lng_deg double precision NOT NULL CHECK (lng_deg BETWEEN -180 AND 180),
    type text COLLATE "C" NOT NULL,
    value_minor bigint NOT NULL CHECK (value_minor > 0),
    currency text COLLATE "C" NOT NULL,
    experience bigint NOT NULL CHECK (experience >= 0),
    mode text COLLATE "C" NOT NULL CHECK (mode IN ('shared', 'personal')),
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    payer_id uuid,
    placed_by uuid NOT NULL,
    placed_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    CHECK (opens_at < closes_at)
);

COMMENT ON COLUMN gameplay.placed.collectible_id IS 'kind 2, the spawn cell (8 bytes), a number (5 bytes)';
COMMENT ON COLUMN gameplay.placed.payer_id IS 'the campaign whose budget pays; null is the issuance of the currency';

-- What a server reads when it starts.
CREATE INDEX placed_open ON gameplay.placed (closes_at, collectible_id) WHERE withdrawn_at IS NULL;

CREATE TABLE gameplay.wait (
    player_id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (player_id, type)
) WITH (fillfactor = 60);

COMMENT ON TABLE gameplay.wait IS
    'until when a player may not take another of a type with a cooldown; written under the lock of the player''s row';
