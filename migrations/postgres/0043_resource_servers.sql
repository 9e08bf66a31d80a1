-- What audiences say of the access tokens that are meant for them. What they are signed with stands in audiences.
CREATE TABLE resource_servers (
    audience      TEXT        NOT NULL PRIMARY KEY,
    -- The scopes that it knows; NULL knows whatever is granted.
    scope         TEXT,
    -- Milliseconds; NULL follows each client.
    access_ttl_ms BIGINT      CHECK (access_ttl_ms > 0),
    roles         TEXT        NOT NULL CHECK (roles IN ('with_scope', 'always', 'never')),
    created_at    TIMESTAMPTZ NOT NULL,
    -- When configuration in files brought it in: what that brought in it may take away again.
    applied_at    TIMESTAMPTZ
);
