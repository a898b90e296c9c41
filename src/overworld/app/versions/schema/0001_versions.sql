-- Every definition of the game that was in force, oldest first: what a reload, or a start with another game.toml, begins.
CREATE TABLE game.version (
    number integer PRIMARY KEY CHECK (number > 0),
    name text NOT NULL,
    digest text NOT NULL CHECK (length(digest) = 64),
    definition bytea NOT NULL,
    hooks_digest text NOT NULL,
    begun_at timestamptz NOT NULL,
    spawns_from timestamptz NOT NULL
);

COMMENT ON COLUMN game.version.definition IS 'the game.toml as JSON, defaults left in; rules.py is never kept here';
COMMENT ON COLUMN game.version.hooks_digest IS 'SHA-256 of the rules.py that belongs to it; empty where there is none';
COMMENT ON COLUMN game.version.spawns_from IS 'from when on its spawn tables are in force: a window begins';
