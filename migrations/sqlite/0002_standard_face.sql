-- What the standard face adds: single sign-on sessions, authorization codes, consents.

ALTER TABLE users ADD COLUMN email_verified INTEGER NOT NULL DEFAULT FALSE;

-- What a consent page calls the client; NULL shows its id.
ALTER TABLE clients ADD COLUMN name TEXT;
ALTER TABLE clients ADD COLUMN post_logout_redirect_uris TEXT NOT NULL DEFAULT '[]';
-- A confidential client may protect its codes with a nonce instead (OAuth 2.1 §7.5.1).
ALTER TABLE clients ADD COLUMN pkce_required INTEGER NOT NULL DEFAULT TRUE;
-- What only some clients have, as one JSON object with the names of RFC 7591.
ALTER TABLE clients ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';

-- One browser in which a user is signed in. The cookie's secret itself is nowhere stored.
CREATE TABLE sign_in_sessions (
    id           BLOB        NOT NULL PRIMARY KEY,
    secret_hash  BLOB        NOT NULL UNIQUE,
    user_id      BLOB        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    auth_time    TEXT        NOT NULL,
    amr          TEXT        NOT NULL,
    acr          TEXT,
    user_agent   TEXT,
    address      TEXT,
    created_at   TEXT        NOT NULL,
    last_used_at TEXT        NOT NULL,
    expires_at   TEXT        NOT NULL
) STRICT;
CREATE INDEX sign_in_sessions_user ON sign_in_sessions (user_id);
CREATE INDEX sign_in_sessions_expiry ON sign_in_sessions (expires_at);

-- A spent code is kept for a while with the family that it gave, so that a second use can end it.
CREATE TABLE authorization_codes (
    code_hash       BLOB        NOT NULL PRIMARY KEY,
    client_id       TEXT        NOT NULL,
    user_id         BLOB        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sign_in_session BLOB        NOT NULL,
    redirect_uri    TEXT        NOT NULL,
    code_challenge  TEXT,
    nonce           TEXT,
    scope           TEXT        NOT NULL,
    audiences       TEXT        NOT NULL,
    auth_time       TEXT        NOT NULL,
    amr             TEXT        NOT NULL,
    acr             TEXT,
    user_agent      TEXT,
    address         TEXT,
    expires_at      TEXT        NOT NULL,
    family_id       BLOB
) STRICT;
CREATE INDEX authorization_codes_user ON authorization_codes (user_id);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

CREATE TABLE consents (
    user_id    BLOB        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT        NOT NULL,
    scope      TEXT        NOT NULL,
    audiences  TEXT        NOT NULL,
    granted_at TEXT        NOT NULL,
    PRIMARY KEY (user_id, client_id)
) STRICT;
