-- Mails on their way. A row is written in the transaction that wants the mail, and tried until the mail server has taken
-- it or time has run out; then it is emptied, and soon deleted.
CREATE TABLE mails (
    id         UUID        NOT NULL PRIMARY KEY,
    -- What it is for, by name.
    kind       TEXT        NOT NULL,
    -- Whose account it is about, if anybody's.
    user_id    UUID,
    recipient  TEXT,
    language   TEXT        NOT NULL,
    -- What it says, sealed under a master key: who reads the database cannot follow its links.
    sealed     BYTEA,
    created_at TIMESTAMPTZ NOT NULL,
    -- Whether anybody still wants it.
    good_until TIMESTAMPTZ,
    state      TEXT        NOT NULL CHECK (state IN ('pending', 'delivered', 'given_up')),
    -- Who moves this on by one has claimed the attempt.
    attempts   BIGINT      NOT NULL CHECK (attempts >= 0),
    -- When it is tried next, or, once settled, deleted.
    due_at     TIMESTAMPTZ NOT NULL,
    CHECK (state = 'pending' OR (recipient IS NULL AND sealed IS NULL))
);
CREATE INDEX mails_due ON mails (state, due_at);

-- How many mails went to an address, or about an account, since a time. Both are hashed.
CREATE TABLE mail_counts (
    whose BYTEA       NOT NULL PRIMARY KEY,
    since TIMESTAMPTZ NOT NULL,
    mails BIGINT      NOT NULL CHECK (mails >= 0)
);
CREATE INDEX mail_counts_since ON mail_counts (since);

-- What an account's owner has signed in with and from where, hashed: of anything else the owner is told by mail.
CREATE TABLE known_devices (
    device_hash BYTEA       NOT NULL PRIMARY KEY,
    user_id     UUID        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- To the day.
    seen_at     TIMESTAMPTZ NOT NULL
);
CREATE INDEX known_devices_user ON known_devices (user_id);
CREATE INDEX known_devices_seen ON known_devices (seen_at);
