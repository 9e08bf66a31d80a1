-- What a login's client asked to be told in ID tokens, claim by claim: a refreshed one tells it again. `claims` is what
-- it asked of the userinfo endpoint.
ALTER TABLE families ADD COLUMN id_token_claims TEXT NOT NULL DEFAULT '{}';
