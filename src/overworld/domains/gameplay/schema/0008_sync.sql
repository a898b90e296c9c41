-- What is known of the devices that tell of actions without a network. Written under the lock of the player's row.
CREATE TABLE gameplay.sync_device (
    player_id uuid NOT NULL,
    device bytea NOT NULL CHECK (length(device) = 16),
    boot bytea NOT NULL CHECK (length(boot) = 16),
    sent_ms bigint NOT NULL,
    sent_at timestamptz NOT NULL,
    acted_ms bigint NOT NULL,
    acted_at timestamptz NOT NULL,
    lat_deg double precision CHECK (lat_deg BETWEEN -90 AND 90),
    lng_deg double precision CHECK (lng_deg BETWEEN -180 AND 180),
    place_at timestamptz,
    PRIMARY KEY (player_id, device),
    CHECK ((lat_deg IS NULL) = (lng_deg IS NULL) AND (lat_deg IS NULL) = (place_at IS NULL))
) WITH (fillfactor = 60);

CREATE INDEX sync_device_sent_at ON gameplay.sync_device (sent_at);

COMMENT ON COLUMN gameplay.sync_device.boot IS 'which run of the device''s counter `sent_ms` and `acted_ms` belong to';
COMMENT ON COLUMN gameplay.sync_device.sent_at IS 'when the last call came in; forgotten once that is longer ago than anything a call may tell of';
COMMENT ON COLUMN gameplay.sync_device.place_at IS 'when its last believed action was done, at `lat_deg`, `lng_deg`';
