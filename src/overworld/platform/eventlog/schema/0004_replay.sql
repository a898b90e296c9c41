-- When staff asked that a dead letter be handed to its consumer again; null: nobody did.
ALTER TABLE eventlog.dead_letter ADD COLUMN replay_wanted_at timestamptz;

CREATE INDEX dead_letter_wanted ON eventlog.dead_letter (consumer, event_id) WHERE replay_wanted_at IS NOT NULL;

-- Event ids are UUIDv7, so staff read the newest first.
CREATE INDEX dead_letter_newest ON eventlog.dead_letter (event_id, consumer);
