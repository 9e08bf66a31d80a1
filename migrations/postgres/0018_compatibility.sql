-- The lowest version that this schema still serves: releases that know it, or a later one, go on while a newer one
-- is rolled out. A migration that takes something away from them sets this to its own number, and so does one whose
-- release writes what they cannot read.
CREATE TABLE schema_compatibility (
    lowest BIGINT NOT NULL PRIMARY KEY
);
INSERT INTO schema_compatibility (lowest) VALUES (18);
