-- What a client that was removed, or gave up its proof, leaves to be ended. A large table can be given it beforehand.
CREATE INDEX IF NOT EXISTS families_client ON families (client_id, id) WHERE ended_at IS NULL;
