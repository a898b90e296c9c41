CREATE TABLE world.invisible (
    player_id uuid PRIMARY KEY,
    since timestamptz NOT NULL
);

COMMENT ON TABLE world.invisible IS
    'players who chose not to be seen by others; read whole by each server at its start, so it holds nobody else';
