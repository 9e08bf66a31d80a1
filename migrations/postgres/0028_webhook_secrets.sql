-- What the messages of webhooks are signed with: the current secret, and those before it as long as they sign, too.
CREATE TABLE webhook_secrets (
    webhook_id  UUID   NOT NULL,
    -- From 1. The highest is the current one.
    position    BIGINT NOT NULL CHECK (position > 0),
    -- Sealed under a master key.
    sealed      BYTEA  NOT NULL,
    -- Until when it signs; NULL for the current one.
    signs_until TIMESTAMPTZ,
    PRIMARY KEY (webhook_id, position)
);
INSERT INTO webhook_secrets (webhook_id, position, sealed, signs_until)
    SELECT id, 1, former_secret_sealed, former_until FROM webhooks WHERE removed_at IS NULL AND former_until IS NOT NULL
    UNION ALL SELECT id, 2, secret_sealed, NULL FROM webhooks WHERE removed_at IS NULL;
-- No release has known these columns.
ALTER TABLE webhooks DROP COLUMN former_until, DROP COLUMN former_secret_sealed, DROP COLUMN secret_sealed;
