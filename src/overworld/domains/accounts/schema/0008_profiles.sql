-- What players say of themselves, what they let others see of it, and their pictures.
ALTER TABLE accounts.account
ADD COLUMN locale text CHECK (length(locale) <= 12),
ADD COLUMN avatar bytea CHECK (length(avatar) = 16),
ADD COLUMN findable boolean NOT NULL DEFAULT true,
ADD COLUMN shows_progress boolean NOT NULL DEFAULT true,
ADD COLUMN shows_badges boolean NOT NULL DEFAULT true,
ADD COLUMN shows_memberships boolean NOT NULL DEFAULT true;

COMMENT ON COLUMN accounts.account.avatar IS 'the picture shown: accounts.avatar';

-- Searched by prefix in the order of code points; who does not want to be found, or is suspended, is not in it.
CREATE INDEX account_findable ON accounts.account (username_folded COLLATE "C") WHERE findable AND suspended_at IS NULL;

-- Every picture that has files. A row comes before its first file and goes after its last, so no file is forgotten,
-- whatever is killed meanwhile. Lock order: account, avatar.
CREATE TABLE accounts.avatar (
    name bytea PRIMARY KEY CHECK (length(name) = 16),
    account_id uuid REFERENCES accounts.account ON DELETE SET NULL,
    gone_at timestamptz
);

COMMENT ON COLUMN accounts.avatar.name IS 'of the content and the account, so no two accounts share files';
COMMENT ON COLUMN accounts.avatar.account_id IS 'NULL: its account was erased';
COMMENT ON COLUMN accounts.avatar.gone_at IS 'when its files may go; NULL while the account shows it';

CREATE INDEX avatar_gone ON accounts.avatar (gone_at) WHERE gone_at IS NOT NULL;
CREATE UNIQUE INDEX avatar_shown ON accounts.avatar (account_id) WHERE gone_at IS NULL;

CREATE FUNCTION accounts.forget_avatar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.gone_at := coalesce(NEW.gone_at, now());
    RETURN NEW;
END $$;

-- Whoever erases an account lets its pictures go with it.
CREATE TRIGGER avatar_erased BEFORE UPDATE OF account_id ON accounts.avatar
FOR EACH ROW WHEN (NEW.account_id IS NULL) EXECUTE FUNCTION accounts.forget_avatar();
