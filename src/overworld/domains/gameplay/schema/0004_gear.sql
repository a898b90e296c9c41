-- phase: contract
-- What a player carries changes what claims pay: `gear` is the version of it, `collected` counts claims that won.
ALTER TABLE gameplay.player ADD COLUMN IF NOT EXISTS gear bigint NOT NULL DEFAULT 0;
ALTER TABLE gameplay.player ADD COLUMN IF NOT EXISTS collected bigint NOT NULL DEFAULT 0 CHECK (collected >= 0);
