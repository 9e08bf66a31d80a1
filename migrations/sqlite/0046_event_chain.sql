-- The chain of events: for each that is too old to change any more a link over the one before it, keyed by what comes
-- out of the master key. Links are numbered as they are made, which is not quite the order of events: one that was
-- committed late comes later.
CREATE TABLE event_links (
    seq      INTEGER NOT NULL PRIMARY KEY CHECK (seq > 0),
    event_id BLOB    NOT NULL UNIQUE,
    -- A MAC of the event.
    digest   BLOB    NOT NULL,
    -- A MAC of the link before, the number, the event's id and its digest.
    link     BLOB    NOT NULL,
    -- The master key that both are made with.
    key_id   TEXT    NOT NULL
) STRICT;
-- How far it is: one row, of which `mac` is a MAC.
CREATE TABLE event_chain (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    begun_at    TEXT    NOT NULL,
    -- The last link.
    seq         INTEGER NOT NULL,
    link        BLOB    NOT NULL,
    -- All events from before this time have links, but for those that were committed late.
    horizon     TEXT    NOT NULL,
    -- The last link of an event that was deleted for its age, and is deleted itself.
    anchor_seq  INTEGER NOT NULL,
    anchor_link BLOB    NOT NULL,
    key_id      TEXT    NOT NULL,
    mac         BLOB    NOT NULL,
    -- When the last round began: whoever moves it has the next one.
    round_at    TEXT    NOT NULL
) STRICT;
