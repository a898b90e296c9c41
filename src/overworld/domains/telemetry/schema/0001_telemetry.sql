-- What came in, as it came: one row holds the requests that one commit made durable.
-- Rows are read in the order (stamp, id), below every transaction that is still open: see eventlog.outbox, whose stamp
-- this one is.
CREATE SEQUENCE telemetry.raw_id;

CREATE TABLE telemetry.raw (
    stamp xid8 NOT NULL DEFAULT greatest(
        (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8, pg_current_xact_id()),
    id bigint NOT NULL DEFAULT nextval('telemetry.raw_id'),
    at timestamptz NOT NULL,
    events int NOT NULL,
    bytes int NOT NULL,
    is_packed boolean NOT NULL,
    parcels bytea NOT NULL,
    PRIMARY KEY (stamp, id, at)
) PARTITION BY RANGE (at);

-- Bodies come compressed, or are compressed with their neighbours: a second time would only cost.
ALTER TABLE telemetry.raw ALTER COLUMN parcels SET STORAGE EXTERNAL;

-- Where rows land whose day has no partition yet; maintenance moves them.
CREATE TABLE telemetry.raw_other PARTITION OF telemetry.raw DEFAULT;
ALTER TABLE telemetry.raw_other ALTER COLUMN parcels SET STORAGE EXTERNAL;

-- What the numbers mean by which the columns remember how far a reader is. A step is written before the columns take
-- it, and marked when they have; what comes after the last marked one must stay in the logs.
CREATE TABLE telemetry.step (
    reader text NOT NULL,
    number bigint NOT NULL,
    stamp xid8 NOT NULL,
    id bigint NOT NULL,
    made_at timestamptz NOT NULL,
    is_kept boolean NOT NULL DEFAULT false,
    PRIMARY KEY (reader, number)
);

-- Events that were not taken. (stamp, id, number) is where one came from.
CREATE TABLE telemetry.refused (
    stamp xid8 NOT NULL,
    id bigint NOT NULL,
    number int NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    received_at timestamptz NOT NULL,
    sent_at timestamptz,
    player_id uuid,
    agent text NOT NULL,
    event bytea NOT NULL,
    PRIMARY KEY (stamp, id, number)
);
CREATE INDEX refused_by_time ON telemetry.refused (received_at);

-- What pseudonyms are made with; without it nothing in the columns leads to a player.
CREATE TABLE telemetry.secret (
    is_alone boolean PRIMARY KEY DEFAULT true CHECK (is_alone),
    secret bytea NOT NULL CHECK (length(secret) = 32)
);
