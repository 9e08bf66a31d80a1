-- Whether a client that need not use PKCE has to send a nonce instead.
ALTER TABLE clients ADD COLUMN nonce_required BOOLEAN NOT NULL DEFAULT TRUE;
