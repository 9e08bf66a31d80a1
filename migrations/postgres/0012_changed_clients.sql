-- Clients that change: consents to what one was before, logins of one that gave up its proof, tokens that manage it.

-- Grows with every change that makes another client of it to the people who agreed to it. A consent is to one of them.
ALTER TABLE clients ADD COLUMN identity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE consents ADD COLUMN client_identity BIGINT NOT NULL DEFAULT 0;
-- When it gave up its proof, if it did.
ALTER TABLE clients ADD COLUMN public_since TIMESTAMPTZ;
-- The token that was given with the last change, until it is used: then it takes the place of the one before.
ALTER TABLE client_registrations ADD COLUMN next_token_hash BYTEA;
