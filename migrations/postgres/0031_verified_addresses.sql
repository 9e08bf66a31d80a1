-- What verified addresses are compared by: one account has such an address. A text of ASCII alone folds to its small
-- letters; the server folds all others, and takes the mark from those of several accounts that are not the oldest.
ALTER TABLE users ADD COLUMN verified_email_key TEXT;
UPDATE users SET verified_email_key = lower(email COLLATE "C") WHERE id IN (
    SELECT id FROM (
        SELECT id, ROW_NUMBER() OVER (PARTITION BY lower(email COLLATE "C") ORDER BY created_at, id) AS place
        FROM users WHERE email_verified AND octet_length(email) = char_length(email)
    ) AS ranked WHERE place = 1
);
CREATE UNIQUE INDEX users_by_verified_email ON users (verified_email_key);
CREATE INDEX users_with_unsettled_email ON users (created_at, id) WHERE email_verified AND verified_email_key IS NULL;
