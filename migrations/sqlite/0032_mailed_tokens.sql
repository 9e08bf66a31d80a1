-- What was mailed to open one door, once. The database keeps hashes alone.
CREATE TABLE mailed_tokens (
    secret_hash  BLOB        NOT NULL PRIMARY KEY,
    purpose      TEXT        NOT NULL,
    -- Whose account it is about; NULL for an account that is still to be made, and where nobody's was meant.
    user_id      BLOB,
    -- A digest of what it guards, as that was: it is good no more once that has changed.
    guarded      BLOB,
    -- Whom it was mailed to.
    address      TEXT,
    -- The browser that asked, where a code is good there alone, with the code's hash.
    browser_hash BLOB,
    code_hash    BLOB,
    wrong_tries  INTEGER     NOT NULL DEFAULT 0,
    -- The query of the sign-in page that it was asked for at.
    destination  TEXT,
    created_at   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    used_at      TEXT
) STRICT;
CREATE INDEX mailed_tokens_expiry ON mailed_tokens (expires_at);
CREATE INDEX mailed_tokens_by_browser ON mailed_tokens (browser_hash) WHERE browser_hash IS NOT NULL;

-- Wishes for a mail by people who are not signed in: they are answered at once and seen to afterwards, so that the
-- answer is the same whosever address it is.
CREATE TABLE mail_requests (
    id           BLOB        NOT NULL PRIMARY KEY,
    purpose      TEXT        NOT NULL,
    -- What was typed: an address, or a name.
    typed        TEXT        NOT NULL,
    browser_hash BLOB,
    destination  TEXT,
    language     TEXT        NOT NULL,
    user_agent   TEXT,
    address      TEXT,
    requested_at TEXT NOT NULL
) STRICT;
