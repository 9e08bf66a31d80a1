-- Mails on their way. A row is written in the transaction that wants the mail, and tried until the mail server has taken
-- it or time has run out; then it is emptied, and soon deleted.
CREATE TABLE mails (
    id         BLOB        NOT NULL PRIMARY KEY,
    -- What it is for, by name.
    kind       TEXT        NOT NULL,
    -- Whose account it is about, if anybody's.
    user_id    BLOB,
    recipient  TEXT,
    language   TEXT        NOT NULL,
    -- What it says, sealed under a master key: who reads the database cannot follow its links.
    sealed     BLOB,
    created_at TEXT        NOT NULL,
    -- Whether anybody still wants it.
    good_until TEXT,
    state      TEXT        NOT NULL CHECK (state IN ('pending', 'delivered', 'given_up')),
    -- Who moves this on by one has claimed the attempt.
    attempts   INTEGER     NOT NULL CHECK (attempts >= 0),
    -- When it is tried next, or, once settled, deleted.
    due_at     TEXT        NOT NULL,
    CHECK (state = 'pending' OR (recipient IS NULL AND sealed IS NULL))
) STRICT;
CREATE INDEX mails_due ON mails (state, due_at);

-- How many mails went to an address, or about an account, since a time. Both are hashed.
CREATE TABLE mail_counts (
    whose BLOB        NOT NULL PRIMARY KEY,
    since TEXT        NOT NULL,
    mails INTEGER     NOT NULL CHECK (mails >= 0)
) STRICT;
CREATE INDEX mail_counts_since ON mail_counts (since);

-- What an account's owner has signed in with and from where, hashed: of anything else the owner is told by mail.
CREATE TABLE known_devices (
    device_hash BLOB        NOT NULL PRIMARY KEY,
    user_id     BLOB        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- To the day.
    seen_at     TEXT        NOT NULL
) STRICT;
CREATE INDEX known_devices_user ON known_devices (user_id);
CREATE INDEX known_devices_seen ON known_devices (seen_at);
