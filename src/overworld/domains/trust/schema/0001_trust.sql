-- How far players are to be trusted. Everything but decisions and appeals is a fold of the log of events.
-- `gate` is the one in force: the decided one until `decided_until`, else what the evidence leads to. `next_at` is when
-- it changes if nothing more happens. `state` is what the fold goes on with.
CREATE TABLE trust.player (
    id uuid PRIMARY KEY,
    score double precision NOT NULL DEFAULT 1 CHECK (score BETWEEN 0 AND 1),
    gate text COLLATE "C" NOT NULL DEFAULT 'normal' CHECK (gate IN ('normal', 'reduced', 'review', 'refused')),
    gate_since timestamptz,
    state bytea,
    told_score double precision NOT NULL DEFAULT 1,
    next_at timestamptz,
    decided_gate text COLLATE "C" CHECK (decided_gate IN ('normal', 'reduced', 'review', 'refused')),
    decided_until timestamptz,
    decided_note text,
    CHECK ((decided_gate IS NULL) = (decided_until IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX player_next ON trust.player (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX player_gate ON trust.player (gate, gate_since, id) WHERE gate <> 'normal';

-- Rows are only added, and dropped when they are old.
CREATE TABLE trust.evidence (
    id uuid PRIMARY KEY,
    player_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    weight double precision NOT NULL,
    half_life_s double precision NOT NULL,
    reason text NOT NULL,
    figures jsonb NOT NULL,
    model integer NOT NULL
);

CREATE INDEX evidence_player ON trust.evidence (player_id, id);
CREATE INDEX evidence_at ON trust.evidence (at);

COMMENT ON COLUMN trust.evidence.began_at IS 'the window, in the time of the track: a replayed one may be years old';
COMMENT ON COLUMN trust.evidence.model IS 'version of the anomaly model that looked at it too';

CREATE TABLE trust.decision (
    id uuid PRIMARY KEY,
    player_id uuid NOT NULL,
    decision text COLLATE "C" NOT NULL CHECK (decision IN ('clear', 'uphold', 'set')),
    gate text COLLATE "C",
    until timestamptz,
    note text NOT NULL,
    by_id uuid NOT NULL,
    at timestamptz NOT NULL
);

CREATE INDEX decision_player ON trust.decision (player_id, id);

CREATE TABLE trust.appeal (
    id uuid PRIMARY KEY,
    player_id uuid NOT NULL,
    text text NOT NULL,
    gate text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    answered_at timestamptz,
    decision_id uuid REFERENCES trust.decision (id)
);

CREATE INDEX appeal_player ON trust.appeal (player_id, id);
CREATE UNIQUE INDEX appeal_open ON trust.appeal (player_id) WHERE answered_at IS NULL;

-- Who walked an exact stretch of track first: signatures only, which lead back to no place.
CREATE TABLE trust.shingle (
    hash bigint PRIMARY KEY,
    player_id uuid NOT NULL,
    walked_at timestamptz NOT NULL,
    at timestamptz NOT NULL
);

COMMENT ON COLUMN trust.shingle.walked_at IS 'in the time of the track';

CREATE INDEX shingle_at ON trust.shingle (at);

-- Which accounts signed in from where; `place` is a digest of address and client.
CREATE TABLE trust.device (
    place bytea NOT NULL,
    player_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (place, player_id)
);

CREATE INDEX device_at ON trust.device (at);

-- The anomaly model as it is after `seen` windows; one row for each version.
CREATE TABLE trust.model (
    version integer PRIMARY KEY,
    seen bigint NOT NULL,
    state bytea NOT NULL,
    at timestamptz NOT NULL
);
