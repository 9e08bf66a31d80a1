-- How often things happened, by the minute and by the hour. What is counted has a name; times are whole minutes since
-- 1970, so that both engines sum them up alike.
CREATE TABLE usage_counts (
    span  INTEGER NOT NULL CHECK (span > 0),
    since INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    times INTEGER NOT NULL CHECK (times >= 0),
    PRIMARY KEY (span, since, name)
) STRICT, WITHOUT ROWID;
