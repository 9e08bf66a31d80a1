CREATE TABLE users (
    id             BLOB        NOT NULL PRIMARY KEY,
    username       TEXT        NOT NULL,
    username_key   TEXT        NOT NULL UNIQUE,
    email          TEXT,
    password_hash  TEXT        NOT NULL,
    roles          TEXT        NOT NULL,
    created_at     TEXT NOT NULL,
    last_login_at  TEXT,
    disabled_at    TEXT,
    -- Every change that ends the user's families touches this row first, and so does every login:
    -- the two wait for each other here.
    changed_at     TEXT NOT NULL
) STRICT;

CREATE TABLE clients (
    id              TEXT        NOT NULL PRIMARY KEY,
    confidential    INTEGER     NOT NULL,
    first_party     INTEGER     NOT NULL,
    redirect_uris   TEXT        NOT NULL,
    grants          TEXT        NOT NULL,
    scopes          TEXT        NOT NULL,
    audiences       TEXT        NOT NULL,
    -- Milliseconds; NULL follows the server's settings.
    access_ttl_ms   INTEGER     CHECK (access_ttl_ms > 0),
    idle_ttl_ms     INTEGER     CHECK (idle_ttl_ms > 0),
    absolute_ttl_ms INTEGER     CHECK (absolute_ttl_ms > 0),
    leeway_ms       INTEGER     CHECK (leeway_ms >= 0),
    created_at      TEXT NOT NULL,
    -- A tombstone: the id is never given out again, for old tokens still name it.
    removed_at      TEXT
) STRICT;

CREATE TABLE client_secrets (
    id          BLOB        NOT NULL PRIMARY KEY,
    client_id   TEXT        NOT NULL REFERENCES clients (id),
    secret_hash BLOB        NOT NULL,
    created_at  TEXT NOT NULL,
    expires_at  TEXT
) STRICT;
CREATE INDEX client_secrets_client ON client_secrets (client_id);

-- One row a login, however often it rotates. A refresh reads and writes this table only, by its primary key; no
-- foreign key leaves it, and no column that a rotation changes is indexed (in Postgres that keeps the update HOT).
CREATE TABLE families (
    id              BLOB        NOT NULL PRIMARY KEY,
    user_id         BLOB        NOT NULL,
    subject         TEXT        NOT NULL,
    client_id       TEXT        NOT NULL,
    scope           TEXT        NOT NULL,
    audiences       TEXT        NOT NULL,
    roles           TEXT        NOT NULL,
    key_thumbprint  TEXT,
    secret_hash     BLOB        NOT NULL,
    generation      INTEGER     NOT NULL,
    base            INTEGER,
    rotated_at      TEXT NOT NULL,
    auth_time       TEXT NOT NULL,
    amr             TEXT        NOT NULL,
    acr             TEXT,
    sign_in_session BLOB,
    device_name     TEXT,
    user_agent      TEXT,
    address         TEXT,
    created_at      TEXT NOT NULL,
    expires_at      TEXT NOT NULL,
    ended_at        TEXT,
    end_reason      TEXT,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) STRICT;
CREATE INDEX families_user ON families (user_id);
CREATE INDEX families_expiry ON families (expires_at);

CREATE TABLE signing_keys (
    kid            TEXT        NOT NULL PRIMARY KEY,
    -- Keys follow one another; two processes that make the next one at once make it once.
    position       INTEGER     NOT NULL UNIQUE,
    algorithm      TEXT        NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    private_sealed BLOB        NOT NULL,
    created_at     TEXT NOT NULL,
    signs_from     TEXT NOT NULL,
    -- The longest lifetime of an access token that it may have signed.
    longest_ttl_ms INTEGER     NOT NULL CHECK (longest_ttl_ms > 0),
    -- Set when it must not be trusted any more.
    withdrawn_at   TEXT
) STRICT;

CREATE TABLE dropped_master_keys (
    key_id     TEXT        NOT NULL PRIMARY KEY,
    dropped_at TEXT NOT NULL
) STRICT;

CREATE TABLE recovery_windows (
    id        BLOB        NOT NULL PRIMARY KEY,
    opened_at TEXT NOT NULL,
    closes_at TEXT NOT NULL
) STRICT;
