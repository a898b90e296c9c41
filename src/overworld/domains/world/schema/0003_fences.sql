CREATE TABLE world.fence (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    source text NOT NULL CHECK (source IN ('admin', 'game')),
    shape text NOT NULL,
    dwell_s integer,
    shape_number integer NOT NULL,
    revision integer NOT NULL,
    lat_deg double precision NOT NULL,
    lng_deg double precision NOT NULL,
    reach_m double precision NOT NULL,
    vertices integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

COMMENT ON TABLE world.fence IS
    'geofences of administrators and of the game''s definition; read whole by each server at its start, so it is bounded';
COMMENT ON COLUMN world.fence.shape IS 'a circle or polygons, as JSON that the server wrote and checked';
COMMENT ON COLUMN world.fence.shape_number IS 'grows when the shape changes, and then nobody is inside any more';
COMMENT ON COLUMN world.fence.revision IS 'grows with every change';

CREATE TABLE world.fence_inside (
    player_id uuid NOT NULL,
    fence_id uuid NOT NULL,
    since_us bigint NOT NULL,
    dwelt boolean NOT NULL,
    PRIMARY KEY (player_id, fence_id)
);

CREATE INDEX fence_inside_fence ON world.fence_inside (fence_id);

COMMENT ON TABLE world.fence_inside IS
    'which players the log says are in which fences: changed in the transaction that writes the events, so both agree';
COMMENT ON COLUMN world.fence_inside.since_us IS 'time of the fix that led in, in microseconds since 1970';
