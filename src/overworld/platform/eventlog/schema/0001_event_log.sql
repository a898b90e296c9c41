-- One row is the events of one transaction's batch. Rows are read in the order (stamp, id).
--
-- stamp is the greater of the writer's own transaction id and the highest id that had finished when the row was
-- written. No transaction that is still open, or still to come, can write a stamp below pg_snapshot_xmin, so a reader
-- that stays below it skips nothing. Two transactions that met on a row lock have stamps and ids in the order in which
-- they committed, which their own transaction ids need not have.
CREATE SEQUENCE eventlog.outbox_id;

CREATE TABLE eventlog.outbox (
    stamp xid8 NOT NULL DEFAULT greatest(
        (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8, pg_current_xact_id()),
    id bigint NOT NULL DEFAULT nextval('eventlog.outbox_id'),
    at timestamptz NOT NULL,
    topics text[] NOT NULL,
    events bytea NOT NULL,
    PRIMARY KEY (stamp, id, at)
) PARTITION BY RANGE (at);

-- Where rows land whose day has no partition yet; maintenance moves them.
CREATE TABLE eventlog.outbox_other PARTITION OF eventlog.outbox DEFAULT;

CREATE TABLE eventlog.cursor (
    consumer text PRIMARY KEY,
    stamp xid8 NOT NULL,
    id bigint NOT NULL,
    moved_at timestamptz NOT NULL
);

CREATE TABLE eventlog.dead_letter (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    envelope bytea NOT NULL,
    error text NOT NULL,
    attempts int NOT NULL,
    failed_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, event_id)
);

-- Event ids are UUIDv7, so the key is in order of time and old rows lie together.
CREATE TABLE eventlog.handled (
    event_id uuid NOT NULL,
    consumer text NOT NULL,
    PRIMARY KEY (event_id, consumer)
);
