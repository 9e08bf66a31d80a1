-- What was mailed to open one door, once. The database keeps hashes alone.
CREATE TABLE mailed_tokens (
    secret_hash  BYTEA       NOT NULL PRIMARY KEY,
    purpose      TEXT        NOT NULL,
    -- Whose account it is about; NULL for an account that is still to be made, and where nobody's was meant.
    user_id      UUID,
    -- A digest of what it guards, as that was: it is good no more once that has changed.
    guarded      BYTEA,
    -- Whom it was mailed to.
    address      TEXT,
    -- The browser that asked, where a code is good there alone, with the code's hash.
    browser_hash BYTEA,
    code_hash    BYTEA,
    wrong_tries  BIGINT      NOT NULL DEFAULT 0,
    -- The query of the sign-in page that it was asked for at.
    destination  TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    used_at      TIMESTAMPTZ
);
CREATE INDEX mailed_tokens_expiry ON mailed_tokens (expires_at);
CREATE INDEX mailed_tokens_by_browser ON mailed_tokens (browser_hash) WHERE browser_hash IS NOT NULL;

-- Wishes for a mail by people who are not signed in: they are answered at once and seen to afterwards, so that the
-- answer is the same whosever address it is.
CREATE TABLE mail_requests (
    id           UUID        NOT NULL PRIMARY KEY,
    purpose      TEXT        NOT NULL,
    -- What was typed: an address, or a name.
    typed        TEXT        NOT NULL,
    browser_hash BYTEA,
    destination  TEXT,
    language     TEXT        NOT NULL,
    user_agent   TEXT,
    address      TEXT,
    requested_at TIMESTAMPTZ NOT NULL
);
