-- Sign-ins that have begun and want more: another factor, or that one is set up. The secret itself is nowhere stored.
CREATE TABLE sign_in_attempts (
    secret_hash BLOB        NOT NULL PRIMARY KEY,
    -- NULL as long as nobody has shown who it is.
    user_id     BLOB        REFERENCES users (id) ON DELETE CASCADE,
    -- What was shown so far, and when the last of it was.
    auth_time   TEXT        NOT NULL,
    amr         TEXT        NOT NULL,
    -- The sign-in that it is to take further, if it began before.
    sign_in_session BLOB,
    user_agent  TEXT,
    address     TEXT,
    -- What an app asked for at the simple face, as JSON; NULL at the pages.
    login       TEXT,
    -- What a ceremony that is under way has to remember, sealed under a master key.
    ceremony    BLOB,
    -- How often something wrong was shown.
    tries       INTEGER     NOT NULL CHECK (tries >= 0),
    expires_at  TEXT        NOT NULL
) STRICT;
CREATE INDEX sign_in_attempts_user ON sign_in_attempts (user_id);
CREATE INDEX sign_in_attempts_expiry ON sign_in_attempts (expires_at);

-- The secrets of authenticator apps (RFC 6238).
CREATE TABLE totp_secrets (
    user_id    BLOB        NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Sealed under a master key.
    sealed     BLOB        NOT NULL,
    -- The time step of the last code that was taken: no code is taken twice.
    last_step  INTEGER     NOT NULL,
    created_at TEXT        NOT NULL
) STRICT;

-- What stands in for a second factor that was lost. A code's row goes as it is used.
CREATE TABLE recovery_codes (
    user_id   BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL,
    PRIMARY KEY (user_id, code_hash)
) STRICT;

-- Classes have other names than before.
UPDATE sign_in_sessions SET acr = '1' WHERE acr IS NOT NULL;
UPDATE authorization_codes SET acr = '1' WHERE acr IS NOT NULL;
UPDATE device_codes SET acr = '1' WHERE acr IS NOT NULL;

-- A release that knows nothing of it would let in by a password alone who has a second factor.
UPDATE schema_compatibility SET lowest = 33;
