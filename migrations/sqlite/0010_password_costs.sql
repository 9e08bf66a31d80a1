-- What a password's hash costs: KiB of memory, times the passes over them. A wrong password costs as much for everybody
-- as the dearest hash, which is found here.
ALTER TABLE users ADD COLUMN password_cost INTEGER;
-- A cast reads the digits that a text begins with.
UPDATE users SET password_cost =
    CAST(substr(password_hash, instr(password_hash, '$m=') + 3) AS INTEGER)
    * CAST(substr(password_hash, instr(password_hash, ',t=') + 3) AS INTEGER)
WHERE instr(password_hash, '$m=') > 0 AND instr(password_hash, ',t=') > 0;
CREATE INDEX users_by_password_cost ON users (password_cost);
