CREATE UNLOGGED TABLE world.last_fix (
    player_id uuid PRIMARY KEY,
    lat_deg double precision NOT NULL,
    lng_deg double precision NOT NULL,
    at_us bigint NOT NULL,
    anchored boolean NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE world.last_fix IS
    'the last accepted fix of each player for servers that share a database; rewritten often, so no other index';
COMMENT ON COLUMN world.last_fix.at_us IS
    'when it was accepted, by the clock of the server that did, in microseconds since 1970';
