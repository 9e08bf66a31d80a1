-- A code that an app was given for what its user typed there: no browser signed in for it. SQLite takes no NOT NULL
-- away from a column that is there.
CREATE TABLE authorization_codes_of_apps (
    code_hash       BLOB        NOT NULL PRIMARY KEY,
    client_id       TEXT        NOT NULL,
    user_id         BLOB        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sign_in_session BLOB,
    redirect_uri    TEXT        NOT NULL,
    code_challenge  TEXT,
    nonce           TEXT,
    scope           TEXT        NOT NULL,
    audiences       TEXT        NOT NULL,
    auth_time       TEXT        NOT NULL,
    amr             TEXT        NOT NULL,
    acr             TEXT,
    user_agent      TEXT,
    address         TEXT,
    expires_at      TEXT        NOT NULL,
    family_id       BLOB,
    claims          TEXT        NOT NULL DEFAULT '{}',
    key_thumbprint  TEXT
) STRICT;
INSERT INTO authorization_codes_of_apps (code_hash, client_id, user_id, sign_in_session, redirect_uri, code_challenge,
        nonce, scope, audiences, auth_time, amr, acr, user_agent, address, expires_at, family_id, claims, key_thumbprint)
    SELECT code_hash, client_id, user_id, sign_in_session, redirect_uri, code_challenge, nonce, scope, audiences,
        auth_time, amr, acr, user_agent, address, expires_at, family_id, claims, key_thumbprint
    FROM authorization_codes;
DROP TABLE authorization_codes;
ALTER TABLE authorization_codes_of_apps RENAME TO authorization_codes;
CREATE INDEX authorization_codes_user ON authorization_codes (user_id);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);
