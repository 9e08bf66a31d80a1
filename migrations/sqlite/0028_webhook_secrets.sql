-- What the messages of webhooks are signed with: the current secret, and those before it as long as they sign, too.
CREATE TABLE webhook_secrets (
    webhook_id  BLOB    NOT NULL,
    -- From 1. The highest is the current one.
    position    INTEGER NOT NULL CHECK (position > 0),
    -- Sealed under a master key.
    sealed      BLOB    NOT NULL,
    -- Until when it signs; NULL for the current one.
    signs_until TEXT,
    PRIMARY KEY (webhook_id, position)
) STRICT;
INSERT INTO webhook_secrets (webhook_id, position, sealed, signs_until)
    SELECT id, 1, former_secret_sealed, former_until FROM webhooks WHERE removed_at IS NULL AND former_until IS NOT NULL
    UNION ALL SELECT id, 2, secret_sealed, NULL FROM webhooks WHERE removed_at IS NULL;
-- No release has known the columns that go. SQLite drops no column that a check of the table names.
CREATE TABLE webhooks_without_secrets (
    id          BLOB NOT NULL PRIMARY KEY,
    url         TEXT NOT NULL,
    -- Names of events, and groups of them, as a JSON list.
    events      TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    disabled_at TEXT,
    -- A tombstone, until nothing of it is left.
    removed_at  TEXT
) STRICT;
INSERT INTO webhooks_without_secrets (id, url, events, created_at, disabled_at, removed_at)
    SELECT id, url, events, created_at, disabled_at, removed_at FROM webhooks;
DROP TABLE webhooks;
ALTER TABLE webhooks_without_secrets RENAME TO webhooks;
