-- Leaderboards. The table of scores is a fold of the log of events: one row for each player, board and window, and
-- region where the board has regions (0 is the world). Claims never write it.
-- The player comes first in the key, so that what one event adds lies side by side.
CREATE TABLE gameplay.board_score (
    player_id uuid NOT NULL,
    board text COLLATE "C" NOT NULL,
    starts_at timestamptz NOT NULL,
    region bigint NOT NULL,
    score bigint NOT NULL CHECK (score > 0),
    reached_at timestamptz NOT NULL,
    PRIMARY KEY (player_id, board, starts_at, region)
) WITH (fillfactor = 70);

CREATE INDEX board_score_set ON gameplay.board_score (board, starts_at, region);

COMMENT ON COLUMN gameplay.board_score.starts_at IS 'the start of the window; 1970 for a board that never resets';
COMMENT ON COLUMN gameplay.board_score.region IS 'the cell of the region, as a signed number; 0 is the world';
COMMENT ON COLUMN gameplay.board_score.reached_at IS 'when the player came to have this score: ties go to the earlier';

-- The windows that have scores and end. A window that is over is archived; a score that comes later takes
-- `archived_at` back, and it is archived again. `pruned_at`: its scores are gone, its results stay.
CREATE TABLE gameplay.board_window (
    board text COLLATE "C" NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    archived_at timestamptz,
    pruned_at timestamptz,
    PRIMARY KEY (board, starts_at),
    CHECK (starts_at < ends_at)
);

CREATE INDEX board_window_open ON gameplay.board_window (ends_at) WHERE pruned_at IS NULL;

CREATE TABLE gameplay.board_result (
    board text COLLATE "C" NOT NULL,
    starts_at timestamptz NOT NULL,
    region bigint NOT NULL,
    rank integer NOT NULL CHECK (rank > 0),
    player_id uuid NOT NULL,
    score bigint NOT NULL,
    reached_at timestamptz NOT NULL,
    PRIMARY KEY (board, starts_at, region, rank)
);

CREATE INDEX board_result_player ON gameplay.board_result (player_id);
