-- What a password's hash costs: KiB of memory, times the passes over them. A wrong password costs as much for everybody
-- as the dearest hash, which is found here.
ALTER TABLE users ADD COLUMN password_cost BIGINT;
UPDATE users SET password_cost =
    CAST(substring(password_hash FROM '[$]m=([0-9]+),') AS BIGINT)
    * CAST(substring(password_hash FROM ',t=([0-9]+),') AS BIGINT);
CREATE INDEX users_by_password_cost ON users (password_cost);
