-- Names are looked for by how they begin: bytes have an order in which that is one range.
CREATE INDEX IF NOT EXISTS users_by_beginning ON users (username_key COLLATE "C");
