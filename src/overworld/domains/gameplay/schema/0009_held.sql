-- Rewards of claims that wait for a review: each is a promise of the ledger under the same id, and is written, released and
-- denied in the transaction that makes or settles that promise, under the lock of its player's row. What was settled stays,
-- for the player to see.
CREATE TABLE gameplay.held (
    transfer_id uuid PRIMARY KEY,
    player_id uuid NOT NULL,
    collectible_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    reference uuid NOT NULL,
    payer_id uuid,
    currency text COLLATE "C" NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    experience bigint NOT NULL CHECK (experience >= 0),
    lat_deg double precision NOT NULL,
    lng_deg double precision NOT NULL,
    held_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > held_at),
    due_at timestamptz NOT NULL,
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3),
    settled_at timestamptz,
    CHECK ((state = 1) = (settled_at IS NULL))
) WITH (fillfactor = 80);

COMMENT ON COLUMN gameplay.held.payer_id IS 'the campaign whose budget has promised it; null is the issuance of the currency';
COMMENT ON COLUMN gameplay.held.due_at IS 'when it is given if nobody decides: `expires_at`, later once the books refused';
COMMENT ON COLUMN gameplay.held.state IS '1 held, 2 released, 3 denied';

CREATE INDEX held_shown ON gameplay.held (player_id, held_at, transfer_id);
CREATE INDEX held_open ON gameplay.held (player_id) WHERE state = 1;
CREATE INDEX held_due ON gameplay.held (due_at) WHERE state = 1;
