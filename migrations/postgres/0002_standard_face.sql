-- What the standard face adds: single sign-on sessions, authorization codes, consents.

ALTER TABLE users ADD COLUMN email_verified BOOLEAN NOT NULL DEFAULT FALSE;

-- What a consent page calls the client; NULL shows its id.
ALTER TABLE clients ADD COLUMN name TEXT;
ALTER TABLE clients ADD COLUMN post_logout_redirect_uris TEXT NOT NULL DEFAULT '[]';
-- A confidential client may protect its codes with a nonce instead (OAuth 2.1 §7.5.1).
ALTER TABLE clients ADD COLUMN pkce_required BOOLEAN NOT NULL DEFAULT TRUE;
-- What only some clients have, as one JSON object with the names of RFC 7591.
ALTER TABLE clients ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';

-- One browser in which a user is signed in. The cookie's secret itself is nowhere stored.
CREATE TABLE sign_in_sessions (
    id           UUID        NOT NULL PRIMARY KEY,
    secret_hash  BYTEA       NOT NULL UNIQUE,
    user_id      UUID        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    auth_time    TIMESTAMPTZ NOT NULL,
    amr          TEXT        NOT NULL,
    acr          TEXT,
    user_agent   TEXT,
    address      TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX sign_in_sessions_user ON sign_in_sessions (user_id);
CREATE INDEX sign_in_sessions_expiry ON sign_in_sessions (expires_at);

-- A spent code is kept for a while with the family that it gave, so that a second use can end it.
CREATE TABLE authorization_codes (
    code_hash       BYTEA       NOT NULL PRIMARY KEY,
    client_id       TEXT        NOT NULL,
    user_id         UUID        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sign_in_session UUID        NOT NULL,
    redirect_uri    TEXT        NOT NULL,
    code_challenge  TEXT,
    nonce           TEXT,
    scope           TEXT        NOT NULL,
    audiences       TEXT        NOT NULL,
    auth_time       TIMESTAMPTZ NOT NULL,
    amr             TEXT        NOT NULL,
    acr             TEXT,
    user_agent      TEXT,
    address         TEXT,
    expires_at      TIMESTAMPTZ NOT NULL,
    family_id       UUID
);
CREATE INDEX authorization_codes_user ON authorization_codes (user_id);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

CREATE TABLE consents (
    user_id    UUID        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT        NOT NULL,
    scope      TEXT        NOT NULL,
    audiences  TEXT        NOT NULL,
    granted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
