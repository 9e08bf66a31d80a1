-- The thumbprint of the key that whoever uses the code has to hold (RFC 9449 §10).
ALTER TABLE authorization_codes ADD COLUMN key_thumbprint TEXT;
