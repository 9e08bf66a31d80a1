-- What is read of a user's logins is read a part at a time, from place to place. A rotation changes no column of these
-- indexes, so that its update stays HOT.
CREATE INDEX families_live ON families (user_id, created_at, id) WHERE ended_at IS NULL;
CREATE INDEX families_sign_in ON families (sign_in_session, created_at, id)
    WHERE ended_at IS NULL AND sign_in_session IS NOT NULL;
CREATE INDEX families_ended ON families (ended_at) WHERE ended_at IS NOT NULL;

-- Logins that are to end, and are too many for one transaction. Whoever ends them goes on from the place that stands
-- here; if nobody does, the janitor.
CREATE TABLE ending_logins (
    id              UUID        NOT NULL PRIMARY KEY,
    user_id         UUID        NOT NULL,
    -- Of this one alone, where it is named.
    client_id       TEXT,
    -- All but these.
    spared_family   UUID,
    spared_sign_in  UUID,
    reason          TEXT        NOT NULL,
    noted_at        TIMESTAMPTZ NOT NULL,
    -- Those that come after this place, from the newest to the oldest, have not ended yet.
    created_at      TIMESTAMPTZ NOT NULL,
    family_id       UUID        NOT NULL
);
