-- How often things happened, by the minute and by the hour. What is counted has a name; times are whole minutes since
-- 1970, so that both engines sum them up alike.
CREATE TABLE usage_counts (
    span  BIGINT NOT NULL CHECK (span > 0),
    since BIGINT NOT NULL,
    name  TEXT   NOT NULL,
    times BIGINT NOT NULL CHECK (times >= 0),
    PRIMARY KEY (span, since, name)
);
