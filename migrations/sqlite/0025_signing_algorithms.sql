-- Signing keys of several algorithms at once, each with its own succession.

-- Whether a key signs where nobody asks for an algorithm; whether somebody asks for its own by name. One of the first
-- kind alone is left behind by the next of its kind, whatever that one's algorithm is: as all were until now.
ALTER TABLE signing_keys ADD COLUMN is_default INTEGER NOT NULL DEFAULT 1;
ALTER TABLE signing_keys ADD COLUMN is_asked_for INTEGER NOT NULL DEFAULT 0;
-- What its algorithm is called in tokens and key sets, where that is not the usual name.
ALTER TABLE signing_keys ADD COLUMN algorithm_name TEXT;

-- The audiences whose access tokens are signed with an algorithm of their own.
CREATE TABLE audiences (
    audience  TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL
) STRICT;

-- Until now the server's own algorithm signed all that went to a client, whichever the client named here. Those clients
-- keep what they get.
UPDATE clients SET metadata = json_set(metadata, '$.userinfo_signed_response_alg', COALESCE(
        (SELECT algorithm FROM signing_keys WHERE withdrawn_at IS NULL ORDER BY position DESC LIMIT 1), 'ES256'))
WHERE metadata LIKE '%"userinfo_signed_response_alg"%';
