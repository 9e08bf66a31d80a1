-- The status lists (Token Status List), a row each, and how many blocks of its positions are handed out: a server takes
-- a block by one small write, and gives a position of it to every family that begins. None is handed out twice.
CREATE TABLE status_lists (
    id            INTEGER     NOT NULL PRIMARY KEY,
    blocks        INTEGER     NOT NULL,
    opened_at     TEXT        NOT NULL,
    last_block_at TEXT        NOT NULL
) STRICT;

-- A family's position, for life; NULL for one that began before there were lists. No index of living families has it.
ALTER TABLE families ADD COLUMN status_list INTEGER;
ALTER TABLE families ADD COLUMN status_index INTEGER;
CREATE INDEX families_ended_of_list ON families (status_list, status_index) WHERE ended_at IS NOT NULL;
