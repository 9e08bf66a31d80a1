-- What users sign in with instead of passwords (Web Authentication): the public half of a key that one of their
-- devices, or a password manager, keeps.
CREATE TABLE passkeys (
    id              BLOB        NOT NULL PRIMARY KEY,
    user_id         BLOB        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- By which a browser names it. One that is two users' would be nobody's.
    credential_id   BLOB        NOT NULL UNIQUE,
    -- The public key and what else the library keeps of it, as JSON.
    credential      TEXT        NOT NULL,
    -- What its owner calls it.
    name            TEXT        NOT NULL,
    created_at      TEXT        NOT NULL,
    last_used_at    TEXT,
    -- How often it was used, as it says itself; one that is on several devices says 0 for good.
    sign_count      INTEGER     NOT NULL CHECK (sign_count >= 0),
    -- Whether it may be on other devices too, and whether it is.
    backup_eligible INTEGER     NOT NULL,
    backed_up       INTEGER     NOT NULL
) STRICT;
CREATE INDEX passkeys_of_user ON passkeys (user_id);
