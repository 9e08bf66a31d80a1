-- The status lists (Token Status List), a row each, and how many blocks of its positions are handed out: a server takes
-- a block by one small write, and gives a position of it to every family that begins. None is handed out twice.
CREATE TABLE status_lists (
    id            BIGINT      NOT NULL PRIMARY KEY,
    blocks        BIGINT      NOT NULL,
    opened_at     TIMESTAMPTZ NOT NULL,
    last_block_at TIMESTAMPTZ NOT NULL
);

-- A family's position, for life; NULL for one that began before there were lists. No index of living families has it.
ALTER TABLE families ADD COLUMN status_list BIGINT;
ALTER TABLE families ADD COLUMN status_index BIGINT;
CREATE INDEX families_ended_of_list ON families (status_list, status_index) WHERE ended_at IS NOT NULL;
