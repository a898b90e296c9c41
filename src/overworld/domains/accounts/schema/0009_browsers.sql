-- What the CSRF tokens of sessions in cookies are made with, in every process alike.
CREATE TABLE accounts.csrf_key (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one),
    secret bytea NOT NULL CHECK (length(secret) = 32)
);

COMMENT ON TABLE accounts.csrf_key IS 'one row, made by the first server; mixed with accounts.signing_key_secret';
