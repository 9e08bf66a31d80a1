-- What users sign in with instead of passwords (Web Authentication): the public half of a key that one of their
-- devices, or a password manager, keeps.
CREATE TABLE passkeys (
    id              UUID        NOT NULL PRIMARY KEY,
    user_id         UUID        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- By which a browser names it. One that is two users' would be nobody's.
    credential_id   BYTEA       NOT NULL UNIQUE,
    -- The public key and what else the library keeps of it, as JSON.
    credential      TEXT        NOT NULL,
    -- What its owner calls it.
    name            TEXT        NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    last_used_at    TIMESTAMPTZ,
    -- How often it was used, as it says itself; one that is on several devices says 0 for good.
    sign_count      BIGINT      NOT NULL CHECK (sign_count >= 0),
    -- Whether it may be on other devices too, and whether it is.
    backup_eligible BOOLEAN     NOT NULL,
    backed_up       BOOLEAN     NOT NULL
);
CREATE INDEX passkeys_of_user ON passkeys (user_id);
