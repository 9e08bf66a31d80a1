-- Access tokens that were revoked alone, while their login goes on: by jti, until they expire.
CREATE TABLE revoked_tokens (
    jti        TEXT        NOT NULL PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);
