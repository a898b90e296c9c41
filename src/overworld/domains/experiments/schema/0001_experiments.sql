-- Flags, who was shown which variant of them, and what players did (docs/concepts/experiments.md).
CREATE TABLE experiments.flag (
    id uuid PRIMARY KEY,
    key text NOT NULL UNIQUE CHECK (key ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    definition json NOT NULL,
    revision int NOT NULL CHECK (revision >= 1),
    allocation int NOT NULL CHECK (allocation >= 1),
    allocated_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

COMMENT ON COLUMN experiments.flag.revision IS 'grows with every change';
COMMENT ON COLUMN experiments.flag.allocation IS 'grows when variants, weights or salt change: what is compared must not';

-- No foreign key to the flag: what somebody was shown stays true when the flag is gone.
CREATE TABLE experiments.exposure (
    flag_id uuid NOT NULL,
    allocation int NOT NULL,
    player_id uuid NOT NULL,
    day date NOT NULL,
    variant text NOT NULL,
    randomised boolean NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (flag_id, allocation, player_id, day)
);

CREATE INDEX exposure_day ON experiments.exposure (day);

COMMENT ON TABLE experiments.exposure IS 'the first time in a day (UTC) that a player was shown a variant of what is measured';
COMMENT ON COLUMN experiments.exposure.randomised IS 'whether chance gave the variant; what a rule names compares nobody';

CREATE TABLE experiments.fact (
    metric text NOT NULL,
    player_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (metric, player_id, hour)
) WITH (fillfactor = 80);

CREATE INDEX fact_hour ON experiments.fact (hour);

COMMENT ON TABLE experiments.fact IS 'what players did in an hour, for the metrics of experiments';
