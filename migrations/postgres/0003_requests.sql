-- What clients sign and push: each assertion is taken once, by whichever replica, and a pushed request waits for its
-- browser.

-- A hash of client and jti, until the assertion expires.
CREATE TABLE client_assertions (
    id         BYTEA       NOT NULL PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX client_assertions_expiry ON client_assertions (expires_at);

-- An authorization request that its client pushed or signed (RFC 9126, RFC 9101), checked, as a query. Once a browser
-- has opened it, it is that browser's; with the code that it leads to, it is gone.
CREATE TABLE pushed_requests (
    uri_hash     BYTEA       NOT NULL PRIMARY KEY,
    client_id    TEXT        NOT NULL,
    parameters   TEXT        NOT NULL,
    browser_hash BYTEA,
    expires_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at);
