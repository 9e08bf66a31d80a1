-- Clients that register themselves.

ALTER TABLE clients ADD COLUMN self_registered INTEGER NOT NULL DEFAULT FALSE;

CREATE TABLE client_registrations (
    client_id    TEXT        NOT NULL PRIMARY KEY REFERENCES clients (id),
    -- The registration access token (RFC 7592 §1.2) itself is nowhere stored.
    token_hash   BLOB        NOT NULL,
    -- What the client was told that it registered, beside what its own row says: one JSON object.
    told         TEXT        NOT NULL,
    -- A client that nobody signed in with until then is deleted; NULL once somebody did.
    unused_until TEXT
) STRICT;
CREATE INDEX client_registrations_unused ON client_registrations (unused_until);

-- Initial access tokens (RFC 7591 §1.2).
CREATE TABLE registration_tokens (
    id         BLOB        NOT NULL PRIMARY KEY,
    token_hash BLOB        NOT NULL UNIQUE,
    uses_left  INTEGER     NOT NULL CHECK (uses_left >= 0),
    created_at TEXT        NOT NULL,
    expires_at TEXT        NOT NULL
) STRICT;

-- Metadata documents of clients whose id is a URL: of those that somebody signed in with, as they were last fetched.
CREATE TABLE client_documents (
    client_id  TEXT        NOT NULL PRIMARY KEY,
    document   TEXT        NOT NULL,
    fetched_at TEXT        NOT NULL
) STRICT;
