-- Where events are told to other servers (webhooks, by the conventions of Standard Webhooks).
CREATE TABLE webhooks (
    id                   UUID        NOT NULL PRIMARY KEY,
    url                  TEXT        NOT NULL,
    -- Names of events, and groups of them, as a JSON list.
    events               TEXT        NOT NULL,
    -- Sealed under a master key. The former one signs, too, until then.
    secret_sealed        BYTEA       NOT NULL,
    former_secret_sealed BYTEA,
    former_until         TIMESTAMPTZ,
    created_at           TIMESTAMPTZ NOT NULL,
    disabled_at          TIMESTAMPTZ,
    -- A tombstone, until nothing of it is left.
    removed_at           TIMESTAMPTZ,
    CHECK ((former_secret_sealed IS NULL) = (former_until IS NULL))
);

-- What each is told. A row is written in the transaction that makes the event happen, and tried until the other server
-- has taken it or time has run out; then it waits to be sent again by hand.
CREATE TABLE webhook_deliveries (
    id         UUID        NOT NULL PRIMARY KEY,
    webhook_id UUID        NOT NULL,
    event      TEXT        NOT NULL,
    -- The body, as it is sent.
    payload    TEXT        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    state      TEXT        NOT NULL CHECK (state IN ('pending', 'delivered', 'given_up')),
    -- Who moves this on by one has claimed the attempt.
    attempts   BIGINT      NOT NULL CHECK (attempts >= 0),
    -- When it is tried next, or, once settled, forgotten.
    due_at     TIMESTAMPTZ NOT NULL,
    -- Why the last attempt failed.
    failure    TEXT
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, state, due_at);
CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (state, due_at);
