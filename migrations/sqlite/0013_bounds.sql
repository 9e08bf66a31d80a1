-- What is read of a user's logins is read a part at a time, from place to place. A rotation changes no column of these
-- indexes, so that its update stays HOT.
CREATE INDEX families_live ON families (user_id, created_at, id) WHERE ended_at IS NULL;
CREATE INDEX families_sign_in ON families (sign_in_session, created_at, id)
    WHERE ended_at IS NULL AND sign_in_session IS NOT NULL;
CREATE INDEX families_ended ON families (ended_at) WHERE ended_at IS NOT NULL;

-- Logins that are to end, and are too many for one transaction. Whoever ends them goes on from the place that stands
-- here; if nobody does, the janitor.
CREATE TABLE ending_logins (
    id              BLOB        NOT NULL PRIMARY KEY,
    user_id         BLOB        NOT NULL,
    -- Of this one alone, where it is named.
    client_id       TEXT,
    -- All but these.
    spared_family   BLOB,
    spared_sign_in  BLOB,
    reason          TEXT        NOT NULL,
    noted_at        TEXT        NOT NULL,
    -- Those that come after this place, from the newest to the oldest, have not ended yet.
    created_at      TEXT        NOT NULL,
    family_id       BLOB        NOT NULL
) STRICT;
