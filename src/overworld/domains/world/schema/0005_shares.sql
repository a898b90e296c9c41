CREATE TABLE world.share (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL,
    viewer_id uuid NOT NULL CHECK (viewer_id <> owner_id),
    sight text NOT NULL CHECK (sight IN ('live', 'coarse')),
    granted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > granted_at),
    UNIQUE (owner_id, viewer_id)
);

CREATE INDEX share_of_viewer ON world.share (viewer_id, id);
CREATE INDEX share_by_end ON world.share (expires_at);

COMMENT ON TABLE world.share IS 'who shows whom its place, and until when; a group will be another kind of viewer';

CREATE TABLE world.home (
    player_id uuid PRIMARY KEY,
    lat_deg double precision NOT NULL,
    lng_deg double precision NOT NULL,
    radius_m integer NOT NULL CHECK (radius_m BETWEEN 50 AND 1000),
    since timestamptz NOT NULL
);

COMMENT ON TABLE world.home IS 'where a player lives, told to nobody else and in no event';
