-- What somebody wrote beside a transfer: the sender of a gift, or staff who minted or burned. Words of people are no part of
-- the books: they may be deleted, and nothing else changes.
CREATE TABLE ledger.note (
    transfer_id uuid PRIMARY KEY,
    note text NOT NULL CHECK (length(note) BETWEEN 1 AND 140)
);
