-- Whose server a logout is told to, and whether nobody vouches for the client: a server that does not answer keeps
-- neither others' logouts waiting nor those of an operator's clients.
ALTER TABLE logout_deliveries ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE logout_deliveries ADD COLUMN for_stranger BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX logout_deliveries_due_for ON logout_deliveries (state, for_stranger, due_at);
