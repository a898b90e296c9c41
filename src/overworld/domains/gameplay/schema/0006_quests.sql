-- Every definition that was ever in force: what is in a player's hand keeps the one it began with.
CREATE TABLE gameplay.quest (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    rules bytea NOT NULL,
    made_by uuid,
    made_at timestamptz NOT NULL,
    by_staff boolean NOT NULL GENERATED ALWAYS AS (made_by IS NOT NULL) STORED,
    UNIQUE (name, digest, by_staff)
);

COMMENT ON COLUMN gameplay.quest.rules IS 'JSON, as in game.toml';
COMMENT ON COLUMN gameplay.quest.made_by IS 'who made it while the game ran; null: it stands in the game''s definition';

CREATE TABLE gameplay.assignment (
    player_id uuid NOT NULL,
    quest text COLLATE "C" NOT NULL,
    run integer NOT NULL,
    number integer NOT NULL,
    shared boolean NOT NULL,
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    counts bigint[] NOT NULL,
    counts_from timestamptz NOT NULL,
    closes_at timestamptz,
    made_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    met_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (player_id, quest, run),
    CHECK ((state = 1) = (ended_at IS NULL)),
    CHECK (state <> 2 OR met_at IS NOT NULL)
) WITH (fillfactor = 70);

COMMENT ON COLUMN gameplay.assignment.run IS 'days or weeks since 1970 of what repeats so, else 0, 1, 2, ...';
COMMENT ON COLUMN gameplay.assignment.state IS '1 active, 2 completed, 3 failed';
COMMENT ON COLUMN gameplay.assignment.counts IS 'beside the objectives of the definition; of a shared quest, the player''s own part';

-- What events may still count for. Counting touches no index.
CREATE INDEX assignment_open ON gameplay.assignment (player_id) WHERE state = 1 AND met_at IS NULL;
CREATE INDEX assignment_closing ON gameplay.assignment (closes_at) WHERE state = 1 AND met_at IS NULL;
CREATE INDEX assignment_shared ON gameplay.assignment (number, run) WHERE shared AND state = 1 AND met_at IS NULL;

-- What all have done together in one run of a shared quest. `told` once its contributors have it as met.
CREATE TABLE gameplay.quest_total (
    number integer NOT NULL,
    run integer NOT NULL,
    counts bigint[] NOT NULL,
    met_at timestamptz,
    told boolean NOT NULL DEFAULT false,
    PRIMARY KEY (number, run)
) WITH (fillfactor = 50);

CREATE INDEX quest_total_untold ON gameplay.quest_total (number, run) WHERE met_at IS NOT NULL AND NOT told;
