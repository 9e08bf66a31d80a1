CREATE TABLE users (
    id             UUID        NOT NULL PRIMARY KEY,
    username       TEXT        NOT NULL,
    username_key   TEXT        NOT NULL UNIQUE,
    email          TEXT,
    password_hash  TEXT        NOT NULL,
    roles          TEXT        NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    last_login_at  TIMESTAMPTZ,
    disabled_at    TIMESTAMPTZ,
    -- Every change that ends the user's families touches this row first, and so does every login:
    -- the two wait for each other here.
    changed_at     TIMESTAMPTZ NOT NULL
);

CREATE TABLE clients (
    id              TEXT        NOT NULL PRIMARY KEY,
    confidential    BOOLEAN     NOT NULL,
    first_party     BOOLEAN     NOT NULL,
    redirect_uris   TEXT        NOT NULL,
    grants          TEXT        NOT NULL,
    scopes          TEXT        NOT NULL,
    audiences       TEXT        NOT NULL,
    -- Milliseconds; NULL follows the server's settings.
    access_ttl_ms   BIGINT      CHECK (access_ttl_ms > 0),
    idle_ttl_ms     BIGINT      CHECK (idle_ttl_ms > 0),
    absolute_ttl_ms BIGINT      CHECK (absolute_ttl_ms > 0),
    leeway_ms       BIGINT      CHECK (leeway_ms >= 0),
    created_at      TIMESTAMPTZ NOT NULL,
    -- A tombstone: the id is never given out again, for old tokens still name it.
    removed_at      TIMESTAMPTZ
);

CREATE TABLE client_secrets (
    id          UUID        NOT NULL PRIMARY KEY,
    client_id   TEXT        NOT NULL REFERENCES clients (id),
    secret_hash BYTEA       NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ
);
CREATE INDEX client_secrets_client ON client_secrets (client_id);

-- One row a login, however often it rotates. A refresh reads and writes this table only, by its primary key; no
-- foreign key leaves it, and no column that a rotation changes is indexed, so that the update stays HOT.
CREATE TABLE families (
    id              UUID        NOT NULL PRIMARY KEY,
    user_id         UUID        NOT NULL,
    subject         TEXT        NOT NULL,
    client_id       TEXT        NOT NULL,
    scope           TEXT        NOT NULL,
    audiences       TEXT        NOT NULL,
    roles           TEXT        NOT NULL,
    key_thumbprint  TEXT,
    secret_hash     BYTEA       NOT NULL,
    generation      BIGINT      NOT NULL,
    base            BIGINT,
    rotated_at      TIMESTAMPTZ NOT NULL,
    auth_time       TIMESTAMPTZ NOT NULL,
    amr             TEXT        NOT NULL,
    acr             TEXT,
    sign_in_session UUID,
    device_name     TEXT,
    user_agent      TEXT,
    address         TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ NOT NULL,
    ended_at        TIMESTAMPTZ,
    end_reason      TEXT,
    -- PostgreSQL prepares every CHECK anew for each statement that updates the table, which cost a refresh a fifth of
    -- its time. What else a row must be is checked when it is read.
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX families_user ON families (user_id);
CREATE INDEX families_expiry ON families (expires_at);

CREATE TABLE signing_keys (
    kid            TEXT        NOT NULL PRIMARY KEY,
    -- Keys follow one another; two processes that make the next one at once make it once.
    position       BIGINT      NOT NULL UNIQUE,
    algorithm      TEXT        NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    private_sealed BYTEA       NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    signs_from     TIMESTAMPTZ NOT NULL,
    -- The longest lifetime of an access token that it may have signed.
    longest_ttl_ms BIGINT      NOT NULL CHECK (longest_ttl_ms > 0),
    -- Set when it must not be trusted any more.
    withdrawn_at   TIMESTAMPTZ
);

CREATE TABLE dropped_master_keys (
    key_id     TEXT        NOT NULL PRIMARY KEY,
    dropped_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE recovery_windows (
    id        UUID        NOT NULL PRIMARY KEY,
    opened_at TIMESTAMPTZ NOT NULL,
    closes_at TIMESTAMPTZ NOT NULL
);
