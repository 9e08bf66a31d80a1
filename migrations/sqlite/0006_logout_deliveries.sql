-- What clients are told of logouts behind the browser's back (OpenID Connect Back-Channel Logout 1.0). A row is written
-- in the transaction that ends the login, and tried until the client has taken it or time has run out.
CREATE TABLE logout_deliveries (
    id         BLOB        NOT NULL PRIMARY KEY,
    client_id  TEXT        NOT NULL,
    -- `sub` and `sid` as the client knows them from its ID token.
    subject    TEXT        NOT NULL,
    family_id  BLOB        NOT NULL,
    created_at TEXT        NOT NULL,
    state      TEXT        NOT NULL CHECK (state IN ('pending', 'delivered', 'given_up')),
    -- Who moves this on by one has claimed the attempt.
    attempts   INTEGER     NOT NULL CHECK (attempts >= 0),
    -- When it is tried next, or, once settled, forgotten.
    due_at     TEXT        NOT NULL
);
CREATE INDEX logout_deliveries_due ON logout_deliveries (state, due_at);
