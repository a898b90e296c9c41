CREATE TABLE world.location (
    player_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    lat_deg double precision NOT NULL,
    lng_deg double precision NOT NULL,
    cell bigint NOT NULL,
    accuracy_m double precision
) PARTITION BY RANGE (recorded_at);

COMMENT ON TABLE world.location IS
    'sampled fixes, a partition for each day of UTC; made ahead, and taken out and counted when its time is over';
COMMENT ON COLUMN world.location.cell IS 'the room cell as signed bits';

-- Not unique: COPY would fail as a whole when two servers were told the same fix. Readers take one fix an instant.
CREATE INDEX location_of_player ON world.location (player_id, recorded_at);

CREATE TABLE world.location_hour (
    hour timestamptz NOT NULL,
    cell bigint NOT NULL,
    fixes bigint NOT NULL,
    players bigint NOT NULL,
    PRIMARY KEY (hour, cell)
);

COMMENT ON TABLE world.location_hour IS
    'what is left of days whose fixes are gone; tells of nobody, but of one player where players is 1: not for publication';
