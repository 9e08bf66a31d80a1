-- Sign-in elsewhere: browsers on their way to a provider and back, by the hash of `state`; once they are back, and
-- their users unknown here, what the provider said of them.
CREATE TABLE upstream_attempts (
    secret_hash  BYTEA       NOT NULL PRIMARY KEY,
    browser_hash BYTEA       NOT NULL,
    provider     TEXT        NOT NULL,
    asked        TEXT        NOT NULL,
    query        TEXT        NOT NULL,
    session      UUID,
    identity     TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX upstream_attempts_expiry ON upstream_attempts (expires_at);

-- Whose accounts they are: by issuer and subject, and by nothing else.
CREATE TABLE upstream_links (
    issuer       TEXT        NOT NULL,
    subject      TEXT        NOT NULL,
    user_id      UUID        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    label        TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX upstream_links_user ON upstream_links (user_id);

-- Which sign-in at a provider a sign-in here came from: a logout there ends it, and what it gave. One that still wants
-- a second factor is known by its attempt.
CREATE TABLE upstream_sessions (
    id              UUID        NOT NULL PRIMARY KEY,
    sign_in_session UUID        UNIQUE,
    attempt_hash    BYTEA       UNIQUE,
    user_id         UUID        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    issuer          TEXT        NOT NULL,
    subject         TEXT        NOT NULL,
    sid             TEXT,
    expires_at      TIMESTAMPTZ NOT NULL
);
CREATE INDEX upstream_sessions_user ON upstream_sessions (user_id);
CREATE INDEX upstream_sessions_subject ON upstream_sessions (issuer, subject);
CREATE INDEX upstream_sessions_sid ON upstream_sessions (issuer, sid) WHERE sid IS NOT NULL;
CREATE INDEX upstream_sessions_expiry ON upstream_sessions (expires_at);
