-- When configuration in files brought a client in: what that brought in it may take away again.
ALTER TABLE clients ADD COLUMN applied_at TEXT;
CREATE INDEX clients_applied ON clients (id) WHERE applied_at IS NOT NULL;

-- One row: replicas that apply their files at once wait for each other here.
CREATE TABLE file_applications (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    changed_at TEXT
) STRICT;
INSERT INTO file_applications (id) VALUES (1);
