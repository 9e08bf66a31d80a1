-- Hashes that other systems made, until their users sign in: what they cost where they come from, by kind. A wrong
-- password costs everybody as much as the dearest of each kind, which is found here.
ALTER TABLE users ADD COLUMN foreign_kind TEXT;
ALTER TABLE users ADD COLUMN foreign_cost BIGINT;
CREATE INDEX users_by_foreign_cost ON users (foreign_kind, foreign_cost) WHERE foreign_kind IS NOT NULL;
-- A digest of what the user was imported from: the same line is not taken for another one when it comes again.
ALTER TABLE users ADD COLUMN import_digest BYTEA;
