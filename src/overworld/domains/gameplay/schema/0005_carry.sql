-- What players carry. Everything of a player is read and written under the lock of their row in `gameplay.player`.
-- A stack of a type has the nil id; an instance one of its own. What is used up stays as a row that counts 0, so that
-- `used` goes on: it numbers the draws of what is opened.
CREATE TABLE gameplay.item (
    player_id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    count bigint NOT NULL CHECK (count >= 0),
    used bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
    since timestamptz NOT NULL,
    PRIMARY KEY (player_id, type, id),
    CHECK (id = '00000000-0000-0000-0000-000000000000' OR count <= 1)
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX item_instance ON gameplay.item (id) WHERE id <> '00000000-0000-0000-0000-000000000000';

-- How many there have ever been of a type that there may only be so many of.
CREATE TABLE gameplay.supply (
    type text COLLATE "C" PRIMARY KEY,
    issued bigint NOT NULL CHECK (issued >= 0)
) WITH (fillfactor = 50);

CREATE TABLE gameplay.tool (
    player_id uuid NOT NULL,
    id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    level integer NOT NULL CHECK (level >= 1),
    wear bigint NOT NULL DEFAULT 0,
    attempts bigint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    equipped_at bigint,
    since timestamptz NOT NULL,
    PRIMARY KEY (player_id, id)
) WITH (fillfactor = 80);

COMMENT ON COLUMN gameplay.tool.equipped_at IS
    'what its player had collected when it was equipped; while it is, its wear is wear + player.collected - equipped_at';
COMMENT ON COLUMN gameplay.tool.attempts IS 'upgrades tried; numbers their draws';

CREATE UNIQUE INDEX tool_equipped ON gameplay.tool (player_id) WHERE equipped_at IS NOT NULL;

CREATE TABLE gameplay.boost (
    player_id uuid NOT NULL,
    what text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    multiplier_bp integer NOT NULL CHECK (multiplier_bp > 0),
    until timestamptz NOT NULL,
    PRIMARY KEY (player_id, what, type)
) WITH (fillfactor = 80);

CREATE TABLE gameplay.badge (
    player_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    earned_at timestamptz NOT NULL,
    PRIMARY KEY (player_id, name)
);

-- Makes missing rows before it locks, each in the order of types. A type that was given out before it was counted
-- begins with what players hold of it.
CREATE FUNCTION gameplay.lock_supply(wanted text[]) RETURNS SETOF gameplay.supply
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO gameplay.supply (type, issued)
    SELECT new.type, (SELECT coalesce(sum(count), 0) FROM gameplay.item WHERE item.type = new.type)
    FROM unnest(wanted) AS new (type)
    WHERE NOT EXISTS (SELECT FROM gameplay.supply WHERE supply.type = new.type)
    ORDER BY new.type
    ON CONFLICT (type) DO NOTHING;
    RETURN QUERY SELECT * FROM gameplay.supply WHERE type = ANY (wanted) ORDER BY type FOR NO KEY UPDATE;
END
$$;
