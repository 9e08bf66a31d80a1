-- Signing in on a device without a browser (RFC 8628), names that clients know users by, and more that
-- they may know of them.

-- One device that waits for its user. Neither code itself is stored.
CREATE TABLE device_codes (
    device_code_hash BYTEA       NOT NULL PRIMARY KEY,
    user_code_hash   BYTEA       NOT NULL UNIQUE,
    client_id        TEXT        NOT NULL,
    scope            TEXT        NOT NULL,
    audiences        TEXT        NOT NULL,
    user_agent       TEXT,
    address          TEXT,
    expires_at       TIMESTAMPTZ NOT NULL,
    -- Seconds between two questions of the device, and when it last asked.
    poll_interval    BIGINT      NOT NULL,
    polled_at        TIMESTAMPTZ,
    -- What its user said, and who that was.
    decision         TEXT        CHECK (decision IN ('allowed', 'denied')),
    user_id          UUID        REFERENCES users (id) ON DELETE CASCADE,
    sign_in_session  UUID,
    auth_time        TIMESTAMPTZ,
    amr              TEXT,
    acr              TEXT,
    -- The family that it gave, once it was used.
    family_id        UUID,
    CHECK (decision IS NULL OR user_id IS NOT NULL),
    CHECK (family_id IS NULL OR decision = 'allowed')
);
CREATE INDEX device_codes_user ON device_codes (user_id);
CREATE INDEX device_codes_expiry ON device_codes (expires_at);

-- How often a user has lately typed a code that no device waits with.
CREATE TABLE wrong_user_codes (
    user_id UUID        NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    since   TIMESTAMPTZ NOT NULL,
    tries   BIGINT      NOT NULL
);

-- What must outlive every master key, sealed under the active one.
CREATE TABLE server_secrets (
    name   TEXT  NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL
);

-- What is known of a user beside name and address, as one JSON object with the names of OpenID Connect Core §5.1.
ALTER TABLE users ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';
-- What a client asked for claim by claim (OpenID Connect Core §5.5): in both places, then at the userinfo endpoint.
ALTER TABLE authorization_codes ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';
ALTER TABLE families ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';
