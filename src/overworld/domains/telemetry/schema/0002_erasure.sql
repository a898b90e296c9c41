-- Who is to be erased from the columns, by pseudonym. A row stays after it is done for as long as a log may still have
-- events of the player: a store of columns that is made anew has to keep them out.
CREATE TABLE telemetry.erasure (
    pseudonym bytea PRIMARY KEY CHECK (length(pseudonym) = 16),
    asked_at timestamptz NOT NULL,
    done_at timestamptz
);
