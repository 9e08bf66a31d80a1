-- From when until when tokens that are ahead of their rows are refused: an operator said that there was no restore, or
-- nobody said anything for an hour. Before `refused_from` they are asked to come back.
CREATE TABLE restore_refusals (
    id            BLOB        NOT NULL PRIMARY KEY,
    refused_from  TEXT        NOT NULL,
    refused_until TEXT        NOT NULL
) STRICT;
