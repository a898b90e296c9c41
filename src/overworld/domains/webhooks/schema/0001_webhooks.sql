-- Who is told of events over HTTP, and what is told to whom (docs/concepts/webhooks.md).
CREATE TABLE webhooks.subscription (
    id uuid PRIMARY KEY,
    url text NOT NULL CHECK (length(url) BETWEEN 8 AND 2048),
    topics text[] NOT NULL CHECK (cardinality(topics) >= 1),
    fence_ids text[] NOT NULL DEFAULT '{}',
    description text NOT NULL CHECK (length(description) <= 200),
    active boolean NOT NULL DEFAULT true,
    made_at timestamptz NOT NULL,
    failing_since timestamptz,
    paused_at timestamptz,
    pause_reason text,
    dropped bigint NOT NULL DEFAULT 0,
    deleted_at timestamptz,
    CHECK ((paused_at IS NULL) = (pause_reason IS NULL))
);

COMMENT ON COLUMN webhooks.subscription.topics IS 'as they were asked for: a topic, or a beginning that ends in `.*`';
COMMENT ON COLUMN webhooks.subscription.failing_since IS 'since when no delivery succeeded; NULL after a success';
COMMENT ON COLUMN webhooks.subscription.dropped IS 'events that were not queued because too many waited';
COMMENT ON COLUMN webhooks.subscription.deleted_at IS 'gone for everybody; the row leaves when its deliveries have';

CREATE TABLE webhooks.secret (
    subscription_id uuid NOT NULL REFERENCES webhooks.subscription ON DELETE CASCADE,
    made_at timestamptz NOT NULL,
    value bytea NOT NULL CHECK (length(value) BETWEEN 24 AND 64),
    ends_at timestamptz,
    PRIMARY KEY (subscription_id, value)
);

CREATE UNIQUE INDEX secret_one_newest ON webhooks.secret (subscription_id) WHERE ends_at IS NULL;

COMMENT ON TABLE webhooks.secret IS 'what deliveries are signed with: by each that has not ended';

CREATE TABLE webhooks.delivery (
    id uuid PRIMARY KEY,
    subscription_id uuid NOT NULL REFERENCES webhooks.subscription,
    number bigint GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    key text NOT NULL,
    body bytea NOT NULL,
    made_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'given_up')),
    attempts int NOT NULL DEFAULT 0,
    tried_at timestamptz,
    status int,
    error text,
    finished_at timestamptz,
    CHECK ((state = 'waiting') = (finished_at IS NULL))
);

-- What waits in a line, the first first.
CREATE UNIQUE INDEX delivery_waiting ON webhooks.delivery (subscription_id, key, number) WHERE state = 'waiting';
CREATE INDEX delivery_newest ON webhooks.delivery (subscription_id, number);
CREATE INDEX delivery_finished ON webhooks.delivery (finished_at) WHERE finished_at IS NOT NULL;

-- A line: deliveries of one key to one subscription, of which the first alone may be under way. Whoever adds to a line
-- or takes from it holds its row, so that it is there exactly while something waits in it.
CREATE TABLE webhooks.line (
    subscription_id uuid NOT NULL REFERENCES webhooks.subscription ON DELETE CASCADE,
    key text NOT NULL,
    next_at timestamptz NOT NULL,
    leased_until timestamptz,
    PRIMARY KEY (subscription_id, key)
) WITH (fillfactor = 70);

CREATE INDEX line_next ON webhooks.line (subscription_id, next_at);

COMMENT ON COLUMN webhooks.line.leased_until IS 'until then a server sends its first delivery; if it dies, another does';
