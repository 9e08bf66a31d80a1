-- Keys of requests that make something once, however often they come. A row is there before its request is worked on;
-- the transaction that makes the thing stores the answer in it.
CREATE TABLE idempotency_keys (
    id            BLOB        NOT NULL PRIMARY KEY,
    -- Of the key, and of whose it is.
    key_hash      BLOB        NOT NULL UNIQUE,
    request_hash  BLOB        NOT NULL,
    -- Who works on it: nobody else may store an answer.
    attempt       BLOB        NOT NULL,
    -- Until when nobody else takes it up, unless there is an answer.
    claimed_until TEXT        NOT NULL,
    -- The answer, sealed under a master key: there may be a secret in it.
    sealed        BLOB,
    expires_at    TEXT        NOT NULL
) STRICT;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
