-- By what the tables are spread over several servers, where they are. An embedded store never is.
CREATE TABLE distribution (
    engine TEXT NOT NULL PRIMARY KEY
) STRICT;
