-- What a client that provisions users calls them (RFC 7643 §3.1), and how it labels what they have one of.
CREATE TABLE provisioned_users (
    client_id   TEXT NOT NULL,
    user_id     UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Its own id of the user: several may have the same, as nobody but the client knows what it means.
    external_id TEXT,
    -- A JSON object: attribute, then label, then value.
    labels      TEXT NOT NULL,
    PRIMARY KEY (client_id, user_id)
);
CREATE INDEX provisioned_users_external ON provisioned_users (client_id, external_id);
CREATE INDEX provisioned_users_user ON provisioned_users (user_id);
