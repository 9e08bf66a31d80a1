-- What happened, under the names of docs/events.md. A row is written in the transaction that it tells of, and never
-- changes. Of what is no change in the database (a refused login, above all), which others can cause in any number,
-- there is one row for a name, an account, an address and a minute, with how often it happened then. Its id begins with
-- its time, so what is older than another row has a lower one.
CREATE TABLE events (
    id        BLOB    NOT NULL PRIMARY KEY,
    at        TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    user_id   BLOB,
    family_id BLOB,
    -- All that is told of it, as one JSON object.
    fields    TEXT    NOT NULL,
    times     INTEGER NOT NULL CHECK (times > 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_user ON events (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX events_family ON events (family_id, id) WHERE family_id IS NOT NULL;
